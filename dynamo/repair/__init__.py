"""Layer 3 (pure). How replicas are compared and what is wrong with what they hold; nothing here reads or sends."""
