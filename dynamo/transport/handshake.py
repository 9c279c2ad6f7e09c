"""The handshake's decisions, without any IO: may these two nodes talk, and in which version of the protocol?

The opener says Hello, the listener answers Welcome, with a refusal in words if it will not. Both sides check: the
listener whether the other is a known member of its own cluster, the opener whether it reached the node it wanted (an
address may have been given to another). Where TLS is on, the name in the certificate must be the node id that is
claimed; otherwise any member could speak for another.

Either side may also find that the other runs on an older copy of its data (`membership/store_ages.py`). The listener
says so in its refusal, and then the opener has to end. An opener that finds it just leaves: the other's own connection
to this node will be told.

A refusal is told to whoever asks, except where the bytes are not of this protocol at all: then there is nobody to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from dynamo.protocol.codec import MAGIC, PROTOCOL_MAX, PROTOCOL_MIN, Hello, Welcome
from dynamo.protocol.messages import StoreAge

GREETING_BYTES_MAX = 4096
"""Largest frame that is read from somebody who has not said who he is."""

_SHOWN_MAX = 64

Names = frozenset[str] | None
"""DNS names in a peer's certificate; None where the connection has no TLS."""


def _says_nothing() -> StoreAge | None:
    return None


def _objects_never(_: StoreAge | None) -> str:
    return ""


def _goes_on(_: str) -> None:
    pass


class Introduction(msgspec.Struct):
    """Who this node is, and whom it knows. One object serves every connection; change it in place, it is read anew."""

    cluster: str
    node: str
    incarnation: str
    epoch: int
    """Number of the topology in force; it travels with every message."""
    members: frozenset[str]
    """Ids of the cluster's nodes."""
    age: Callable[[], StoreAge | None] = _says_nothing
    """Of this node's store, now."""
    judge: Callable[[StoreAge | None], str] = _objects_never
    """Why a member that shows this age must not take part; empty if it may, which is then noted."""
    on_outdated: Callable[[str], None] = _goes_on
    """Called with another node's words when it finds that this node's store is an older copy."""


def hello(me: Introduction) -> Hello:
    """What the opener of a connection says first."""
    return Hello(MAGIC, PROTOCOL_MIN, PROTOCOL_MAX, me.cluster, me.node, me.incarnation, me.epoch, me.age())


def welcome(me: Introduction, theirs: Hello, names: Names) -> Welcome:
    """What the listener answers. `protocol` is 0 in a refusal."""
    refusal = _why_not(me, theirs, names)
    objection = "" if refusal else me.judge(theirs.age)
    if objection:
        refusal = f"{theirs.node} runs on an older copy of its data: {objection}"
    protocol = 0 if refusal else min(theirs.protocol_max, PROTOCOL_MAX)
    return Welcome(
        MAGIC, protocol, me.cluster, me.node, me.incarnation, me.epoch, refusal, me.age(), outdated=bool(objection)
    )


def is_ours(greeting: Hello | Welcome) -> bool:
    """Whether this is a greeting of this protocol at all."""
    return greeting.magic == MAGIC


def why_leave(me: Introduction, wanted: str, theirs: Welcome, names: Names) -> str:
    """Why the opener must not go on after this Welcome; empty if it may."""
    if not is_ours(theirs):
        return "what answers there is no peer"
    if theirs.refusal:
        return f"refused: {theirs.refusal[:GREETING_BYTES_MAX]}"
    if reason := _why_not_wanted(me, wanted, theirs, names):
        return reason
    if not PROTOCOL_MIN <= theirs.protocol <= PROTOCOL_MAX:
        return f"protocol {theirs.protocol} is not one of {PROTOCOL_MIN} to {PROTOCOL_MAX}"
    objection = me.judge(theirs.age)
    return f"{wanted} runs on an older copy of its data: {objection}" if objection else ""


def finds_outdated(me: Introduction, wanted: str, theirs: Welcome, names: Names) -> bool:
    """Whether a member of the cluster says with this Welcome that this node's own store is an older copy."""
    return is_ours(theirs) and theirs.outdated and not _why_not_wanted(me, wanted, theirs, names)


def _why_not_wanted(me: Introduction, wanted: str, theirs: Welcome, names: Names) -> str:
    if theirs.cluster != me.cluster:
        return f"cluster {_shown(theirs.cluster)} answers there, not {me.cluster!r}"
    if theirs.node != wanted:
        return f"node {_shown(theirs.node)} answers there, not {wanted!r}"
    return _why_not_named(theirs.node, names)


def _why_not(me: Introduction, theirs: Hello, names: Names) -> str:
    if theirs.cluster != me.cluster:
        return f"this is cluster {me.cluster!r}, not {_shown(theirs.cluster)}"
    if theirs.node == me.node:
        return f"{me.node!r} is my own id: two nodes carry it, or an address points back"
    if theirs.node not in me.members:
        return f"{_shown(theirs.node)} is not a member of this cluster as I know it (epoch {me.epoch})"
    if max(theirs.protocol_min, PROTOCOL_MIN) > min(theirs.protocol_max, PROTOCOL_MAX):
        return (
            f"no protocol in common: {theirs.protocol_min} to {theirs.protocol_max} there,"
            f" {PROTOCOL_MIN} to {PROTOCOL_MAX} here"
        )
    return _why_not_named(theirs.node, names)


def _why_not_named(node: str, names: Names) -> str:
    if names is None or node in names:
        return ""
    return f"the certificate does not carry the name {node!r}"


def _shown(claim: str) -> str:
    """What a stranger claims, fit for a log and for a small frame."""
    return repr(claim if len(claim) <= _SHOWN_MAX else claim[:_SHOWN_MAX] + "...")


def names_in(certificate: Mapping[str, object] | None) -> frozenset[str]:
    """The DNS names of a certificate, as the ssl module describes one (`getpeercert`)."""
    pairs = (certificate or {}).get("subjectAltName", ())
    assert isinstance(pairs, tuple)
    return frozenset(value for kind, value in pairs if kind == "DNS")
