"""Layer 3 (pure). Who takes part: who is alive, suspect or dead (SWIM, Lifeguard), and which stores are the last ones."""
