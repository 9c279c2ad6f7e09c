"""Layer 3 (pure). Who takes part: which nodes are alive (SWIM, Lifeguard), and which stores they had last."""
