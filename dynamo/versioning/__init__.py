"""Layer 1 (pure). Which value is newer, and when neither is: dotted version vectors, contexts, hybrid time."""
