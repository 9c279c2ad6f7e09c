"""What a majority shows of a key: the newest register among its replies, and whether that is known to be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dynamo.errors import CorruptValue
from dynamo.layout.register import Register, decode
from dynamo.versioning.ballot import ZERO, Ballot


class Shown(Protocol):
    """A reply that says what its sender has accepted: Promised, Inspected."""

    accepted: Ballot
    register: bytes


def newest(replies: Mapping[str, Shown]) -> tuple[Register, bytes, bool]:
    """The register with the highest accepted ballot, its byte form, and whether all replies show that ballot.

    Only one is decoded: two of the same ballot are the same. Of a key that nobody has accepted anything for, the
    highest floor counts. Raises CorruptValue, with `replica` among its members.
    """
    replica, top = max(replies.items(), key=_by_ballot)
    if top.accepted == ZERO:
        found = [(_decoded(name, reply), reply.register) for name, reply in replies.items()]
        return *max(found, key=_by_version), True
    return _decoded(replica, top), top.register, all(reply.accepted == top.accepted for reply in replies.values())


def _decoded(replica: str, reply: Shown) -> Register:
    try:
        return decode(sound(reply))
    except CorruptValue as problem:
        raise CorruptValue(f"what {replica} has accepted is damaged: {problem.detail}", replica=replica) from problem


def sound(reply: Shown) -> bytes:
    """The register of a reply. Raises CorruptValue if it lacks what it says was accepted: that is no absent key."""
    if not reply.register and reply.accepted != ZERO:
        raise CorruptValue("a replica shows an accepted ballot without its register")
    return reply.register


def _by_ballot(item: tuple[str, Shown]) -> Ballot:
    return item[1].accepted


def _by_version(pair: tuple[Register, bytes]) -> int:
    return pair[0].version
