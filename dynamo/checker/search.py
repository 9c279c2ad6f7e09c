"""Method C: look for a legal order, just in time, and keep every possibility until the answers rule it out.

A *configuration* is a state of the key together with the operations that took effect and have not returned. Events are
gone through in the order of time. At a return every configuration must have that operation; those that do not are
carried on by the operations that are under way, in every order, until they have it or cannot. If none is left, the
history is illegal; if one is left at the end it is legal. Nothing is placed before it must be (Lowe, Testing for
linearizability, 2017).

Exponential in how many operations are under way at once, so three rules cut what need not be looked at:
    what only reads is placed as soon as it fits: it can never be in the way;
    of operations of unknown outcome that ask for the same, only the one called first is tried;
    of configurations that are equal but for operations of unknown outcome, one that used fewer of them is enough.
What is more than the budget (a number of configurations) is left undecided: the search never guesses.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

from dynamo.checker.models import Model, State
from dynamo.checker.operation import Op, Value, considered, describe, named
from dynamo.checker.verdict import Order, Search, Verdict

METHOD = "search"
"""Its name in `verdict.METHODS`."""
BUDGET = 2_000_000
"""Configurations, unless told otherwise: some ten seconds of work."""
ORDERS_MAX = 12
"""Orders that an illegal verdict shows."""
STATES_MAX = 4
"""States that the sentence names."""
SHOWN_MAX = 20_000
"""Operations of an order that are shown: the last ones."""

Chain = tuple[Op, "Chain"] | None
"""The operations placed so far, the last one first."""


class Configuration(NamedTuple):
    """Bits are those of the places of operations under way."""

    state: State
    live: int
    """Operations that will return and are placed."""
    doubtful: int
    """Operations of unknown outcome that are placed."""
    chain: Chain


Tried = dict[tuple[State, int], list[Configuration]]
"""What was looked at, by state and live operations: no two differ only in that one has used more doubtful ones."""


class _Exhausted(Exception):
    """More configurations than the budget allows."""


def check(key: str, ops: list[Op], model: Model, initial: Value = None, budget: int = BUDGET) -> Verdict:
    """Judge the operations on one key, all of kinds that the model knows."""
    placed = noticed(considered(ops))
    searcher = _Searcher(model, model.initial(initial), budget)
    try:
        stuck, last = _run(searcher, placed)
    except _Exhausted:
        text = f"more than {budget} configurations, where {len(searcher.live)} operations were under way at once"
        search = Search([], None, None, searcher.made)
        return Verdict("undecided", METHOD, key, text, (), len(placed), search)
    report = _Report(model, model.initial(initial), searcher)
    if stuck is not None:
        return report.illegal(key, stuck, last, len(placed))
    orders = [report.order(searcher.front[0])] if len(placed) <= SHOWN_MAX else []
    return Verdict("legal", METHOD, key, checked=len(placed), search=Search(orders, None, None, searcher.made))


def noticed(ops: list[Op]) -> list[Op]:
    """The operations without those of unknown outcome that nobody could have noticed.

    A value that nobody was told, and that no condition names, was there for nobody: the history is as legal without
    its write. That is sure where nothing depends on a value without telling it.
    """
    doubtful = [op for op in ops if op.outcome == "unknown"]
    if not doubtful or any(_hides(op) for op in ops):
        return ops
    told = {op.seen for op in ops if op.told} | {op.expected for op in ops if op.condition == "value"}
    if any(op.condition == "absent" for op in ops):
        told.add(None)
    dated = {op.number for op in ops if op.number is not None and (op.told or op.changes)}
    if any(op.condition == "version" and op.expected_number not in dated for op in ops):
        return ops
    return [op for op in ops if op.outcome == "ok" or op.written in told]


def _hides(op: Op) -> bool:
    """Whether it depends on what there was, and does not say what that was; or is of another kind than a register's."""
    if op.kind not in ("get", "put", "cas", "delete") or op.then == "add":
        return True
    return op.outcome == "ok" and op.kind != "get" and not op.applied and not op.told


def _run(searcher: _Searcher, ops: list[Op]) -> tuple[Op | None, Op | None]:
    """Go through all events: the operation that has no place, if there is one, and the last one that had returned."""
    last: Op | None = None
    for _, is_return, place in _events(ops):
        op = ops[place]
        if not is_return:
            searcher.call(op)
        elif searcher.place(op):
            last = op
        else:
            return op, last
    return None, last


def _events(ops: list[Op]) -> list[tuple[float, bool, int]]:
    """Calls and returns in the order of time; of one instant, calls first."""
    events = [(op.called, False, place) for place, op in enumerate(ops)]
    events += [(op.returned, True, place) for place, op in enumerate(ops) if op.outcome == "ok"]
    events.sort()
    return events


class _Searcher:
    """The configurations that there are at one point of the history."""

    def __init__(self, model: Model, initial: State, budget: int) -> None:
        self._step = model.step
        self._budget = budget
        self.made = 0
        """Configurations made so far."""
        self.front = [Configuration(initial, 0, 0, None)]
        self.tried: Tried = {}
        """All that the last call of `place` looked at."""
        self.live: dict[int, Op] = {}
        """Operations under way that will return, by their bits."""
        self._reads: dict[int, Op] = {}
        """Those of them that change nothing."""
        self.doubtful: dict[int, tuple[Op, int]] = {}
        """Operations of unknown outcome by their bits, with the bit of the one that asked the same before."""
        self._last_asked: dict[tuple[Hashable, ...], int] = {}
        self._bits: dict[int, int] = {}
        """The bit of each operation under way, by its index."""
        self._free: list[int] = []
        self._levels: dict[int, list[Configuration]] = {}
        """Configurations to carry on, by how many doubtful operations they have used."""

    def call(self, op: Op) -> None:
        """It is under way from now on."""
        if op.outcome == "unknown":
            bit = 1 << len(self.doubtful)
            asked = _asked(op)
            self.doubtful[bit] = (op, self._last_asked.get(asked, 0))
            self._last_asked[asked] = bit
            return
        bit = self._free.pop() if self._free else 1 << len(self.live)
        self._bits[op.index] = bit
        self.live[bit] = op
        if not op.changes:
            self._reads[bit] = op

    def place(self, op: Op) -> bool:
        """It returns: leave only configurations that have it. False if there is none."""
        bit = self._bits[op.index]
        self.tried, self._levels = {}, {}
        for configuration in self.front:
            self._enter(*configuration)
        found = []
        while self._levels:
            level = min(self._levels)
            for configuration in self._levels.pop(level):
                if self._is_beaten(configuration):
                    continue
                if configuration.live & bit:
                    state, live, doubtful, chain = configuration
                    found.append(Configuration(state, live ^ bit, doubtful, chain))
                else:
                    self._carry_on(configuration)
        if found:
            self.front = found
            del self.live[bit], self._bits[op.index]
            self._reads.pop(bit, None)
            self._free.append(bit)
        return bool(found)

    def _carry_on(self, configuration: Configuration) -> None:
        """Place each operation that can come next."""
        state, live, doubtful, chain = configuration
        for bit, op in self.live.items():
            if not live & bit:
                after = self._step(state, op)
                if after is not None:
                    self._enter(after, live | bit, doubtful, (op, chain))
        for bit, (op, before) in self.doubtful.items():
            if not doubtful & bit and before & doubtful == before:
                after = self._step(state, op)
                if after is not None and after != state:
                    self._enter(after, live, doubtful | bit, (op, chain))

    def _enter(self, state: State, live: int, doubtful: int, chain: Chain) -> None:
        """Take a configuration in, with all reads placed that fit, unless one that is as good is there.

        A read that says which version it saw, where that was not known before, is a choice like any other.
        """
        step = self._step
        for bit, op in self._reads.items():
            if not live & bit and step(state, op) == state:
                live, chain = live | bit, (op, chain)
        peers = self.tried.setdefault((state, live), [])
        for peer in peers:
            if peer.doubtful & doubtful == peer.doubtful:
                return
        configuration = Configuration(state, live, doubtful, chain)
        peers.append(configuration)
        self.made += 1
        if self.made > self._budget:
            raise _Exhausted
        self._levels.setdefault(doubtful.bit_count(), []).append(configuration)

    def _is_beaten(self, configuration: Configuration) -> bool:
        """Whether one that came later has used fewer doubtful operations."""
        used = configuration.doubtful
        if not used:
            return False
        peers = self.tried[configuration.state, configuration.live]
        return any(peer.doubtful != used and peer.doubtful & used == peer.doubtful for peer in peers)


def _asked(op: Op) -> tuple[Hashable, ...]:
    """Equal for operations that ask for the same."""
    return (
        op.kind,
        op.written,
        op.amount,
        op.then,
        op.condition,
        op.expected,
        op.expected_number,
        op.process * (op.kind in ("acquire", "release")),
    )


class _Report:
    """Says how far a search came."""

    def __init__(self, model: Model, initial: State, searcher: _Searcher) -> None:
        self._model = model
        self._initial = initial
        self._searcher = searcher

    def illegal(self, key: str, stuck: Op, last: Op | None, count: int) -> Verdict:
        """Say that this operation has no place."""
        reached = [configuration for peers in self._searcher.tried.values() for configuration in peers]
        states = list(dict.fromkeys(self._model.said(each.state) for each in reached))
        shown = " or ".join(states[:STATES_MAX]) + (
            f" or {len(states) - STATES_MAX} more" if len(states) > STATES_MAX else ""
        )
        text = f"no order has a place for {named(stuck)}: by then the key could only be {shown}"
        orders = [self.order(each) for each in _telling(reached)]
        before = None if last is None else last.index
        search = Search(orders, stuck.index, before, self._searcher.made)
        return Verdict("illegal", METHOD, key, text, (stuck.index,), count, search)

    def order(self, configuration: Configuration) -> Order:
        """A configuration as an order, with what could come next by time and does not fit."""
        ops: list[Op] = []
        chain = configuration.chain
        while chain is not None:
            ops.append(chain[0])
            chain = chain[1]
        ops.reverse()
        left_out = max(0, len(ops) - SHOWN_MAX)
        state, states = self._initial, []
        for number, op in enumerate(ops):
            state = self._model.step(state, op)
            if number >= left_out:
                states.append(self._model.said(state))
        indexes = tuple(op.index for op in ops[left_out:])
        return Order(indexes, tuple(states), self._refused(configuration), left_out)

    def _refused(self, configuration: Configuration) -> dict[int, str]:
        searcher, (state, live, doubtful, _) = self._searcher, configuration
        waiting = [op for bit, op in searcher.live.items() if not live & bit]
        waiting += [op for bit, (op, _) in searcher.doubtful.items() if not doubtful & bit]
        said = self._model.said(state)
        return {
            op.index: f"{describe(op)}, but there was {said}" for op in waiting if self._model.step(state, op) is None
        }


def _telling(reached: list[Configuration]) -> list[Configuration]:
    """The longest ones, each of which has an operation that those before it lack."""
    chosen: list[Configuration] = []
    live = doubtful = 0
    for each in sorted(reached, key=lambda each: -each.live.bit_count() - each.doubtful.bit_count()):
        if not chosen or each.live & ~live or each.doubtful & ~doubtful:
            chosen.append(each)
            live, doubtful = live | each.live, doubtful | each.doubtful
    return chosen[:ORDERS_MAX]
