"""A legal order for a history in which every value was written once, however many operations were under way at once.

Blocks of `zones` are put in order by where their zones begin, forward and backward ones alike: of two blocks of a legal
history the one whose zone begins first never has to come second. Where the history is illegal there is a longest
beginning of it that is legal: legality of beginnings can only be lost, so bisection finds the return at which that
happens. This is what a picture shows where `search` is too slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import msgspec

from dynamo.checker import zones
from dynamo.checker.models import Model
from dynamo.checker.operation import Op, Value, considered, describe
from dynamo.checker.verdict import Order, Search
from dynamo.checker.zones import Group


def farthest(ops: Sequence[Op], model: Model, initial: Value = None) -> Search:
    """An order of all operations or, of an illegal history, of the longest legal beginning. Raises zones.Unsuited."""
    placed = considered(ops)
    returns = sorted((op.returned, op.index) for op in placed if op.outcome == "ok")
    legal, illegal = -1, len(returns)
    if zones.check("", placed, initial).result == "legal":
        legal = illegal - 1
    while illegal - legal > 1:
        middle = (legal + illegal) // 2
        if zones.check("", beginning(placed, returns[middle][0]), initial).result == "legal":
            legal = middle
        else:
            illegal = middle
    if illegal == len(returns):
        return Search([_told(order(placed, initial), model, initial)])
    until = returns[legal][0] if legal >= 0 else -inf
    stuck = next(op for op in placed if op.index == returns[illegal][1])
    told = _told(order(beginning(placed, until), initial), model, initial)
    told.refused[stuck.index] = f"{describe(stuck)}: no order of what had happened by then explains it"
    return Search([told], stuck.index, returns[legal][1] if legal >= 0 else None)


def beginning(ops: Sequence[Op], until: float) -> list[Op]:
    """What was known at an instant: what had returned, and changes that were under way."""
    return [
        op if op.returned <= until else msgspec.structs.replace(op, outcome="unknown", returned=inf)
        for op in ops
        if op.returned <= until or (op.called <= until and op.changes)
    ]


def order(ops: list[Op], initial: Value = None) -> list[Op]:
    """The operations of a legal history in an order that explains it. Raises zones.Unsuited."""
    chains = zones.chains(ops, initial)
    chains.sort(key=lambda chain: min(chain[1].first_return, chain[1].last_call))
    return [op for groups, _ in chains for group in groups for op in _members(group)]


def _members(group: Group) -> list[Op]:
    readers = sorted(group.readers, key=lambda op: op.called)
    return readers if group.writer is None else [group.writer, *readers]


def _told(ops: list[Op], model: Model, initial: Value) -> Order:
    """The order with the state after each operation, in words."""
    state, states = model.initial(initial), []
    for op in ops:
        after = model.step(state, op)
        if after is None:
            # Version numbers say otherwise than values do: the order is one by values.
            break
        state = after
        states.append(model.said(state))
    return Order(tuple(op.index for op in ops), tuple(states))
