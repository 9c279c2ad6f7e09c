"""One process of the generator: sends operations at their intended starts, takes answers, tells what it saw.

`python -m dynamo.load.worker` reads a Share from standard input, then commands, and writes what `says.py` defines. In
an open loop an operation that finds no free connection waits, and its waiting counts as response time; what could not
be sent before its time-out is dropped, and counted. Time-outs count from the intended start. The garbage collector is
off: nothing here makes circles.
"""

from __future__ import annotations

import gc
import resource
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import msgspec

from dynamo.load.answers import Corrupt
from dynamo.load.exchange import MORE, Exchange
from dynamo.load.history_file import HistoryFile
from dynamo.load.judge import Judge
from dynamo.load.lines import Line, Lines
from dynamo.load.plan import Share
from dynamo.load.preload import Preload, keys_of, sizes_of
from dynamo.load.prober import SESSION as PROBE
from dynamo.load.prober import Prober
from dynamo.load.probes import Probes
from dynamo.load.says import Ended, Loaded, Loading, Ready, Said, Told, encode
from dynamo.load.stream import WRITES, Asked, Stream
from dynamo.report.counts import ERROR, TIMEOUT, UNAVAILABLE, Counts, Requests
from dynamo.workload.histogram import bucket_of

LOAD, RUN = "load", "run"
GRACE_S = 0.25
"""How long a run waits, after the last time-out, for answers that are under way."""
_IDLE_S = 0.05
_FOREVER = float("inf")


class Worker:
    """One worker, from its first connection to its last word."""

    def __init__(self, share: Share) -> None:
        plan = self._plan = share.plan
        self._share = share
        self._history = _history(share)
        self._judge = Judge(plan, share.part)
        self._exchange = Exchange(plan, share.part, self._judge, self._history)
        self._stream = Stream(plan, share.part, share.parts)
        self._operations: Iterator[Asked] = iter(self._stream)
        count = -(-plan.connections // share.parts)
        self.lines = Lines(plan.endpoints, count, self._answered, self._lost)
        probes = Probes(plan, share.part, share.parts)
        self._prober = Prober(probes, self.lines, self._exchange, self._judge, self._limit)
        self._owners = {key: place for place, keys in share.owner_of.items() for key in keys}
        self._preload: Preload | None = None
        self._backlog: deque[tuple[float, Asked, int, int]] = deque()
        """Operations that wait for a free connection: due, what, attempts before, endpoint of the last attempt."""
        self._limits: deque[tuple[float, Line, int]] = deque()
        """When which operation runs out of time, if the line still carries that one."""
        self._counts = Counts()
        self._seen: dict[tuple[str, int], Requests] = {}
        self._cpu_s = time.process_time()
        self._place = 0
        self._last_place = max(0, ceil(plan.duration_s / plan.interval_s) - 1)
        self._began = 0.0
        self._counts_from = 0.0
        self._stopping = False
        self._corrupt = ""
        self._first_failure = ""

    # The two things that it is told to do.

    def load(self) -> None:
        """Preload the keys, and say so."""
        plan, share = self._plan, self._share
        self._preload = Preload(plan, keys_of(plan, share.part, share.parts), sizes_of(plan), self._history)
        problem = self._preload.run(self.lines, lambda written, verified: _say(Loading(written, verified)))
        _say(Loading(self._preload.written, self._preload.verified))
        self._preload = None
        self._judge.book.preloaded(range(plan.records))
        _say(Loaded(problem))

    def run(self, began: float) -> None:
        """Run from a moment on the monotonic clock; tell each interval, and the end."""
        self._began, self._counts_from = began, began + self._plan.warm_up_s
        self._prober.counts_from = self._counts_from
        self._cpu_s = time.process_time()
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            self._arrive()
            self._linger()
        except Corrupt as problem:
            self._corrupt = str(problem)
        self._tell()
        self.lines.close()
        if self._history is not None:
            self._history.close()
        _say(Ended(self._corrupt, self._judge.book.unsettled, self._first_failure))

    def stop(self) -> None:
        """End early: nothing more is sent."""
        self._stopping = True

    # The loop.

    def _arrive(self) -> None:
        end = self._began + self._plan.duration_s
        ahead = self._next(end)
        every_s = self._prober.probes.every_s
        probe_due = self._began if every_s else _FOREVER
        # A generator that is late has arrivals left when the time is over: they are part of the load all the same.
        while ((now := time.monotonic()) < end or (ahead is not None and not self._plan.closed)) and not self._stopping:
            while ahead is not None and ahead[0] <= now:
                if not self._arrived(ahead, now):
                    break
                ahead = self._next(end)
                now = time.monotonic()
            if now >= probe_due:
                probe_due = max(probe_due + every_s, now)
                self._prober.begin(now)
            wake = min(probe_due, end, *((ahead[0],) if ahead is not None and not self._plan.closed else ()))
            self._turn(now, wake)

    def _next(self, end: float) -> tuple[float, Asked] | None:
        """The next operation and its intended start; None after the last one."""
        asked = next(self._operations, None)
        if asked is None:
            return None
        due = self._began + asked.due_s
        return (due, asked) if due < end else None

    def _arrived(self, ahead: tuple[float, Asked], now: float) -> bool:
        """An operation is due. False: a closed loop with no connection free, for which nothing is due."""
        due, asked = ahead
        if self._plan.closed:
            line = self.lines.idle()
            if line is None or now < self._began:
                if line is not None:
                    self.lines.release(line)
                return False
            due = now
            self._counts.arrived += now >= self._counts_from
            self._send(line, due, asked, 0, now)
            return True
        self._counts.arrived += due >= self._counts_from
        if now - due > self._plan.timeout_s:
            self._drop(due, asked)
            return True
        line = None if self._backlog else self._line_for(asked, -1)
        if line is None:
            self._backlog.append((due, asked, 0, -1))
        else:
            self._send(line, due, asked, 0, now)
        return True

    def _turn(self, now: float, wake: float) -> None:
        """What is always to be done; waits until `wake`, an answer, or something that is due earlier."""
        self.lines.tend(now)
        self._catch_up(now)
        self._prober.read_due(now)
        self._expire(now)
        # What ends after the last arrival counts in the last interval.
        place = min(int((now - self._began) / self._plan.interval_s), self._last_place) if now > self._began else 0
        if place > self._place:
            self._tell()
            self._place = place
        limit = self._limits[0][0] if self._limits else _FOREVER
        probe_s = self._prober.probes.next_s
        until = min(wake, limit, now + _IDLE_S, _FOREVER if probe_s is None else probe_s)
        self.lines.take(max(until - time.monotonic(), 0.0))

    def _catch_up(self, now: float) -> None:
        """Send what waits, as connections are free; drop what has waited for too long."""
        backlog, timeout_s = self._backlog, self._plan.timeout_s
        while backlog:
            due, asked, attempts, avoiding = backlog[0]
            if now - due > timeout_s:
                backlog.popleft()
                self._drop(due, asked)
                continue
            line = self._line_for(asked, avoiding)
            if line is None:
                return
            backlog.popleft()
            self._send(line, due, asked, attempts, now)

    def _drop(self, due: float, asked: Asked) -> None:
        """It could not be sent in time: the generator's failure, unless there is no node that could be reached."""
        if not self.lines.connected:
            self._first_failure = self._first_failure or "no node can be reached"
            self._count(asked, ERROR, self._plan.timeout_s, 0.0, due)
        else:
            self._counts.dropped += due >= self._counts_from

    def _linger(self) -> None:
        """Nothing more is due: take what is under way until all of it has ended one way or the other."""
        until = time.monotonic() + self._plan.timeout_s + GRACE_S
        while (self._backlog or self.lines.in_flight) and (now := time.monotonic()) < until:
            self._turn(now, until)
        self._expire(_FOREVER)
        for due, asked, _, _ in self._backlog:
            self._drop(due, asked)

    def _expire(self, now: float) -> None:
        limits = self._limits
        while limits and limits[0][0] <= now:
            _, line, turn = limits.popleft()
            if line.busy and line.turn == turn:
                self._time_out(line)

    # Operations.

    def _line_for(self, asked: Asked, avoiding: int) -> Line | None:
        routing = self._plan.routing
        if routing == "sticky" and avoiding < 0:
            return self.lines.idle(asked.session % len(self._plan.endpoints))
        if routing == "owner" and avoiding < 0:
            return self.lines.idle(self._owners.get(asked.key, -1))
        return self.lines.idle(-1, avoiding)

    def _send(self, line: Line, due: float, asked: Asked, attempts: int, now: float) -> None:
        line.asked, line.due, line.attempts = asked, due, attempts
        if due >= self._counts_from and not attempts:
            bucket = bucket_of(max(0, int((now - due) * 1e9)))
            delays = self._counts.send_delay
            delays[bucket] = delays.get(bucket, 0) + 1
        self._limit(line, due)
        self.lines.send(line, self._exchange.first(line, asked, now))

    def _limit(self, line: Line, due: float) -> None:
        self._limits.append((due + self._plan.timeout_s, line, line.turn))

    def _answered(self, line: Line, status: int, head: bytes, body: bytes) -> None:
        if self._preload is not None:
            self._preload.answered(self.lines, line, status, head, body)
            return
        now = time.monotonic()
        if line.asked.session == PROBE:
            self._prober.answered(line, status, head, body, now)
            return
        outcome = self._exchange.answer(line, status, head, body, now, counts=line.due >= self._counts_from)
        if outcome == MORE:
            self.lines.send(line, self._exchange.second(line, now))
            return
        if outcome > 1:
            self._first_failure = self._first_failure or _described(status, body)
        asked, due, attempts, endpoint = line.asked, line.due, line.attempts, line.endpoint
        began = line.began
        self.lines.release(line, closes=b"\r\nConnection: close" in head)
        if now - due > self._plan.timeout_s:
            # It came, but nobody waits for it any more.
            self._count(asked, TIMEOUT, self._plan.timeout_s, max(0.0, due + self._plan.timeout_s - began), due)
        elif outcome != UNAVAILABLE or not self._retry(due, asked, attempts, endpoint):
            self._count(asked, outcome, now - due, now - began, due)

    def _lost(self, line: Line, why: str) -> None:
        if self._preload is not None:
            self._preload.lost(line, why)
            return
        self._first_failure = self._first_failure or why
        now = time.monotonic()
        outcome = self._exchange.failed(line, now, by_timeout=False)
        if line.asked.session == PROBE:
            self._prober.end(line, None, 0)
        elif line.step != "get" or not self._retry(line.due, line.asked, line.attempts, line.endpoint):
            self._count(line.asked, outcome, now - line.due, now - line.began, line.due)

    def _time_out(self, line: Line) -> None:
        """Recorded with the time-out's own length, however late the clock is looked at."""
        outcome = self._exchange.failed(line, time.monotonic(), by_timeout=True)
        self._first_failure = self._first_failure or "no answer in time"
        if line.asked.session == PROBE:
            self._prober.end(line, None, 0)
        else:
            limit_s = self._plan.timeout_s
            self._count(line.asked, outcome, limit_s, max(0.0, line.due + limit_s - line.began), line.due)
        self.lines.give_up(line)

    def _retry(self, due: float, asked: Asked, attempts: int, endpoint: int) -> bool:
        """Whether the operation goes once more, to another node: nothing of it was done."""
        if attempts >= self._plan.retries or self._stopping:
            return False
        self._counts.retried += 1
        self._backlog.append((due, asked, attempts + 1, endpoint))
        return True

    def _count(self, asked: Asked, outcome: int, response_s: float, service_s: float, due: float) -> None:
        if due < self._counts_from:
            return
        place = (asked.kind, asked.level)
        seen = self._seen.get(place)
        if seen is None:
            seen = self._seen[place] = Requests()
        seen.outcomes[outcome] += 1
        bucket = bucket_of(int(response_s * 1e9))
        seen.response[bucket] = seen.response.get(bucket, 0) + 1
        bucket = bucket_of(int(service_s * 1e9))
        seen.service[bucket] = seen.service.get(bucket, 0) + 1

    # Telling.

    def _tell(self) -> None:
        counts = self._counts
        for (kind, level), seen in self._seen.items():
            levels = self._plan.writes if kind in WRITES else self._plan.reads
            counts.requests[f"{kind} {levels[level].level}"] = seen
        self._judge.give(counts)
        self._prober.probes.give(counts)
        now_s = time.process_time()
        counts.client_s = now_s - self._cpu_s
        self._cpu_s = now_s
        _say(Told(self._place, counts, self.lines.in_flight))
        self._counts = Counts()
        self._seen = {}


def _described(status: int, body: bytes) -> str:
    return f"status {status}: {body[:200].decode('utf-8', 'replace')}"


def _history(share: Share) -> HistoryFile | None:
    if not share.history_file:
        return None
    via = [f"{host}:{port}" for host, port in share.plan.endpoints]
    return HistoryFile(Path(share.history_file).open("wb"), share.plan, share.part, share.parts, via)


def _say(said: Said) -> None:
    sys.stdout.buffer.write(encode(said) + b"\n")
    sys.stdout.buffer.flush()


def main() -> None:
    """One worker. SIGTERM ends its run early; an interrupt from the terminal is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    worker = Worker(msgspec.json.decode(sys.stdin.buffer.readline(), type=Share))
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    try:
        worker.lines.open()
    except OSError as problem:
        _say(Loaded(str(problem)))
        return
    _say(Ready())
    for command in sys.stdin:
        word, _, rest = command.strip().partition(" ")
        if word == LOAD:
            worker.load()
        elif word == RUN:
            worker.run(float(rest))
            return


if __name__ == "__main__":
    main()
