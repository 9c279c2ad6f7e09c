"""Layer 2 (pure). How records, digests, hints and ballots lie in ordered keyspaces: keys and byte formats."""
