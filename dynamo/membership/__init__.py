"""Layer 3 (pure). Who takes part: which nodes work, and which stores are the ones they had last."""
