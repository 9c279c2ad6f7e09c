"""Beside (pure). Was a recorded history legal? Knows nothing of ours but plain data that it defines itself."""
