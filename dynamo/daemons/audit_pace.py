"""How fast an audit reads while it does: what its parts share."""

PAGE = 64
"""Entries between two pauses."""
PAGE_PAUSE_S = 0.005
"""Reading a page takes about a tenth of it, so that an audit costs a tenth of a core while it runs."""
