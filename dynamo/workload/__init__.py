"""Beside. Load: keys and requests from a seed, an HTTP client, closed loops, systems side by side; picture files."""
