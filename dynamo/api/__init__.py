"""Layer 6. The HTTP API: a client's words into commands for the node, and what the node decided into answers."""
