"""Beside (pure). Results of a load run: what they say, how sure that is, how two compare, and their charts."""
