"""Beside. How cost grows with size, axis by axis, and whether a long run stays level."""
