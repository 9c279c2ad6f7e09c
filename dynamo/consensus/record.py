"""What is chosen in a linearizable bucket, as an ordinary record: for weaker reads, listings, repair and entity tags.

A register of version v becomes the record with clock {"~": v} and one sibling with the dot ("~", v), a deletion as a
tombstone. "~" is nobody's actor name: all replicas make the same record of the same register. Such records form one
chain, so merging them keeps the later one, and repair that knows nothing of Paxos spreads only what was chosen.
"""

from __future__ import annotations

from functools import lru_cache

from dynamo.layout.register import Face
from dynamo.versioning.hybrid_time import stamp
from dynamo.versioning.record import Record, Sibling, digest

CHOSEN = "~"
"""Actor of all versions that were agreed on."""


def as_record(register: Face) -> Record:
    """The record that shows this register; an empty one for a key that was never written."""
    version = register.version
    if version == 0:
        return Record({}, [])
    sibling = Sibling(
        CHOSEN,
        version,
        stamp(register.counter),
        register.value,
        register.content_type,
        register.meta,
        request=register.request,
    )
    return Record({CHOSEN: version}, [sibling])


@lru_cache(maxsize=4096)
def digest_of(version: int, *, deleted: bool) -> int:
    """`digest` of the record that shows this version, which looks at nothing else. The same few of many keys."""
    return digest(Record({CHOSEN: version}, [Sibling(CHOSEN, version, 0, None if deleted else b"")]))


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
