"""A load run while it goes on, on standard error: a live table on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from dynamo.cli.output import note
from dynamo.report.quantiles import percentiles_ns
from dynamo.report.words import milliseconds, operation, share

if TYPE_CHECKING:
    from rich.console import RenderableType

    from dynamo.load.run import Progress
    from dynamo.report.result import Slice

PLAIN_EVERY_S = 5.0
LIVE_EVERY_S = 0.3


class Display(Protocol):
    """Shows a run between `with` and its end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def at(self, progress: Progress) -> None:
        """The run has come to here; called several times a second."""


def display(duration_s: float) -> Display:
    return Live(duration_s) if sys.stderr.isatty() else Lines(duration_s)


class Lines:
    """One line every few seconds, so that a log stays a log; faults at once."""

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s
        self._next = time.monotonic() + PLAIN_EVERY_S
        self._told = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def at(self, progress: Progress) -> None:
        for each in progress.moments[self._told :]:
            note(f"{each.at_s:.1f} s: {each.kind} {each.node}")
        self._told = len(progress.moments)
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PLAIN_EVERY_S
        if progress.phase == "run":
            note(f"run: {progress.at_s:.0f} of {self._duration_s:g} s, {_second(progress.last)}")
        else:
            note(f"{progress.phase}: {progress.done} of {progress.of} keys")


def _second(last: Slice | None) -> str:
    """The last second in a few words."""
    if last is None:
        return "nothing yet"
    done = last.counts.done
    good = sum(each.good for each in last.counts.requests.values())
    parts = [f"{done / last.seconds:,.0f}/s"]
    for words, each in sorted(last.counts.requests.items()):
        parts.append(f"{operation(words)} p99 {milliseconds(percentiles_ns(each.response, (99,))[0])}")
    if good < done:
        parts.append(f"{done - good} not as asked")
    return ", ".join(parts)


class Live:
    """A table that is drawn again a few times a second."""

    def __init__(self, duration_s: float) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._duration_s = duration_s
        self._live = RichLive(console=Console(stderr=True), auto_refresh=False, transient=True)
        self._next = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def at(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LIVE_EVERY_S
            self._live.update(self._drawn(progress), refresh=True)

    def _drawn(self, progress: Progress) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        if progress.phase != "run":
            head = f"{progress.phase}: {progress.done:,} of {progress.of:,} keys"
            return Group(Text(head), ProgressBar(total=max(progress.of, 1), completed=progress.done, width=60))
        totals = progress.totals
        head = (
            f"{progress.at_s:.0f} of {self._duration_s:g} s   {totals.done:,} operations   "
            f"{progress.in_flight} in flight   {totals.dropped} dropped"
        )
        faults = "   ".join(f"{each.kind} {each.node} at {each.at_s:.1f} s" for each in progress.moments[-4:])
        bar = ProgressBar(total=self._duration_s, completed=progress.at_s, width=60)
        return Group(Text(head), bar, _table(progress), Text(faults))


def _table(progress: Progress) -> RenderableType:
    from rich.table import Table

    table = Table("operation", "count", "last second", "p50", "p99", "as asked", box=None)
    last = progress.last.counts.requests if progress.last is not None else {}
    for words, each in sorted(progress.totals.requests.items()):
        now = last.get(words)
        half, most = percentiles_ns(now.response, (50, 99)) if now is not None else (0, 0)
        table.add_row(
            operation(words), f"{each.count:,}", f"{now.count if now is not None else 0:,}", milliseconds(half),
            milliseconds(most), f"{each.good / each.count:.2%}",
        )  # fmt: skip
    for words, checks in sorted(progress.totals.checks.items()):
        read, write = words.split(" ")
        table.add_row(f"stale at {read}, {write} writes", share(checks.stale, checks.judged))
    return table
