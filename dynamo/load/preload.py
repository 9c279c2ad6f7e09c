"""Writes the keys of a worker before the run, and reads all of them back: what is measured is known to be there.

Each key gets its value, is read at a quorum, and compared byte by byte. Where another value is found (an earlier run
in a bucket of siblings), the value is written once more with the context of that answer. What fails is tried again a
few times, since a cluster that has just started may refuse for a moment.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from dynamo.load import answers
from dynamo.load.history_file import Change, HistoryFile
from dynamo.load.lines import Line, Lines
from dynamo.load.plan import Plan
from dynamo.load.requests import Requests
from dynamo.load.stream import Asked, preload_size
from dynamo.load.values import Values, Written, name
from dynamo.workload.value_sizes import SizeOf

ATTEMPTS = 5
PAUSE_S = 0.2
"""Before a key is tried again."""
TELL_EVERY_S = 0.5
_ENDS_S = 10.0
"""Without any answer for so long, the preload has failed."""


class Preload:
    """Loads the keys of one worker over lines that it was given the callbacks of."""

    def __init__(self, plan: Plan, keys: Iterable[int], size: SizeOf, history: HistoryFile | None) -> None:
        self._plan = plan
        self._keys = deque((key, "put", 0) for key in keys)
        self._requests = Requests(plan)
        self._values = Values(plan.run)
        self._size = size
        self._history = history
        self._again: deque[tuple[float, tuple[int, str, int]]] = deque()
        self._contexts: dict[int, bytes] = {}
        self._left = len(self._keys)
        self.written = 0
        self.verified = 0
        self.problem = ""

    def run(self, lines: Lines, tell: Callable[[int, int], None]) -> str:
        """Load everything; why that did not work, empty if it did."""
        heard_s = told_s = time.monotonic()
        seen = 0
        while self._left and not self.problem:
            now = time.monotonic()
            lines.tend(now)
            self._send(lines, now)
            lines.take(0.05)
            if (done := self.written + self.verified) != seen:
                seen, heard_s = done, now
            if now - heard_s > _ENDS_S:
                self.problem = f"no answer for {_ENDS_S:g} s, {self._left} keys are not loaded"
            if now - told_s > TELL_EVERY_S:
                told_s = now
                tell(self.written, self.verified)
        return self.problem

    def _send(self, lines: Lines, now: float) -> None:
        while self._again and self._again[0][0] <= now:
            self._keys.append(self._again.popleft()[1])
        while self._keys and (line := lines.idle()) is not None:
            key, step, attempts = self._keys.popleft()
            line.asked, line.step, line.attempts, line.began = Asked(0, step, key, 0, 0, 0, 0), step, attempts, now
            lines.send(line, self._request(line, key, step))

    def _request(self, line: Line, key: int, step: str) -> bytes:
        if step == "get":
            return self._requests.get(key, 0)
        line.op = 0
        if self._history is not None:
            value = name(Written(self._plan.run, key, 0, 0))
            line.op = self._history.call(
                line.began, "preload", "put", self._requests.key(key), 0, line.endpoint, Change(value, value)
            )
        return self._requests.put(key, 0, self._values.make(key, 0, 0, self._size(key)), self._contexts.get(key, b""))

    def answered(self, lines: Lines, line: Line, status: int, head: bytes, body: bytes) -> None:
        """An answer has come."""
        lines.release(line, closes=b"\r\nConnection: close" in head)
        key, attempts = line.asked.key, line.attempts
        if line.step == "put":
            self._note(line, status, head)
        if status >= 400:
            self._try_again(key, line.step, attempts, f"status {status}: {body[:200].decode('utf-8', 'replace')}")
        elif line.step == "put":
            self.written += 1
            if self._plan.verifies:
                self._keys.append((key, "get", 0))
            else:
                self._left -= 1
        elif status == 200 and body == self._values.make(key, 0, 0, self._size(key)):
            self.verified += 1
            self._left -= 1
        else:
            self.written -= 1
            self._contexts[key] = answers.field(head, answers.CONTEXT)
            self._try_again(key, "put", attempts, "another value was read than had been written")

    def lost(self, line: Line, why: str) -> None:
        """The connection broke."""
        self._try_again(line.asked.key, line.step, line.attempts, why)

    def _try_again(self, key: int, step: str, attempts: int, why: str) -> None:
        if attempts + 1 >= ATTEMPTS:
            self.problem = self.problem or f"key {self._requests.key(key)}: {why}"
        self._again.append((time.monotonic() + PAUSE_S, (key, step, attempts + 1)))

    def _note(self, line: Line, status: int, head: bytes) -> None:
        if self._history is not None and line.op and status < 400:
            self._history.returned(line.op, time.monotonic(), "ok", number=answers.version(head))


def keys_of(plan: Plan, part: int, parts: int) -> range:
    """The keys that a worker loads: its own."""
    return range(part, plan.records, parts)


def sizes_of(plan: Plan) -> SizeOf:
    """The size of a key's preloaded value."""
    return lambda key: preload_size(plan, int(key))
