"""Layer 3 (pure). Keys of linearizable buckets: per-key Paxos over one register a key."""
