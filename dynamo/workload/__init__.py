"""Beside. Load: keys and requests from a seed, a cheap HTTP client, closed loops, systems side by side; pictures."""
