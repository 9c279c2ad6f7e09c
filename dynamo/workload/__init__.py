"""Beside. Load: keys and requests from a seed, a cheap HTTP client, closed loops, and systems measured side by side."""
