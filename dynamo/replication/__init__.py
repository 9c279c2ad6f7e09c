"""Layer 3 (pure). One request against N replicas: quorum reads and writes, read repair, forwarding, listings."""
