"""Layer 2 (pure). How records, digests, hints, ballots and node facts lie in ordered keyspaces: keys and byte formats."""
