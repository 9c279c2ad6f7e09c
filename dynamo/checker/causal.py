"""Causal consistency: who has seen an effect has seen its causes, across keys and sessions.

An operation is after another if both are of one session in this order, if it read what the other wrote, or by any chain
of such steps. Where values are written once the bad patterns of Bouajjani, Enea, Guerraoui and Hamza (On Verifying
Causal Consistency, 2017) are complete:
    thin-air      a value that nobody wrote
    cycle         operations that are after each other
    overwritten   a read of one write although another write of the key is after that one, and before the read
    initial       a read of nothing although a write of the key is before it
    diverged      concurrent writes that sessions must have seen in orders that contradict each other (convergence)
One sparse vector clock an operation: O(n times sessions). A compare-and-set reads what it met, and writes. What an
answer names is its version number or, without one, its value; a delete without one cannot be told from the beginning,
so where there are such deletes reads of nothing are not judged. A write of unknown outcome may take effect long after
its session has gone on: it is after what its session did before, and nothing is after it but who reads it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

import msgspec

from dynamo.checker.clocks import join
from dynamo.checker.history import Clock, Violation
from dynamo.checker.operation import Keyed, Op, Value, considered, describe, shown


class _Node(msgspec.Struct, gc=False):
    """An operation in its session: the `place`th of it, from 1. Those of unknown outcome are a session each."""

    op: Op
    session: str
    place: int
    source: _Node | None = None
    """The write that it read; None is the beginning, if `reads`."""
    reads: bool = False
    """Whether it is known what it read."""
    clock: Clock = {}

    def is_before(self, other: _Node) -> bool:
        """Whether the other is after it."""
        return self is not other and other.clock.get(self.session, 0) >= self.place


class _Writes:
    """The writes of one key: by number, by value, and by session in their order."""

    def __init__(self) -> None:
        self.by_number: dict[int, _Node] = {}
        self.by_value: dict[Value, list[_Node]] = {}
        self.by_session: dict[str, tuple[list[int], list[_Node]]] = {}
        self.deletes_unnumbered = False

    def add(self, node: _Node) -> None:
        left, number = _left(node.op), node.op.number
        if number is not None:
            self.by_number[number] = node
        if left is not None:
            self.by_value.setdefault(left, []).append(node)
        self.deletes_unnumbered |= left is None and number is None
        places, nodes = self.by_session.setdefault(node.session, ([], []))
        places.append(node.place)
        nodes.append(node)

    def last_before(self, node: _Node) -> Iterator[_Node]:
        """Of each session the last write of this key that `node` is after."""
        for session, (places, nodes) in self.by_session.items():
            bound = node.place - 1 if session == node.session else node.clock.get(session, 0)
            count = bisect_right(places, bound)
            if count:
                yield nodes[count - 1]


def check(keys: Keyed) -> list[Violation]:
    """All bad patterns. Raises ValueError where two writes of a key cannot be told apart."""
    graph = _Graph(keys)
    found = graph.find_sources()
    order = _sorted({id_: graph.before(node) for id_, node in graph.nodes.items()})
    if len(order) < len(graph.nodes):
        return [*found, graph.cycle(order, "cycle", "are all after each other", graph.before)]
    for each in order:
        graph.set_clock(graph.nodes[each])
    for each in order:
        found.extend(graph.misread(graph.nodes[each]))
    return found or list(graph.diverged())


class _Graph:
    """Operations by index, with what each is directly after."""

    def __init__(self, keys: Keyed) -> None:
        self.nodes: dict[int, _Node] = {}
        self.previous: dict[int, _Node] = {}
        self.writes: dict[str, _Writes] = {}
        last: dict[str, _Node] = {}
        for op in considered(op for ops in keys.values() for op in ops):
            before = last.get(op.process)
            if op.outcome == "unknown":
                node = _Node(op, f"{op.process} ({op.index})", 1)
            else:
                node = last[op.process] = _Node(op, op.process, 1 if before is None else before.place + 1)
            self.nodes[op.index] = node
            if before is not None:
                self.previous[op.index] = before
            writes = self.writes.setdefault(op.key, _Writes())
            if op.changes:
                writes.add(node)

    def find_sources(self) -> list[Violation]:
        found = []
        for node in self.nodes.values():
            if not self._find_source(node):
                text = f"{_named(node)} saw a value that nobody wrote"
                found.append(_violation("thin-air", text, node))
        return found

    def _find_source(self, node: _Node) -> bool:
        looked, writes = _looked_at(node.op), self.writes[node.op.key]
        if looked is None:
            return True
        value, number = looked
        if number is not None and number in writes.by_number:
            node.source, node.reads = writes.by_number[number], True
        elif value is None:
            node.reads = number == 0 or (number is None and not writes.deletes_unnumbered)
        else:
            return self._found_by_value(node, value, writes.by_value.get(value, []))
        return True

    def _found_by_value(self, node: _Node, value: Value, candidates: list[_Node]) -> bool:
        if len(candidates) > 1:
            both = " and ".join(str(each.op.index) for each in candidates[:2])
            raise ValueError(
                f"operations {both} both write {shown(value)} to {node.op.key}, and carry no version numbers"
            )
        node.reads = bool(candidates)
        node.source = candidates[0] if candidates else None
        return bool(candidates)

    def before(self, node: _Node) -> list[int]:
        """What it is directly after."""
        previous = self.previous.get(node.op.index)
        return [each.op.index for each in (previous, node.source) if each is not None]

    def set_clock(self, node: _Node) -> None:
        clocks = [self.nodes[index].clock for index in self.before(node)]
        node.clock = join(clocks)
        node.clock[node.session] = node.place

    def misread(self, node: _Node) -> Iterator[Violation]:
        """Whether it saw something that it should have known to be overwritten."""
        if not node.reads:
            return
        for write in self.writes[node.op.key].last_before(node):
            if node.source is None:
                text = f"{_named(node)} saw the beginning, and is after {_named(write)}"
                yield _violation("initial", text, write, node)
            elif node.source.is_before(write):
                text = f"{_named(node)} saw {_named(node.source)}, and is after {_named(write)}, which is after that"
                yield _violation("overwritten", text, node.source, write, node)

    def diverged(self) -> Iterator[Violation]:
        """Reads say which of two concurrent writes came last; all of that together must be an order."""
        before = {index: self.before(node) for index, node in self.nodes.items()}
        for node in self.nodes.values():
            if node.source is not None:
                earlier = [w for w in self.writes[node.op.key].last_before(node) if w is not node.source]
                before[node.source.op.index].extend(write.op.index for write in earlier)
        order = _sorted(before)
        if len(order) < len(self.nodes):
            text = "were seen in orders that contradict each other"
            yield self.cycle(order, "diverged", text, lambda node: before[node.op.index])

    def cycle(self, order: Iterable[int], rule: str, text: str, before: Callable[[_Node], list[int]]) -> Violation:
        """A cycle among the operations that have no place in the order."""
        left = dict.fromkeys(self.nodes)
        for index in order:
            del left[index]
        path = [next(iter(left))]
        while True:
            ahead = next(index for index in before(self.nodes[path[-1]]) if index in left)
            if ahead in path:
                nodes = [self.nodes[index] for index in reversed(path[path.index(ahead) :])]
                return _violation(rule, f"{', '.join(map(_named, nodes))} {text}", *nodes)
            path.append(ahead)


def _sorted(before: dict[int, list[int]]) -> list[int]:
    """Each behind what it is after; those on a cycle, and what is after them, are missing."""
    waiting = {index: len(each) for index, each in before.items()}
    after: dict[int, list[int]] = {}
    for index, each in before.items():
        for earlier in each:
            after.setdefault(earlier, []).append(index)
    order = [index for index, count in waiting.items() if count == 0]
    for index in order:
        for later in after.get(index, ()):
            waiting[later] -= 1
            if waiting[later] == 0:
                order.append(later)
    return order


def _left(op: Op) -> Value:
    """The value that a change leaves, None if that is nothing or not known."""
    if op.kind in ("delete", "release") or (op.kind == "cas" and op.then == "delete"):
        return None
    if op.kind in ("add", "append") or (op.kind == "cas" and op.then == "add"):
        return op.seen
    return op.written


def _looked_at(op: Op) -> tuple[Value, int | None] | None:
    """The value and the number of what an operation found; None if it does not say."""
    if not op.changes:
        return (op.seen, op.number) if op.told else None
    if op.kind != "cas" or op.outcome == "unknown":
        return None
    if op.condition == "version":
        return (None, op.expected_number) if op.expected_number else None
    return (op.expected if op.condition == "value" else None, None)


def _named(node: _Node) -> str:
    return f"{describe(node.op)} (operation {node.op.index} of {node.op.process})"


def _violation(rule: str, text: str, *nodes: _Node) -> Violation:
    bucket, _, key = nodes[-1].op.key.partition("/")
    return Violation(rule, (bucket, key), text, tuple(node.op.index for node in nodes))
