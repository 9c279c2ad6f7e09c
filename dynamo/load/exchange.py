"""One operation from request to outcome: which requests it takes, what its answers mean, what is learnt.

Between the sockets (`lines.py`) and the truth (`judge.py`). What waits for what, and when something is due, is the
worker's business.
"""

from __future__ import annotations

from typing import Literal

from dynamo.load import answers
from dynamo.load.history_file import NO_CHANGE, Change, HistoryFile
from dynamo.load.judge import Judge
from dynamo.load.lines import Line
from dynamo.load.plan import Plan
from dynamo.load.requests import COUNTERS, Requests
from dynamo.load.stream import Asked
from dynamo.load.values import Values, Written, name
from dynamo.report.counts import ERROR, OK, REFUSED, TIMEOUT
from dynamo.report.result import waits_for

MORE = -1
"""In place of an outcome: another request of the same operation is to be sent."""
_COUNTERS_USED = 16


class Exchange:
    """Makes requests and takes answers, for one worker."""

    def __init__(self, plan: Plan, part: int, judge: Judge, history: HistoryFile | None) -> None:
        self._plan, self._part = plan, part
        self._judge, self._book = judge, judge.book
        self._history = history
        self._values = Values(plan.run)
        self._requests = Requests(plan)
        self._remembers_contexts = plan.mode == "siblings"
        self._contexts: dict[int, bytes] = {}
        """By key, in a bucket of siblings: what the last answer told, so that the next write takes the place of it."""
        self._versions: dict[int, int] = {}
        """By key, in a linearizable bucket."""
        self._found: tuple[Written, ...] = ()

    # Requests.

    def first(self, line: Line, asked: Asked, now: float) -> bytes:
        """The first request of an operation, which begins now."""
        kind = asked.kind
        if kind in ("get", "rmw"):
            return self._get(line, asked, now)
        if kind == "scan":
            line.step, line.began = "scan", now
            return self._requests.scan(asked.key, asked.level, asked.size)
        if kind == "add":
            return self._add(line, asked, now)
        if kind == "cas":
            return self._cas(line, asked, now)
        return self.put(line, asked, asked.level, now)

    def second(self, line: Line, now: float) -> bytes:
        """The write of an `rmw`, after its read."""
        return self.put(line, line.asked, line.asked.write_level, now)

    def _get(self, line: Line, asked: Asked, now: float) -> bytes:
        line.step, line.began = "get", now
        line.floors = self._book.floors(asked.key)
        line.session_floors = self._judge.sessions.floors(asked.session, asked.key)
        if self._history is not None:
            self._call(line, "get", asked.key, self._plan.reads[asked.level].level)
        return self._requests.get(asked.key, asked.level)

    def put(self, line: Line, asked: Asked, level: int, now: float) -> bytes:
        """A write of a new value."""
        number, value = self._write(line, asked, level, now)
        line.step = "put"
        if self._history is not None:
            written = self._plan.writes[level].level
            self._call(line, "put", asked.key, written, Change(self._named(asked.key, number)))
        return self._requests.put(asked.key, level, value, self._contexts.get(asked.key, b""))

    def _cas(self, line: Line, asked: Asked, now: float) -> bytes:
        number, value = self._write(line, asked, asked.level, now)
        line.step = "cas"
        version = self._versions.get(asked.key, 0)
        if self._history is not None:
            named = self._named(asked.key, number)
            self._call(line, "cas", asked.key, "linearizable", Change(named, version=version))
        return self._requests.cas(asked.key, version, value)

    def _add(self, line: Line, asked: Asked, now: float) -> bytes:
        # A counter of the same worker, whatever the number of workers.
        key = COUNTERS + asked.key % _COUNTERS_USED * 1024 + self._part
        line.step, line.began = "add", now
        if self._history is not None:
            self._call(line, "add", key, "linearizable", Change(amount=1))
        return self._requests.add(key)

    def _write(self, line: Line, asked: Asked, level: int, now: float) -> tuple[int, bytes]:
        line.began = now
        line.number = number = self._book.begin(now, level)
        return number, self._values.make(asked.key, self._part, number, max(asked.size, 24))

    # Answers.

    def answer(self, line: Line, status: int, head: bytes, body: bytes, now: float, *, counts: bool) -> int:
        """What an answer means: the outcome of the operation, or MORE. Raises Corrupt."""
        step = line.step
        outcome = answers.outcome_of(status)
        if step == "get":
            self._read(line, status, outcome, head, body, now, counts=counts)
            return MORE if outcome == OK and line.asked.kind == "rmw" else outcome
        if step == "scan":
            if outcome == OK:
                answers.scanned(body, self._values)
            return outcome
        self._wrote(line, status, outcome, head, body, now)
        return outcome

    def _read(
        self, line: Line, status: int, outcome: int, head: bytes, body: bytes, now: float, *, counts: bool
    ) -> None:
        asked = line.asked
        if outcome != OK:
            self._return(line, now, "fail")
            return
        found = answers.returned(status, body, asked.key, self._values)
        self._learn(asked.key, head)
        numbers = self._judge.numbers(found)
        self._judge.read(
            asked.level, asked.session, asked.key, numbers, line.began, line.floors, line.session_floors, counts=counts
        )
        if self._history is not None:
            self._return(line, now, "ok", tuple(map(name, found)), number=answers.version(head))

    def probed(self, line: Line, status: int, head: bytes, body: bytes, now: float) -> list[int] | None:
        """The writes that a probe's read returned; None if that cannot be told. Raises Corrupt."""
        if answers.outcome_of(status) != OK:
            self._return(line, now, "fail")
            return None
        found = answers.returned(status, body, line.asked.key, self._values)
        if self._history is not None:
            self._return(line, now, "ok", tuple(map(name, found)), number=answers.version(head))
        return self._judge.numbers(found)

    def _wrote(self, line: Line, status: int, outcome: int, head: bytes, body: bytes, now: float) -> None:
        asked = line.asked
        if outcome in (OK, REFUSED):
            self._learn(asked.key, head)
        if outcome == OK and line.step != "add":
            self._book.acknowledge(asked.key, line.number, now)
            self._judge.sessions.has_written(asked.session, asked.key, self._book.began[line.number])
        if answers.is_undecided(status):
            self._book.unsettled += 1
            self._return(line, now, "unknown", error=str(status))
            return
        if outcome != OK and line.step != "add":
            self._book.refused.add(line.number)
        if self._history is None:
            return
        if outcome not in (OK, REFUSED):
            self._return(line, now, "fail", error=str(status))
            return
        values, told = self._told(line, outcome, body)
        self._return(
            line, now, "ok", values, applied=outcome == OK, number=answers.version(head), told=told
        )  # fmt: skip

    def _told(self, line: Line, outcome: int, body: bytes) -> tuple[tuple[str, ...], bool]:
        """What an answer says that there was, for the history: of an addition the sum, of a refusal the value."""
        if line.step == "add":
            there = answers.there(body)
            return ((), False) if there is None else ((there.decode(),), True)
        if outcome == REFUSED:
            there = answers.there(body)
            written = None if there is None else self._values.look(there)
            return ((), False) if written is None else ((name(written),), True)
        return (), True

    def failed(self, line: Line, now: float, *, by_timeout: bool) -> int:
        """No answer came, or will come: the outcome. A write of it may still take effect."""
        if line.step in ("get", "scan"):
            self._return(line, now, "fail")
        else:
            self._book.unsettled += 1
            self._return(line, now, "unknown", error="no answer")
        return TIMEOUT if by_timeout else ERROR

    def _learn(self, key: int, head: bytes) -> None:
        if self._remembers_contexts:
            self._contexts[key] = answers.field(head, answers.CONTEXT)
        elif self._plan.linearizable:
            told = answers.version(head)
            if told is not None and told > self._versions.get(key, 0):
                self._versions[key] = told

    # The history.

    def _named(self, key: int, number: int) -> str:
        return name(Written(self._plan.run, key, self._part, number))

    def _call(
        self, line: Line, kind: Literal["get", "put", "cas", "add"], key: int, level: str, change: Change = NO_CHANGE
    ) -> None:
        assert self._history is not None, "asked before"
        process = "probe" if line.asked.session < 0 else f"user{line.asked.session}"
        quorum, named = waits_for(level, self._plan.n), self._requests.key(key)
        line.op = self._history.call(line.began, process, kind, named, quorum, line.endpoint, change)

    def _return(
        self, line: Line, now: float, outcome: Literal["ok", "fail", "unknown"], values: tuple[str, ...] = (), *,
        applied: bool = True, number: int | None = None, told: bool = True, error: str = "",
    ) -> None:  # fmt: skip
        if self._history is not None and line.op:
            self._history.returned(
                line.op, now, outcome, values, applied=applied, number=number, told=told, error=error
            )
            line.op = 0
