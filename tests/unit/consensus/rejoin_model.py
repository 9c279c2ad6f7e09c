"""Three replicas of one key, of which C loses its disk, and all that messages between them can do, in all orders.

A register is the string of the proposers whose changes it holds: "12" is what proposer 2 made of what 1 had made. So of
any two registers that were chosen, or shown to a reader as chosen, one must begin with the other; otherwise a change is
lost. Delivery of a question and of its answer is one step; that an answer comes late is the same as that its proposer
acts late, which it may. Only with `late_disk` an answer waits for the disk, as it really does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from dynamo.consensus import acceptor
from dynamo.consensus.recovery import joined, suffices
from dynamo.consensus.tally import Tally, majority_of
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.floor import GROUND
from dynamo.versioning.ballot import ZERO, Ballot, plain

REPLICAS = ("A", "B", "C")
OLD, NEW = 1, 2
"""What a replica that knows C by its old and by its new store says as `stores`."""
State = tuple[Ballot, Ballot, bytes | None]
Reply = tuple[str, int, Ballot, bytes]
"""Replica, stores, accepted, register."""


@dataclass(frozen=True)
class Rules:
    """The rules, each of which can be broken."""

    prepares: tuple[tuple[str, str], ...]
    """Which proposer asks which replica for a promise."""
    accepts: tuple[tuple[str, str], ...]
    ballots: tuple[tuple[str, Ballot], ...]
    inspects: tuple[str, ...] = ()
    """Whom the reader asks."""
    stores_count: bool = True
    """Answers count together only if they agree about the stores."""
    answers_needed: int = 2
    answer_unasked: bool = True
    """A replica answers only once it has the new store on disk."""
    hearsay: bool = True
    """What was accepted by others only is no vote."""
    late_disk: bool = False
    stores_when_sent: bool = True
    """An answer that waited says which stores are known when it is sent, not when it was asked for."""


@dataclass(frozen=True)
class World:
    """Everything, at one moment."""

    states: tuple[State | None, ...] = (None, None, None)
    """Newest."""
    durable: tuple[State | None, ...] = (None, None, None)
    waiting: tuple[tuple[tuple[str, Reply], ...], ...] = ((), (), ())
    """Replies that wait for the disk of each replica, with the tally that they are for."""
    knows: tuple[bool, ...] = (False, False, False)
    """Whether each has C's new store on disk."""
    wiped: bool = False
    votes: bool = True
    """Whether C does."""
    told: tuple[tuple[str, State | None], ...] = ()
    """What C was told after its loss."""
    done: frozenset[tuple[str, ...]] = frozenset()
    tallies: frozenset[tuple[str, Reply]] = frozenset()
    proposed: tuple[tuple[str, bytes], ...] = ()


def violations(rules: Rules, limit: int = 1) -> tuple[list[tuple[str, ...]], int]:
    """Sequences of steps that lose a change (at most `limit`), and how many different worlds there are."""
    found: list[tuple[str, ...]] = []
    seen = {World()}
    stack: list[tuple[World, tuple[str, ...]]] = [(World(), ())]
    while stack and len(found) < limit:
        world, path = stack.pop()
        if not _is_chain(final(world, rules)):
            found.append(path)
            continue
        for step, after in steps(world, rules):
            if after not in seen:
                seen.add(after)
                stack.append((after, (*path, step)))
    return found, len(seen)


def final(world: World, rules: Rules) -> list[bytes]:
    """All registers that a proposer or the reader takes for chosen."""
    chosen = [register for proposer, register in world.proposed if _group(world, "a" + proposer, rules)]
    for group in _group(world, "i", rules):
        first = group[0]
        if all(reply[2] == first[2] for reply in group):
            chosen.append(first[3])
    return chosen


def _is_chain(registers: list[bytes]) -> bool:
    ordered = sorted(registers, key=len)
    return all(longer.startswith(shorter) for shorter, longer in pairwise(ordered))


def _group(world: World, tally: str, rules: Rules) -> list[list[Reply]]:
    """The groups of replies that are a majority."""
    counts: Tally[Reply] = Tally(majority_of(3))
    groups: dict[int, list[Reply]] = {}
    for _, reply in sorted(each for each in world.tallies if each[0] == tally):
        stores = reply[1] if rules.stores_count else 0
        if group := counts.add(reply[0], stores, reply):
            groups[stores] = list(group.values())
    return list(groups.values())


def steps(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """All that can happen next."""
    ballots = dict(rules.ballots)
    for proposer, replica in rules.prepares:
        event = ("prepare", proposer, replica)
        if _may(world, event, replica):
            yield " ".join(event), _promised(_did(world, event), rules, replica, proposer, ballots[proposer])
    for proposer in ballots:
        if all(proposer != each for each, _ in world.proposed):
            for group in _group(world, "p" + proposer, rules):
                newest = max(group, key=lambda reply: reply[2])
                made = (proposer, newest[3] + proposer.encode())
                yield f"propose {proposer}", replace(world, proposed=(*world.proposed, made))
    for proposer, register in world.proposed:
        for replica in (each for who, each in rules.accepts if who == proposer):
            event = ("accept", proposer, replica)
            if _may(world, event, replica):
                after = _did(world, event)
                yield " ".join(event), _accepted(after, rules, replica, proposer, ballots[proposer], register)
    for replica in rules.inspects:
        event = ("inspect", replica)
        if _may(world, event, replica):
            state = world.durable[REPLICAS.index(replica)] or (ZERO, ZERO, b"")
            reply = (replica, _stores(world, replica), state[1], state[2] or b"")
            yield " ".join(event), replace(_did(world, event), tallies=world.tallies | {("i", reply)})
    yield from _losses(world, rules)


def _losses(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    for place, replica in enumerate(REPLICAS):
        if world.waiting[place]:
            yield f"sync {replica}", _synced(world, rules, place)
    if not world.wiped:
        yield (
            "wipe C",
            replace(
                world,
                states=(*world.states[:2], None),
                durable=(*world.durable[:2], None),
                waiting=(*world.waiting[:2], ()),
                knows=(*world.knows[:2], True),
                wiped=True,
                votes=False,
            ),
        )
        return
    for place, replica in enumerate(REPLICAS[:2]):
        if not world.knows[place]:
            yield f"learn {replica}", replace(world, knows=_put(world.knows, place, True))
        knows = world.knows[place] or not rules.answer_unasked
        if knows and not world.votes and all(replica != each for each, _ in world.told):
            told = (*world.told, (replica, world.durable[place]))
            yield f"tell {replica}", replace(world, told=tuple(sorted(told, key=str)))
    if not world.votes and suffices_for(world, rules):
        state = _joined([state for _, state in world.told if state is not None], rules)
        both = {"states": _put(world.states, 2, state), "durable": _put(world.durable, 2, state)}
        yield "rejoin C", replace(world, votes=True, **both)


def suffices_for(world: World, rules: Rules) -> bool:
    told = [replica for replica, _ in world.told]
    return suffices(3, REPLICAS[:2], told, ()) if rules.answers_needed == 2 else len(told) >= rules.answers_needed


def _joined(told: list[State], rules: Rules) -> State | None:
    if not told:
        return None
    state = joined([AcceptorState(*each) for each in told], None, 3, "new")
    accepted = state.accepted if rules.hearsay else plain(state.accepted)
    return (state.promised, accepted, state.value)


def _may(world: World, event: tuple[str, ...], replica: str) -> bool:
    return event not in world.done and (replica != "C" or world.votes)


def _did(world: World, event: tuple[str, ...]) -> World:
    return replace(world, done=world.done | {event})


def _promised(world: World, rules: Rules, replica: str, proposer: str, ballot: Ballot) -> World:
    state = _state(world, replica)
    after = acceptor.promise(state, GROUND, ballot)
    return (
        world if after is None else _kept(world, rules, replica, after, "p" + proposer, acceptor.shown(after, GROUND))
    )


def _accepted(world: World, rules: Rules, replica: str, proposer: str, ballot: Ballot, register: bytes) -> World:
    after = acceptor.accept(_state(world, replica), GROUND, ballot, register)
    return world if after is None else _kept(world, rules, replica, after, "a" + proposer, (ballot, b""))


def _state(world: World, replica: str) -> AcceptorState | None:
    state = world.states[REPLICAS.index(replica)]
    return None if state is None else AcceptorState(*state)


def _kept(
    world: World, rules: Rules, replica: str, after: AcceptorState, tally: str, shown: tuple[Ballot, bytes]
) -> World:
    place = REPLICAS.index(replica)
    reply = (tally, (replica, _stores(world, replica), *shown))
    state = (after.promised, after.accepted, after.value)
    kept = replace(
        world,
        states=_put(world.states, place, state),
        waiting=_put(world.waiting, place, (*world.waiting[place], reply)),
    )
    return kept if rules.late_disk else _synced(kept, rules, place)


def _synced(world: World, rules: Rules, place: int) -> World:
    """The disk has everything, and what waited is sent."""
    sent = frozenset(
        (tally, (reply[0], _stores(world, reply[0]) if rules.stores_when_sent else reply[1], *reply[2:]))
        for tally, reply in world.waiting[place]
    )
    return replace(
        world,
        durable=_put(world.durable, place, world.states[place]),
        waiting=_put(world.waiting, place, ()),
        tallies=world.tallies | sent,
    )


def _stores(world: World, replica: str) -> int:
    return NEW if world.knows[REPLICAS.index(replica)] else OLD


def _put(items: tuple, place: int, item: object) -> tuple:
    return (*items[:place], item, *items[place + 1 :])
