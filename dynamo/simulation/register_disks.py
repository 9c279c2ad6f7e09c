"""What acceptors have on their disks, and what must be true of it at every moment, whoever asked for it.

Looked at from outside, at the instant in which something becomes durable:

    two-values    no ballot is accepted with two registers
    fell          what a replica has promised and accepted never falls while it keeps its disk
    not-chosen    of what a majority has accepted, in the order of the ballots, the versions grow, and a version is one
                  change: what was chosen stays chosen (agreement)

This finds a wrong acceptor or proposer where no client was there to see it.
"""

from __future__ import annotations

from bisect import bisect
from itertools import pairwise

import msgspec

from dynamo.checker.history import Violation
from dynamo.errors import CorruptValue
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.ballot import decode as decode_state
from dynamo.layout.keyspaces import Keyspace, record_key, split_record_key
from dynamo.layout.register import Register
from dynamo.layout.register import decode as decode_register
from dynamo.simulation.cluster import Cluster, N
from dynamo.versioning.ballot import Ballot, is_hearsay, plain

MAJORITY = N // 2 + 1


class _Accepted(msgspec.Struct):
    """One ballot of one key: what was accepted in it, and by whom."""

    register: bytes
    nodes: dict[str, None] = {}
    former: dict[str, None] = {}
    """Those that have lost the disk on which they had accepted it: they may have been counted before."""


class _Key(msgspec.Struct):
    states: dict[str, AcceptorState] = {}
    ballots: dict[Ballot, _Accepted] = {}
    chosen: list[tuple[Ballot, Register]] = []
    """In the order of the ballots."""


class Witness:
    """Sees all that acceptors put on their disks."""

    def __init__(self, cluster: Cluster) -> None:
        self.violations: list[Violation] = []
        self._keys: dict[bytes, _Key] = {}
        self._cluster = cluster
        for platter in cluster.platters.values():
            platter.on_synced = self._see
            platter.on_replaced = self._replaced

    def was_chosen(self, bucket: str, key: bytes, version: int, value: bytes | None) -> bool:
        """Whether a majority has accepted that, some time; lost disks count."""
        known = self._keys.get(self._stored(bucket, key), _Key())
        majorities = [each for each in known.ballots.values() if len(each.nodes | each.former) >= MAJORITY]
        registers = (decode_register(each.register) for each in majorities)
        return any((each.version, each.value) == (version, value) for each in registers)

    def _stored(self, bucket: str, key: bytes) -> bytes:
        return record_key(self._cluster.partition(bucket, key), bucket, key)

    def _replaced(self, node: str) -> None:
        """A node has another disk: what it had accepted on the old one counts for nothing that is not chosen yet."""
        held = self._cluster.platters[node].synced[Keyspace.BALLOTS]
        for stored, key in self._keys.items():
            state = decode_state(held[stored]) if stored in held else AcceptorState()
            key.states[node] = state
            for ballot, accepted in key.ballots.items():
                if node in accepted.nodes and len(accepted.nodes) < MAJORITY and ballot != state.accepted:
                    del accepted.nodes[node]
                    accepted.former[node] = None

    def _see(self, node: str, space: Keyspace, stored: bytes, data: bytes | None) -> None:
        if space is not Keyspace.BALLOTS:
            return
        key = self._keys.setdefault(stored, _Key())
        before = key.states.get(node, AcceptorState())
        if data is None:
            # Forgotten: what was promised is still promised, by the floor.
            key.states[node] = AcceptorState(before.promised)
            return
        state = decode_state(data)
        if state.promised < before.promised or plain(state.accepted) < plain(before.accepted):
            self._found("fell", stored, f"{node} had {_said(before)}, and has {_said(state)}")
        key.states[node] = state
        if state.value is not None and state.accepted != before.accepted and not is_hearsay(state.accepted):
            self._accepted(node, stored, key, state.accepted, state.value)

    def _accepted(self, node: str, stored: bytes, key: _Key, ballot: Ballot, register: bytes) -> None:
        accepted = key.ballots.setdefault(ballot, _Accepted(register))
        if accepted.register != register:
            self._found("two-values", stored, f"{node} accepts in ballot {ballot} what others have not")
        accepted.nodes[node] = None
        if len(accepted.nodes) == MAJORITY:
            self._chosen(stored, key, ballot, decode_register(register))

    def _chosen(self, stored: bytes, key: _Key, ballot: Ballot, register: Register) -> None:
        at = bisect(key.chosen, ballot, key=_ballot)
        key.chosen.insert(at, (ballot, register))
        for (_, earlier), (later_ballot, later) in pairwise(key.chosen[max(0, at - 1) : at + 2]):
            self._compare(stored, earlier, later, later_ballot)

    def _compare(self, stored: bytes, earlier: Register, later: Register, ballot: Ballot) -> None:
        is_forgotten = later.value is None and not later.request
        same = is_forgotten or (earlier.value, earlier.request) == (later.value, later.request)
        if later.version < earlier.version or (later.version == earlier.version and not same):
            text = f"{_shown(earlier)} was chosen, and then, in ballot {ballot}, {_shown(later)}"
            self._found("not-chosen", stored, text)

    def _found(self, rule: str, stored: bytes, text: str) -> None:
        _, bucket, key = split_record_key(stored)
        self._cluster.world.note(f"{rule}: {text}")
        self.violations.append(
            Violation(rule, (bucket, key.decode()), f"{text} (at {self._cluster.world.now():.3f} s)")
        )


def _ballot(chosen: tuple[Ballot, Register]) -> Ballot:
    return chosen[0]


def states(cluster: Cluster, bucket: str, key: bytes) -> dict[str, AcceptorState | None]:
    """What each replica of a key has on disk; None for one that has nothing. Raises CorruptValue."""
    stored = record_key(cluster.partition(bucket, key), bucket, key)
    found = {
        node: cluster.platters[node].synced[Keyspace.BALLOTS].get(stored) for node in cluster.primaries(bucket, key)
    }
    return {node: None if data is None else decode_state(data) for node, data in found.items()}


def holders(cluster: Cluster, bucket: str, key: bytes, version: int) -> int:
    """How many replicas have accepted that version of a key, or a later one. What is damaged counts as held."""
    stored = record_key(cluster.partition(bucket, key), bucket, key)
    kept = (cluster.platters[node].synced[Keyspace.BALLOTS].get(stored) for node in cluster.primaries(bucket, key))
    return sum(_version(data) >= version for data in kept)


def _version(data: bytes | None) -> int:
    try:
        state = AcceptorState() if data is None else decode_state(data)
        return decode_register(state.value or b"").version
    except CorruptValue:
        return 1 << 62


def _said(state: AcceptorState) -> str:
    return f"promised {state.promised} and accepted {state.accepted}"


def _shown(register: Register) -> str:
    return f"version {register.version} ({'nothing' if register.value is None else register.value.decode()})"
