"""Method B: where answers carry version numbers, they say the order themselves; it remains to hold them to it.

    a version number is made by one change, and is one value to all who see it
    a value that was written once has one version number
    who was called after somebody had seen a version sees that one or a later one; a change makes a later one
    a condition held of what was there just before the change, and not of what was seen where it was refused
    a sum is what was there just before, and what was added
    version 0 is nothing, before all changes

It believes the numbers of the server, so that it stands beside the other methods and replaces none. But what it finds
it explains best. O(n log n). Numbers grow with each change; they need not be consecutive.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from dynamo.checker.operation import Op, Value, considered, named, shown
from dynamo.checker.verdict import Verdict

METHOD = "versions"
"""Its name in `verdict.METHODS`."""


class Broken(Exception):
    """The numbers contradict each other: the sentence, and the operations that it names."""

    def __init__(self, text: str, *ops: Op) -> None:
        super().__init__(text)
        self.ops = ops


class Version:
    """What is known of one version number."""

    __slots__ = ("change", "teller", "value")

    def __init__(self) -> None:
        self.change: Op | None = None
        """What made it."""
        self.teller: Op | None = None
        """Who says which value it is."""
        self.value: Value = None


class Dated(NamedTuple):
    """An operation with its version number: that of its answer, or that under which others saw what it wrote."""

    number: int
    op: Op


class Once(NamedTuple):
    """What is known of values that are there once: that nobody wrote twice."""

    numbers: dict[Value, Dated]
    """The first operation that tells their number."""
    writers: dict[Value, Op]


def applies(ops: Iterable[Op]) -> bool:
    """Whether any answer carries a number."""
    return any(op.number is not None for op in ops)


def check(key: str, ops: list[Op], initial: Value = None) -> Verdict:
    """Judge the answers with numbers among the operations on one key."""
    placed = considered(ops)
    dated = [Dated(op.number, op) for op in placed if op.number is not None]
    try:
        if initial is None:
            _beginning(placed)
        versions = _versions(dated)
        once = _once(placed, dated, initial)
        dated += _inferred(once)
        _never_backwards(dated)
        known = sorted(versions)
        for number, op in dated:
            if op.kind == "cas" and op.applied:
                _condition(number, op, versions, known, once)
            elif op.kind == "add":
                _sum(number, op, versions)
        for op in placed:
            if op.kind == "cas" and not op.applied:
                _refusal(op)
    except Broken as broken:
        indexes = tuple(op.index for op in broken.ops)
        return Verdict("illegal", METHOD, key, str(broken), indexes, len(placed))
    return Verdict("legal", METHOD, key, checked=len(placed))


def _beginning(placed: list[Op]) -> None:
    """Raises Broken if version 0 is something else than nothing, or nothing another version although nobody deleted."""
    deletes = any(op.changes and "delete" in (op.kind, op.then) for op in placed)
    for op in placed:
        if op.number is None:
            continue
        if op.number <= 0 and (op.changes or (op.told and op.seen is not None)):
            raise Broken(f"{named(op)} speaks of version {op.number}, which is that before all changes", op)
        if op.number > 0 and not op.changes and op.told and op.seen is None and not deletes:
            raise Broken(f"{named(op)} saw nothing as version {op.number}, and nobody had deleted anything", op)


def _versions(dated: list[Dated]) -> dict[int, Version]:
    """What each number stands for. Raises Broken if it stands for two things."""
    versions: dict[int, Version] = {}
    for number, op in dated:
        version = versions.get(number)
        if version is None:
            version = versions[number] = Version()
        if op.changes:
            if version.change is not None:
                raise Broken(f"{named(version.change)} and {named(op)} both made version {number}", version.change, op)
            version.change = op
        if not _tells(op):
            continue
        value = _value(op)
        if version.teller is None:
            version.teller, version.value = op, value
        elif version.value != value:
            first = f"version {number} was {shown(version.value)} to {named(version.teller)}"
            raise Broken(f"{first} and {shown(value)} to {named(op)}", version.teller, op)
    return versions


def _once(placed: list[Op], dated: list[Dated], initial: Value) -> Once:
    """Values that are there once, and their numbers. Raises Broken if one has two."""
    writers: dict[Value, Op | None] = {initial: None}
    rewritten = False
    for op in placed:
        if op.kind == "get" or not op.applied:
            continue
        if op.kind in ("add", "append") or op.then == "add":
            return Once({}, {})
        value = _value(op)
        rewritten = rewritten or value == initial
        writers[value] = None if value in writers else op
    once = Once({}, {value: op for value, op in writers.items() if op is not None})
    for each in dated:
        if not _tells(each.op):
            continue
        value = _value(each.op)
        if value not in once.writers and (value != initial or rewritten):
            continue
        first = once.numbers.setdefault(value, each)
        if first.number != each.number:
            text = f"{shown(value)} is there once, and was version {first.number} to {named(first.op)} "
            raise Broken(f"{text}and version {each.number} to {named(each.op)}", first.op, each.op)
    return once


def _inferred(once: Once) -> list[Dated]:
    """Changes of unknown outcome that others saw."""
    return [
        Dated(once.numbers[value].number, op)
        for value, op in once.writers.items()
        if op.number is None and value in once.numbers
    ]


def _tells(op: Op) -> bool:
    """Whether it is known what the key held after it."""
    return op.told or (op.changes and (op.kind in ("put", "delete") or (op.kind == "cas" and op.then != "add")))


def _value(op: Op) -> Value:
    if op.told:
        return op.seen
    return None if op.kind == "delete" or op.then == "delete" else op.written


def _never_backwards(dated: list[Dated]) -> None:
    """Raises Broken if somebody was called after a version was seen, and saw an earlier one or made it again."""
    ends = sorted(dated, key=lambda each: each.op.returned)
    ended, latest = 0, None
    for each in sorted(dated, key=lambda each: each.op.called):
        while ends[ended].op.returned < each.op.called:
            if latest is None or ends[ended].number > latest.number:
                latest = ends[ended]
            ended += 1
        if latest is None or each.number > latest.number or (each.number == latest.number and not each.op.changes):
            continue
        does = f"made version {each.number}" if each.op.changes else f"saw version {each.number}"
        text = f"{named(latest.op)} returned before {named(each.op)} was called, which {does}"
        raise Broken(text, latest.op, each.op)


def _condition(number: int, op: Op, versions: dict[int, Version], known: list[int], once: Once) -> None:
    """Raises Broken if a change was made although its condition did not hold."""
    place = bisect_left(known, number) - 1
    before = versions[known[place]] if place >= 0 else None
    wanted = op.expected_number
    if op.condition != "version":
        value = op.expected if op.condition == "value" else None
        wanted = once.numbers[value].number if value in once.numbers else None
        if number < (least := _least(value, once) + 1):
            raise Broken(f"{named(op)} made version {number}, and there are {least - 1} changes before it", op)
        is_next = place >= 0 and known[place] == number - 1
        if is_next and before is not None and before.teller is not None and before.value != value:
            text = f"{named(op)} was applied to {shown(before.value)}, as {named(before.teller)} says"
            raise Broken(text, op, before.teller)
    if wanted is not None and (wanted >= number or (before is not None and known[place] > wanted)):
        witness = [each for each in (before.change or before.teller,) if each is not None] if before else []
        text = f"{named(op)} was applied to version {wanted}, which was not the last one before it"
        raise Broken(text, op, *witness)


def _least(value: Value, once: Once) -> int:
    """The least number that a value can have: one more than the value that it replaced, by a known condition."""
    steps = 0
    while value in once.writers and value not in once.numbers and steps <= len(once.writers):
        writer = once.writers[value]
        steps += 1
        if writer.kind != "cas" or writer.condition == "version":
            return steps
        value = writer.expected if writer.condition == "value" else None
    return steps + (once.numbers[value].number if value in once.numbers else 0)


def _refusal(op: Op) -> None:
    """Raises Broken if a condition was refused although it held of what was seen."""
    if op.condition == "version":
        is_met = op.number is not None and op.number == op.expected_number
    else:
        is_met = op.told and op.seen == (op.expected if op.condition == "value" else None)
    if is_met:
        raise Broken(f"{named(op)} was refused although its condition held", op)


def _sum(number: int, op: Op, versions: dict[int, Version]) -> None:
    """Raises Broken if an addition that tells its sum added something else."""
    before = versions.get(number - 1)
    if not op.told or not op.applied or before is None or before.teller is None:
        return
    try:
        is_right = (0 if before.value is None else int(before.value)) + op.amount == int(op.seen)
    except (TypeError, ValueError):
        is_right = False
    if not is_right:
        text = f"{named(op)} was added to {shown(before.value)}, as {named(before.teller)} says"
        raise Broken(text, op, before.teller)
