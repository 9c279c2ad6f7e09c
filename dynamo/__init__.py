"""A leaderless, quorum-replicated key-value store with consistency chosen per request.

The package root exports nothing: every room is imported by its own name, so that the layer test can see who uses whom.
"""
