"""Bucket properties: the settings of a bucket, as every node holds them.

Properties travel to every node. Two nodes may learn of a bucket in different orders, so they merge: what is fixed at
creation (mode, n) comes from the earliest creation, the rest from the latest change; both are decided by hybrid stamp
and node, so every order gives the same result.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from dynamo.errors import InvalidParameter

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
N_MAX = 16


class Mode(StrEnum):
    """How concurrent writes of a bucket are treated; fixed when the bucket is made."""

    SIBLINGS = "siblings"
    LWW = "lww"
    LINEARIZABLE = "linearizable"

    # As equal texts hash, and without a call in Python.
    __hash__ = str.__hash__


Stamp = tuple[int, str]
"""(hybrid time, node id): when and where a bucket was created or changed."""
NEVER: Stamp = (0, "")


class BucketProperties(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one bucket. Quorums are numbers or the words one, quorum, all; durations are seconds."""

    name: str
    mode: Mode = Mode.SIBLINGS
    n: int = 3
    r: int | str = "quorum"
    w: int | str = "quorum"
    dw: int | str = 0
    pr: int | str = 0
    pw: int | str = 0
    sloppy: bool = True
    ttl_s: int = 0
    """Default time to live of a value; 0 is for ever."""
    value_bytes_max: int = 0
    """0 takes the node's limit."""
    require_context: bool = False
    deleted: bool = False
    """The bucket was dropped; kept so that an older copy cannot bring it back."""
    generation: int = 1
    """Grows when a dropped bucket is made again: a later one shares nothing with the one before."""
    created: Stamp = NEVER
    changed: Stamp = NEVER
    """`NEVER` where a first write made the bucket, and no client has set anything since."""
    staleness_sample: float | None = None
    """Share of its reads, and of its writes, that is looked at to measure staleness; None takes the node's."""


def merged(left: BucketProperties, right: BucketProperties) -> BucketProperties:
    """The properties that a node holds after learning of both. Commutes, associates, repeats harmlessly."""
    if left.generation != right.generation:
        return max(left, right, key=_generation)
    first = min(left, right, key=_created)
    last = max(left, right, key=_changed)
    return msgspec.structs.replace(
        last, created=first.created, mode=first.mode, n=first.n, deleted=left.deleted or right.deleted
    )


def _generation(bucket: BucketProperties) -> int:
    return bucket.generation


def _created(bucket: BucketProperties) -> tuple[Stamp, str, int]:
    return (bucket.created, bucket.mode.value, bucket.n)


def _changed(bucket: BucketProperties) -> tuple[Stamp, bytes]:
    # Ties are broken by what the later change decides, and nothing else: fields that a merge takes from elsewhere
    # would make the result depend on the order of merging.
    decided = msgspec.structs.replace(bucket, created=NEVER, mode=Mode.SIBLINGS, n=0, deleted=False)
    return (bucket.changed, msgspec.msgpack.encode(decided, order="sorted"))


def check_name(name: str) -> str:
    """The name itself. Raises InvalidParameter if it is not allowed."""
    if not NAME.fullmatch(name):
        raise InvalidParameter(
            "a bucket name has 1 to 63 of the characters a-z 0-9 . _ - and begins with a letter or digit",
            parameter="bucket",
        )
    return name


def check(bucket: BucketProperties) -> BucketProperties:
    """The properties themselves; sloppy, which means nothing in a linearizable bucket, is shown as False there.

    Raises InvalidParameter for a value that no request could be served with.
    """
    check_name(bucket.name)
    if not 1 <= bucket.n <= N_MAX:
        raise InvalidParameter(f"n must lie between 1 and {N_MAX}, not {bucket.n}", parameter="n")
    for field in ("r", "w"):
        resolve_quorum(getattr(bucket, field), bucket.n, field, smallest=1)
    for field in ("dw", "pr", "pw"):
        resolve_quorum(getattr(bucket, field), bucket.n, field, smallest=0)
    if bucket.ttl_s < 0:
        raise InvalidParameter("ttl_s must be 0 (never) or more", parameter="ttl_s")
    if bucket.value_bytes_max < 0:
        raise InvalidParameter("value_bytes_max must be 0 (the node's limit) or more", parameter="value_bytes_max")
    if bucket.staleness_sample is not None and not 0 <= bucket.staleness_sample <= 1:
        raise InvalidParameter(
            "staleness_sample must lie between 0 and 1, or be null (the node's)", parameter="staleness_sample"
        )
    return _check_linearizable(bucket) if bucket.mode is Mode.LINEARIZABLE else bucket


def _check_linearizable(bucket: BucketProperties) -> BucketProperties:
    """What such a bucket cannot have. Changes go to a majority of the primaries, so w, dw and pw mean nothing; r and pr
    are for weaker reads.
    """
    if bucket.ttl_s:
        raise InvalidParameter("values in a linearizable bucket do not expire; ttl_s must be 0", parameter="ttl_s")
    if bucket.require_context:
        raise InvalidParameter(
            "changes of a linearizable bucket carry conditions, not contexts; require_context must be false",
            parameter="require_context",
        )
    return msgspec.structs.replace(bucket, sloppy=False)


def resolve_quorum(wanted: int | str, n: int, parameter: str, smallest: int) -> int:
    """How many replicas a quorum word or number means for a bucket of `n`. Raises InvalidParameter."""
    if wanted == "one":
        return 1
    if wanted == "quorum":
        return n // 2 + 1
    if wanted == "all":
        return n
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise InvalidParameter(f"{parameter} must be a number, one, quorum or all", parameter=parameter)
    if not smallest <= wanted <= n:
        raise InvalidParameter(
            f"{parameter}={wanted} is not possible in a bucket with n={n}; it must lie between {smallest} and {n}",
            parameter=parameter,
        )
    return wanted
