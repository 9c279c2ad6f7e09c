"""How much of LMDB's file a pair takes (pure): an estimate for the end of the map, where every page counts.

A leaf holds nodes of 8 bytes, key and value. A split leaves two half-full leaves, so a node is counted twice. A node of
more than half a page has its value on pages of its own, with a header of 16 bytes.

Source: LMDB 0.9, `mdb_node_add`, `me_nodemax`.
"""

from __future__ import annotations

PAGE = 4096
_NODE_BYTES = 8
_NODE_BYTES_MAX = 2038
_HEADER_BYTES = 16
_REFERENCE_BYTES = 8


def footprint(key: bytes, value: bytes | None) -> int:
    """Bytes, about; nothing for a removed key."""
    if value is None:
        return 0
    node = _NODE_BYTES + len(key) + len(value)
    if node <= _NODE_BYTES_MAX:
        return 2 * node
    return 2 * (_NODE_BYTES + len(key) + _REFERENCE_BYTES) + -(-(_HEADER_BYTES + len(value)) // PAGE) * PAGE
