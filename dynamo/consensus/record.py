"""What is chosen in a linearizable bucket, as an ordinary record: for weaker reads, listings, repair and entity tags.

A register of version v becomes the record with clock {"~": v} and one sibling with the dot ("~", v), a deletion as a
tombstone. "~" is nobody's actor name: all replicas make the same record of the same register. Such records form one
chain, so merging them keeps the later one, and repair that knows nothing of Paxos spreads only what was chosen.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from dynamo.layout.register import Face
from dynamo.versioning.hybrid_time import stamp
from dynamo.versioning.record import Record, Sibling, body_of, digest, encode_parts, is_sound

CHOSEN = "~"
"""Actor of all versions that were agreed on."""


def as_record(register: Face) -> Record:
    """The record that shows this register; an empty one for a key that was never written."""
    if register.version == 0:
        return Record({}, [])
    return Record({CHOSEN: register.version}, [_only_sibling(register)])


def encode_shown(register: Face) -> bytes:
    """The byte form of the record that shows this register, of a key that was written."""
    return encode_parts([(CHOSEN, register.version)], [_only_sibling(register)])


def _only_sibling(register: Face) -> Sibling:
    return Sibling(
        CHOSEN,
        register.version,
        stamp(register.counter),
        register.value,
        register.content_type,
        register.meta,
        0,
        register.request,
    )


@lru_cache(maxsize=4096)
def digest_of(version: int, deleted: bool) -> int:  # noqa: FBT001  # positional, as it is asked for with each change
    """`digest` of the record that shows this version, which looks at nothing else. The same few of many keys."""
    return digest(Record({CHOSEN: version}, [Sibling(CHOSEN, version, 0, None if deleted else b"")]))


class _Only(msgspec.Struct, array_like=True, gc=False):
    """The one sibling of a chosen record, in so far as it tells the version."""

    actor: Literal["~"]
    counter: Annotated[int, msgspec.Meta(gt=0)]
    hybrid: int
    value: bytes | None
    content_type: str
    meta: dict[str, str]
    expires_ms: Literal[0]


_decode_form = msgspec.msgpack.Decoder(tuple[tuple[tuple[Literal["~"], int]], tuple[_Only]]).decode


def version_shown(data: bytes) -> tuple[int, bool] | None:
    """Version of a chosen record in byte form, and whether it is a tombstone; None of all else, be it damaged or not.

    `is_chosen_form` of the bytes themselves, asked of each record before a newer version takes its place.
    """
    if not is_sound(data):
        return None
    try:
        ((_, seen),), (only,) = _decode_form(body_of(data))
    except msgspec.DecodeError:
        return None
    return (seen, only.value is None) if seen == only.counter else None


def is_chosen_form(record: Record) -> bool:
    """Whether the record has the form of what was agreed on: one version, and nothing else."""
    if len(record.siblings) != 1:
        return False
    sibling = record.siblings[0]
    return (
        sibling.actor == CHOSEN
        and sibling.counter > 0
        and record.clock == {CHOSEN: sibling.counter}
        and sibling.expires_ms == 0
    )
