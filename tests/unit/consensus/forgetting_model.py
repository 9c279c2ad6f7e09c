"""A deleted key that is forgotten while everything else goes on, in all orders in which messages can arrive.

Version 1 was a value, version 2 is its deletion. A replica C may have missed the deletion. The Accept of version 1
still comes now and then, as late messages do; another proposer changes the key, and a reader looks at it. Nobody may be
shown the value that was deleted, and the change must make a version above 2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from dynamo.consensus import acceptor
from dynamo.consensus.forgetting import floor_after
from dynamo.layout import register as registers
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import GROUND, Floor
from dynamo.layout.register import Register, encode, of_floor
from dynamo.versioning.ballot import ZERO, Ballot

REPLICAS = ("A", "B", "C")
ONE, TWO, FORGET, CHANGE = (1, "p", 1), (2, "p", 1), (5, "f", 1), (7, "q", 1)
VALUE = encode(Register(1, b"old", counter=1, request=b"1" * 16))
DELETION = encode(Register(2, None, counter=2, request=b"2" * 16))
EMPTY = encode(of_floor(2))
State = tuple[Ballot, Ballot, bytes | None]
Reply = tuple[str, Ballot, bytes]


@dataclass(frozen=True)
class Rules:
    """The rules, each of which can be broken, and what else goes on."""

    lagging: bool
    """Whether C missed the deletion."""
    replicas_needed: int = 3
    """To promise and to accept before any forgets."""
    floor: bool = True
    changes: bool = True
    """Whether another proposer changes the key."""
    change: Ballot = CHANGE


@dataclass(frozen=True)
class World:
    """Everything, at one moment."""

    states: tuple[State | None, ...]
    floors: tuple[Floor, ...] = (GROUND, GROUND, GROUND)
    done: frozenset[tuple[str, str]] = frozenset()
    seen: frozenset[tuple[str, Reply]] = frozenset()
    """Replies, by what they answer: `f` and `c` promises, `F` and `C` accepts, `r` what the reader is shown."""
    made: bytes = b""
    """What the other proposer proposes."""


def violations(rules: Rules) -> tuple[list[str], int]:
    """What went wrong first, with the steps to it; and how many different worlds there are."""
    last = (ONE, ONE, VALUE) if rules.lagging else (TWO, TWO, DELETION)
    first = World(((TWO, TWO, DELETION), (TWO, TWO, DELETION), last))
    known, stack = {first}, [(first, ())]
    while stack:
        world, path = stack.pop()
        if wrong := fault(world):
            return [wrong, *path], len(known)
        for step, after in steps(world, rules):
            if after not in known:
                known.add(after)
                stack.append((after, (*path, step)))
    return [], len(known)


def fault(world: World) -> str:
    """What is wrong with a world; empty if nothing is."""
    if world.made and version_of(world.made) <= 2:
        return "the change makes a version that was there before"
    shown = replies(world, "r")
    for at, one in enumerate(shown):
        for other in shown[at + 1 :]:
            if one[1] == other[1] and VALUE in (one[2], other[2]):
                return "a reader is shown the value that was deleted"
    return ""


def replies(world: World, kind: str) -> list[Reply]:
    return sorted(reply for which, reply in world.seen if which == kind)


@cache
def version_of(data: bytes) -> int:
    return registers.decode(data).version


def steps(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """All that can happen next."""
    promised, accepted = len(replies(world, "f")), len(replies(world, "F"))
    changed = replies(world, "c")
    for place, replica in enumerate(REPLICAS):
        yield f"late {replica}", _accepted(world, place, ONE, VALUE, "")
        yield f"prepare {replica}", _promised(world, place, FORGET, "f")
        if promised >= rules.replicas_needed:
            yield f"accept {replica}", _accepted(world, place, FORGET, EMPTY, "F")
        if accepted >= rules.replicas_needed:
            yield f"forget {replica}", _forgot(world, rules, place)
        if rules.changes:
            yield f"change {replica}", _promised(world, place, rules.change, "c")
        if world.made:
            yield f"take {replica}", _accepted(world, place, rules.change, world.made, "C")
        if ("look", replica) not in world.done:
            reply = (replica, *acceptor.shown(_state(world, place), world.floors[place]))
            yield (
                f"look {replica}",
                replace(world, seen=world.seen | {("r", reply)}, done=world.done | {("look", replica)}),
            )
    if len(changed) >= 2 and not world.made:
        newest = max(changed, key=lambda reply: (reply[1], version_of(reply[2])))[2]
        made = encode(Register(version_of(newest) + 1, b"new", counter=7, request=b"3" * 16))
        yield "propose", replace(world, made=made)


def _state(world: World, place: int) -> AcceptorState | None:
    state = world.states[place]
    return None if state is None else AcceptorState(*state)


def _promised(world: World, place: int, ballot: Ballot, kind: str) -> World:
    after = acceptor.promise(_state(world, place), world.floors[place], ballot)
    return world if after is None else _kept(world, place, after, kind, acceptor.shown(after, world.floors[place]))


def _accepted(world: World, place: int, ballot: Ballot, register: bytes, kind: str) -> World:
    after = acceptor.accept(_state(world, place), world.floors[place], ballot, register)
    return world if after is None else _kept(world, place, after, kind, (ballot, b""))


def _kept(world: World, place: int, after: AcceptorState, kind: str, shown: tuple[Ballot, bytes]) -> World:
    states = _put(world.states, place, (after.promised, after.accepted, after.value))
    is_first = all(reply[0] != REPLICAS[place] for reply in replies(world, kind))
    seen = world.seen | {(kind, (REPLICAS[place], *shown))} if kind and is_first else world.seen
    return replace(world, states=states, seen=seen)


def _forgot(world: World, rules: Rules, place: int) -> World:
    floor = floor_after(_state(world, place), world.floors[place], FORGET)
    if floor is None:
        return world
    floors = _put(world.floors, place, floor) if rules.floor else world.floors
    return replace(world, states=_put(world.states, place, None), floors=floors)


def _put(items: tuple, place: int, item: object) -> tuple:
    return (*items[:place], item, *items[place + 1 :])


assert ZERO < ONE < TWO < FORGET < CHANGE
