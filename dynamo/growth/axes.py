"""The axes along which a store may grow, how far each is followed, and what a request may cost on the way."""

from __future__ import annotations

from dynamo.growth.curve import Axis

KEYS_MAX = 1_000_000
"""Unless more is asked for: ten times as many take some minutes to write."""
_THREE = "three nodes, N=3, PUT W=2, GET R=2"

KEYS = Axis(
    name="keys",
    unit="keys",
    sizes=(10_000, 100_000, 1_000_000, 10_000_000),
    allowed=0.2,
    reason="a deeper tree, colder caches, and fewer changes of one page in each checkpoint",
    shape="one node, N=1; values of 100 bytes, each request on a key not asked for lately, where there are so many",
)
VALUES = Axis(
    name="values",
    unit="bytes",
    sizes=(16, 256, 4096, 65_536, 1_048_576),
    allowed=1.1,
    reason="each byte is received, sent to two nodes, written to three logs and three trees",
    shape=f"{_THREE}; 16 connections, up to 2,000 keys and 64 MiB of values",
)
NODES = Axis(
    name="nodes",
    unit="nodes",
    sizes=(3, 5, 7, 9),
    allowed=0.5,
    reason="only three of n nodes hold a key: n - 3 of n requests are handed on; and all loops share the same cores",
    shape="N=3, PUT W=2, GET R=2; 64 connections for each three nodes, so that each has as much to do at a time",
)
PARTITIONS = Axis(
    name="partitions",
    unit="partitions",
    sizes=(64, 256, 1024, 4096),
    allowed=0.2,
    reason="finding a partition is one shift; only what runs behind requests looks at all of them",
    shape=f"{_THREE}; 64 connections, 5,000 keys of 256 bytes",
)
CONNECTIONS = Axis(
    name="connections",
    unit="connections",
    sizes=(1, 10, 100, 500, 2000),
    allowed=0.2,
    reason="the more ask at a time, the more share a wake-up, a frame and a sync",
    shape=f"{_THREE}; closed loop, so all of them ask all the time; 5,000 keys of 256 bytes",
)
SIBLINGS = Axis(
    name="siblings",
    unit="siblings",
    sizes=(1, 2, 5, 10, 20, 50),
    allowed=1.1,
    reason="each value of a key is stored, sent and shown with all the others",
    shape=f"{_THREE}; 64 connections, 500 keys whose values of 256 bytes stay as many, the oldest replaced by each PUT",
)
AXES = {axis.name: axis for axis in (KEYS, VALUES, NODES, PARTITIONS, CONNECTIONS, SIBLINGS)}


def sizes(axis: Axis, keys_max: int) -> list[int]:
    """How far an axis is followed."""
    return [size for size in axis.sizes if axis is not KEYS or size <= keys_max]
