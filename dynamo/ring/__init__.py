"""Layer 1 (pure). Where a key lives: tokens, equal partitions, their owners, preference lists, moves between rings."""
