"""Layer 2 (pure). What nodes say to each other, what machines ask for, and what a client's request carries."""
