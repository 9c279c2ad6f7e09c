"""Causal consistency: who has seen an effect has seen its causes, across keys and sessions.

An operation is after another if both are of one session in this order, if it read what the other wrote, or by any chain
of such steps. Where values are written once the bad patterns of Bouajjani, Enea, Guerraoui and Hamza (On Verifying
Causal Consistency, 2017) are complete:
    thin-air      a value that nobody wrote
    cycle         operations that are after each other
    overwritten   a read of one write although another write of the key is after that one, and before the read
    initial       a read of nothing although a write of the key is before it
    diverged      concurrent writes that sessions must have seen in orders that contradict each other (convergence)
A compare-and-set reads what it met, and writes. What an answer names is its version number or, without one, its value;
a delete without one cannot be told from the beginning, so where there are such deletes reads of nothing are not judged.
A write of unknown outcome may take effect long after its session has gone on: it is after what its session did before,
and nothing is after it but who reads it.

One pass in an order that respects all of this. Of each operation it keeps two sets of writes as bits of a number: those
that it is after, and of these the ones that another of them has overwritten; both only until its successors are done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from dynamo.checker.history import Violation
from dynamo.checker.operation import Keyed, Op, Value, considered, named, shown

TOLD_MAX = 20
"""Bad reads of which the overwriting write is looked for: that goes through all that is before them."""


class _Node(msgspec.Struct, gc=False):
    """An operation, with what it is directly after."""

    op: Op
    previous: _Node | None
    source: _Node | None = None
    """The write that it read; None is the beginning, if `reads`."""
    reads: bool = False
    """Whether it is known what it read."""
    bit: int = 0
    """Of a write: its place in sets."""

    def before(self) -> list[int]:
        """The indexes of what it is directly after."""
        return [each.op.index for each in (self.previous, self.source) if each is not None]


class _Writes:
    """The writes of one key: by number, by value, and all as one set."""

    def __init__(self) -> None:
        self.by_number: dict[int, _Node] = {}
        self.by_value: dict[Value, list[_Node]] = {}
        self.mask = 0
        self.deletes_unnumbered = False

    def add(self, node: _Node) -> None:
        left, number = _left(node.op), node.op.number
        if number is not None:
            self.by_number[number] = node
        if left is not None:
            self.by_value.setdefault(left, []).append(node)
        self.deletes_unnumbered |= left is None and number is None
        self.mask |= node.bit


def check(keys: Keyed) -> list[Violation]:
    """All bad patterns, one violation a bad read. Raises ValueError where two writes of a key cannot be told apart."""
    graph = _Graph(keys)
    found = graph.find_sources()
    order = _sorted({index: node.before() for index, node in graph.nodes.items()})
    if len(order) < len(graph.nodes):
        return [*found, graph.cycle(order, "cycle", "are all after each other", _Node.before)]
    walk = _Walk(graph)
    for index in order:
        found.extend(walk.step(graph.nodes[index]))
    return found or list(graph.diverged(walk.losers))


class _Graph:
    """Operations by index, writes by key and by bit."""

    def __init__(self, keys: Keyed) -> None:
        self.nodes: dict[int, _Node] = {}
        self.writes: dict[str, _Writes] = {}
        self.by_bit: list[_Node] = []
        last: dict[str, _Node] = {}
        for op in considered(op for ops in keys.values() for op in ops):
            node = self.nodes[op.index] = _Node(op, last.get(op.process))
            if op.outcome != "unknown":
                last[op.process] = node
            writes = self.writes.setdefault(op.key, _Writes())
            if op.changes:
                node.bit = 1 << len(self.by_bit)
                self.by_bit.append(node)
                writes.add(node)

    def members(self, mask: int) -> Iterator[_Node]:
        """The writes of a set, the last called first."""
        while mask:
            place = mask.bit_length() - 1
            mask ^= 1 << place
            yield self.by_bit[place]

    def find_sources(self) -> list[Violation]:
        found = []
        for node in self.nodes.values():
            if not self._find_source(node):
                text = f"{named(node.op)} saw a value that nobody wrote"
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
            return _found_by_value(node, value, writes.by_value.get(value, []))
        return True

    def is_before(self, one: _Node, other: _Node) -> bool:
        """Whether `other` is after `one`, by going through all that is before `other`."""
        waiting, seen = other.before(), {other.op.index: None}
        while waiting:
            index = waiting.pop()
            if index == one.op.index:
                return True
            if index not in seen:
                seen[index] = None
                waiting.extend(self.nodes[index].before())
        return False

    def diverged(self, losers: dict[int, list[int]]) -> Iterator[Violation]:
        """Reads say which of two concurrent writes came last; all of that together must be an order."""
        before = {index: node.before() + losers.get(index, []) for index, node in self.nodes.items()}
        order = _sorted(before)
        if len(order) < len(self.nodes):
            text = "were seen in orders that contradict each other"
            yield self.cycle(order, "diverged", text, lambda node: before[node.op.index])

    def cycle(self, order: Iterable[int], rule: str, text: str, before: Callable[[_Node], list[int]]) -> Violation:
        """A cycle among the operations that have no place in the order."""
        left = dict.fromkeys(self.nodes)
        for index in order:
            del left[index]
        path = {next(iter(left)): None}
        while True:
            ahead = next(index for index in before(self.nodes[next(reversed(path))]) if index in left)
            if ahead in path:
                indexes = list(path)
                nodes = [self.nodes[index] for index in reversed(indexes[indexes.index(ahead) :])]
                return _violation(rule, f"{', '.join(named(node.op) for node in nodes)} {text}", *nodes)
            path[ahead] = None


class _Walk:
    """One pass in order: what each operation is after, and what of that is overwritten."""

    def __init__(self, graph: _Graph) -> None:
        self._graph = graph
        self._known: dict[int, int] = {}
        self._overwritten: dict[int, int] = {}
        self._users: dict[int, int] = {}
        self._told = 0
        self.losers: dict[int, list[int]] = {}
        """Of each write those that somebody who read it knew of, and of nothing that overwrites them."""
        for node in graph.nodes.values():
            for index in node.before():
                self._users[index] = self._users.get(index, 0) + 1

    def step(self, node: _Node) -> Iterator[Violation]:
        """The next operation: whether it saw something that it should have known to be overwritten."""
        known = overwritten = 0
        for each in (node.previous, node.source):
            if each is not None:
                before = self._known[each.op.index]
                known |= before | each.bit
                overwritten |= self._overwritten[each.op.index]
                if each.bit:
                    overwritten |= before & self._graph.writes[each.op.key].mask
        self._keep(node, known, overwritten)
        if node.reads:
            of_key = known & self._graph.writes[node.op.key].mask
            if node.source is None and of_key:
                yield self._misread("initial", "the beginning", node, of_key)
            elif node.source is not None and node.source.bit & overwritten:
                yield self._misread("overwritten", named(node.source.op), node, of_key)
            elif node.source is not None:
                beside = self._graph.members(of_key & ~overwritten & ~node.source.bit)
                self.losers.setdefault(node.source.op.index, []).extend(write.op.index for write in beside)

    def _keep(self, node: _Node, known: int, overwritten: int) -> None:
        index = node.op.index
        if index in self._users:
            self._known[index], self._overwritten[index] = known, overwritten
        for before in node.before():
            self._users[before] -= 1
            if not self._users[before]:
                del self._known[before], self._overwritten[before]

    def _misread(self, rule: str, saw: str, node: _Node, of_key: int) -> Violation:
        text, source = f"{named(node.op)} saw {saw}", node.source
        if self._told == TOLD_MAX:
            return _violation(rule, f"{text}, and is after a later write", node)
        self._told += 1
        later = (w for w in self._graph.members(of_key) if source is None or self._graph.is_before(source, w))
        write = next(later)
        text += f", and is after {named(write.op)}" + ("" if source is None else ", which is after that")
        return _violation(rule, text, *((write, node) if source is None else (source, write, node)))


def _found_by_value(node: _Node, value: Value, candidates: list[_Node]) -> bool:
    if len(candidates) > 1:
        both = " and ".join(str(each.op.index) for each in candidates[:2])
        raise ValueError(f"operations {both} both write {shown(value)} to {node.op.key}, and carry no version numbers")
    node.reads = bool(candidates)
    node.source = candidates[0] if candidates else None
    return bool(candidates)


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


def _violation(rule: str, text: str, *nodes: _Node) -> Violation:
    bucket, _, key = nodes[-1].op.key.partition("/")
    return Violation(rule, (bucket, key), text, tuple(node.op.index for node in nodes))
