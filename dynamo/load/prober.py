"""Carries out the probes of a worker over its lines: a write, and after its delay a read through another node.

What to probe and when is `probes.py`; whether a read was stale is the judge's. An operation of a probe has session -1,
by which the worker tells it from the load.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.load.exchange import Exchange
from dynamo.load.judge import Judge, probe_verdict
from dynamo.load.lines import Line, Lines
from dynamo.load.probes import Probe, Probes
from dynamo.load.stream import Asked
from dynamo.report.counts import OK

SESSION = -1


class Prober:
    """The probes of one worker. `limit` is told of each request, so that it runs out of time."""

    def __init__(
        self, probes: Probes, lines: Lines, exchange: Exchange, judge: Judge, limit: Callable[[Line, float], None]
    ) -> None:
        self.probes = probes
        self._lines = lines
        self._exchange = exchange
        self._judge = judge
        self._limit = limit
        self._under_way: dict[int, Probe] = {}
        """By identity of the line."""
        self.counts_from = 0.0
        """Reads that began earlier count nowhere."""

    def begin(self, now: float) -> None:
        """Begin a probe, if there is a connection and a key for it."""
        line = self._lines.idle()
        if line is None:
            return
        probe = self.probes.begin()
        if probe is None:
            self._lines.release(line)
            return
        asked = Asked(0.0, "put", probe.key, probe.cell.write, 0, SESSION, 0)
        self._take(line, asked, probe, now)
        request = self._exchange.put(line, asked, probe.cell.write, now)
        probe.number, probe.wrote_to = line.number, line.endpoint
        self._lines.send(line, request)

    def read_due(self, now: float) -> None:
        """Send the reads that are due."""
        while (probe := self.probes.due(now)) is not None:
            line = self._lines.idle(-1, probe.wrote_to)
            if line is None:
                self.probes.ended(probe, None, 0, now)
                continue
            asked = Asked(0.0, "get", probe.key, probe.cell.read, 0, SESSION, 0)
            self._take(line, asked, probe, now)
            self._lines.send(line, self._exchange.first(line, asked, now))

    def _take(self, line: Line, asked: Asked, probe: Probe, now: float) -> None:
        line.asked, line.due = asked, now
        self._under_way[id(line)] = probe
        self._limit(line, now)

    def answered(self, line: Line, status: int, head: bytes, body: bytes, now: float) -> None:
        """An answer to one of its requests. Raises Corrupt."""
        closes = b"\r\nConnection: close" in head
        if line.step == "put":
            outcome = self._exchange.answer(line, status, head, body, now, counts=False)
            probe = self._under_way.pop(id(line))
            self._lines.release(line, closes=closes)
            if outcome == OK:
                self.probes.acknowledged(probe, now)
            else:
                self.probes.ended(probe, None, 0, now)
            return
        numbers = self._exchange.probed(line, status, head, body, now)
        if status >= 400 and status != 404:
            self.end(line, None, 0)
        else:
            number = self._under_way[id(line)].number
            self.end(line, *probe_verdict(self._judge.book, numbers, number, line.began))
        self._lines.release(line, closes=closes)

    def end(self, line: Line, verdict: int | None, versions: int) -> None:
        """The probe on this line is over; `verdict` None: something failed."""
        probe = self._under_way.pop(id(line))
        counts = verdict if line.began >= self.counts_from else None
        self.probes.ended(probe, counts, versions, line.began)
