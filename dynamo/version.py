"""Layer 0. The version of this package, once; `pyproject.toml` says the same, and a test compares them."""

VERSION = "0.1.0"
