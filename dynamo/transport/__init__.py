"""Layer 6. The peer wire, an adapter: frames over persistent TCP connections between nodes, with TLS as an option.

Reading order: `frames` (bytes to frames and back), `handshake` (who may talk to whom), `connection` (what both ends
share), then the two ends: `outgoing`, `link` and `peers` ask; `listener` answers.
"""
