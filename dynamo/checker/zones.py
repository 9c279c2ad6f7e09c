"""Method A: where every value is written once, whole blocks of operations can be put in order, and nothing be guessed.

An operation is about one value: it writes it or sees it. Everything about a value must lie together in any legal order,
its write first, then the reads. A compare-and-set from a to b glues the operations about b right behind those about a.
What is glued is one *block*: a chain whose inner order is fixed, but for that of the reads of one value.

A block X must come before a block Y if something in X returned before something in Y was called: if X's first return
is below Y's last call. Two blocks contradict each other if each must come before the other; a longer cycle contains
such a pair, so pairs are all that there is to look for. The *zone* of a block is the time between its first return and
its last call. A forward zone (first return < last call) may not overlap another one, nor hold a backward one in its
inside. Sorting finds that: O(n log n), however many clients there are.

Updates of unknown outcome whose value nobody saw can be left out: that changes nothing for anybody. Those whose value
was seen took effect. Theory: Gibbons and Korach, Testing Shared Memories, 1997.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise
from math import inf
from typing import NamedTuple, TypeGuard

from dynamo.checker.operation import Op, Value, considered, named, shown
from dynamo.checker.verdict import Verdict

METHOD = "zones"
"""Its name in `verdict.METHODS`."""


class Unsuited(Exception):
    """The method does not apply: the text says why."""


class Broken(Exception):
    """The history is illegal: the sentence, and the operations that it names."""

    def __init__(self, text: str, *ops: Op) -> None:
        super().__init__(text)
        self.ops = ops


class Group:
    """What is about one value: who wrote it, who saw it, which compare-and-set replaced it."""

    __slots__ = ("readers", "replaced_by", "value", "writer")

    def __init__(self, value: Value, writer: Op | None) -> None:
        self.value = value
        self.writer = writer
        """None for the value at the beginning."""
        self.readers: list[Op] = []
        self.replaced_by: Op | None = None


Groups = dict[Value, Group]


class Block(NamedTuple):
    """A chain of groups, reduced to its zone, and the operations that the two times are from."""

    first_return: float
    last_call: float
    returned: Op | None
    """None if it began with the value that was there at first."""
    called: Op | None


def check(key: str, ops: list[Op], initial: Value = None) -> Verdict:
    """Judge the operations on one key. Raises Unsuited."""
    placed = considered(ops)
    try:
        groups = _groups(placed, initial)
        _judge([_block(group, groups) for group in _heads(groups)])
    except Broken as broken:
        text = str(broken)
        if len(broken.ops) == 1:
            text += _failed_write(ops, broken.ops[0])
        return Verdict("illegal", METHOD, key, text, tuple(op.index for op in broken.ops), len(placed))
    return Verdict("legal", METHOD, key, checked=len(placed))


def _groups(ops: list[Op], initial: Value) -> Groups:
    """Everything by the value that it is about."""
    groups: Groups = {initial: Group(initial, None)}
    readers: list[Op] = []
    swaps: list[Op] = []
    for op in ops:
        kind = op.kind
        if kind == "get" or not op.applied:
            if op.told:
                readers.append(op)
            elif kind != "get":
                raise Unsuited(f"operation {op.index} was refused and does not say what it saw")
            continue
        if kind == "cas" and op.then == "set":
            swaps.append(op)
        elif kind != "put":
            raise Unsuited(f"operation {op.index} ({kind}) leaves a value that need not be unique")
        if op.written in groups:
            raise Unsuited(f"the value {shown(op.written)} is written twice, or is there at first")
        groups[op.written] = Group(op.written, op)
    for op in readers:
        group = groups.get(op.seen)
        if group is None:
            several = isinstance(op.seen, tuple)
            what = "several values at once, and there can be only one" if several else "a value that nobody wrote"
            raise Broken(f"{named(op)} saw {what}", op)
        group.readers.append(op)
    _link(groups, readers, swaps, ops, initial)
    return groups


def _link(groups: Groups, readers: list[Op], swaps: list[Op], ops: list[Op], initial: Value) -> None:
    """Enter what each compare-and-set replaced; leave out updates that nobody knows of and nobody saw."""
    versions = _versions(ops, initial) if any(op.condition == "version" for op in ops) else {}
    for op in readers:
        if op.kind == "cas" and _is_met(op, versions):
            raise Broken(f"{named(op)} was refused although its condition held", op)
    known = [op for op in swaps if op.outcome == "ok"]
    known += [group.writer for group in groups.values() if group.readers and _is_doubtful_swap(group.writer)]
    while known:
        op = known.pop()
        group = groups.get(_expected(op, versions))
        if group is None:
            raise Broken(f"{named(op)} replaced a value that nobody wrote", op)
        if group.replaced_by is op:
            continue
        if group.replaced_by is not None:
            text = f"{named(group.replaced_by)} and {named(op)} both replaced the value {shown(group.value)}"
            raise Broken(text, group.replaced_by, op)
        group.replaced_by = op
        if _is_doubtful_swap(group.writer):
            known.append(group.writer)
    for value in [value for value, group in groups.items() if _is_unseen(group)]:
        del groups[value]


def _is_doubtful_swap(op: Op | None) -> TypeGuard[Op]:
    return op is not None and op.outcome == "unknown" and op.kind == "cas"


def _is_unseen(group: Group) -> bool:
    """Whether it need not have happened, and nobody would notice."""
    writer = group.writer
    return writer is not None and writer.outcome == "unknown" and not group.readers and group.replaced_by is None


def _expected(op: Op, versions: dict[int, Value]) -> Value:
    """The value that the condition of a `cas` asks for."""
    if op.condition != "version":
        return op.expected if op.condition == "value" else None
    if op.expected_number not in versions:
        raise Unsuited(f"nobody says which value version {op.expected_number} was, which operation {op.index} names")
    return versions[op.expected_number]


def _is_met(op: Op, versions: dict[int, Value]) -> bool:
    """Whether the condition of a `cas` that was refused held of what it saw."""
    if op.condition == "version" and op.number is not None and op.expected_number not in versions:
        return op.number == op.expected_number
    return bool(_expected(op, versions) == op.seen)


def _versions(ops: list[Op], initial: Value) -> dict[int, Value]:
    """Which value each version number was, as far as answers tell."""
    known: dict[int, Value] = {0: initial}
    for op in ops:
        if op.number is not None:
            if op.changes:
                known.setdefault(op.number, op.written)
            elif op.told:
                known.setdefault(op.number, op.seen)
    return known


def _heads(groups: Groups) -> list[Group]:
    """Where chains begin. Raises Broken if a group is in none, which is so if compare-and-sets form a circle."""
    heads = [group for group in groups.values() if group.writer is None or group.writer.kind != "cas"]
    reached = len(heads)
    for head in heads:
        op = head.replaced_by
        while op is not None:
            reached += 1
            op = groups[op.written].replaced_by
    if reached < len(groups):
        seen: dict[Value, None] = {}
        for head in heads:
            seen[head.value] = None
            op = head.replaced_by
            while op is not None:
                seen[op.written] = None
                op = groups[op.written].replaced_by
        circle = [group.writer for value, group in groups.items() if value not in seen and group.writer is not None]
        raise Broken(f"{named(circle[0])} is part of a circle of replacements without a beginning", *circle)
    return heads


def _block(head: Group, groups: Groups) -> Block:
    """The zone of a chain. Raises Broken if something in it returned before what must come before it was called."""
    first_return, last_call = (-inf, -inf) if head.writer is None else (inf, -inf)
    returned = called = None
    group = head
    while True:
        writer = group.writer
        if writer is not None:
            if writer.returned < last_call:
                raise _reversed(writer, called)
            if writer.returned < first_return:
                first_return, returned = writer.returned, writer
            if writer.called > last_call:
                last_call, called = writer.called, writer
        due, owed = last_call, called
        for op in group.readers:
            if op.returned < due:
                raise _reversed(op, owed)
            if op.returned < first_return:
                first_return, returned = op.returned, op
            if op.called > last_call:
                last_call, called = op.called, op
        if group.replaced_by is None:
            return Block(first_return, last_call, returned, called)
        group = groups[group.replaced_by.written]


def _reversed(op: Op, called: Op | None) -> Broken:
    assert called is not None, "a call that is too late is somebody's"
    return Broken(f"{named(op)} returned before {named(called)} was called, which it must follow", op, called)


def _judge(blocks: list[Block]) -> None:
    """Raises Broken if two blocks must each come before the other."""
    forward = sorted((block for block in blocks if block.first_return < block.last_call), key=_first_return)
    for before, block in pairwise(forward):
        if block.first_return < before.last_call:
            raise _entangled(before, block)
    starts = [block.first_return for block in forward]
    for block in blocks:
        if block.first_return >= block.last_call:
            place = bisect_left(starts, block.last_call) - 1
            if place >= 0 and block.first_return < forward[place].last_call:
                raise _entangled(forward[place], block)


def _first_return(block: Block) -> float:
    return block.first_return


def _entangled(outer: Block, inner: Block) -> Broken:
    """Something of `outer` came before `inner`, and something after it."""
    assert outer.called is not None, "a zone that ends was called"
    assert inner.returned is not None, "only one block has the first value"
    assert inner.called is not None, "the same"
    first = [outer.returned, inner.called] if outer.returned is not None else []
    begin = f"{named(first[0])} returned before {named(first[1])} was called" if first else "one value was there first"
    text = f"{begin}, yet {named(inner.returned)} returned before {named(outer.called)} was called"
    return Broken(text, *first, inner.returned, outer.called)


def _failed_write(ops: list[Op], reader: Op) -> str:
    """What to add where a value is from nowhere and a failed operation wanted to write it."""
    for op in ops:
        if op.outcome == "fail" and op.written is not None and op.written in (reader.seen, reader.expected):
            return f"; {named(op)} wanted to"
    return ""


def chains(ops: list[Op], initial: Value = None) -> list[tuple[list[Group], Block]]:
    """The blocks of a legal history, each with its groups in their order. Raises Unsuited, or Broken if it is not."""
    groups = _groups(considered(ops), initial)
    found = []
    for head in _heads(groups):
        chain = [head]
        while chain[-1].replaced_by is not None:
            chain.append(groups[chain[-1].replaced_by.written])
        found.append((chain, _block(head, groups)))
    return found
