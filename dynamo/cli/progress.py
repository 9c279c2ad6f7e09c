"""How far long work is: a bar on a terminal, a plain line now and then elsewhere. Both on standard error.

It is measured in bytes or in steps.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from dynamo.cli.output import note, size

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PLAIN_EVERY_S = 5.0


class Progress(Protocol):
    """Shows the work between `with` and its end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def at(self, done: int, more: str, total: int | None = None) -> None:
        """The work has come to here; `more` is what else there is to say. `total` where it is known only now."""


def progress(what: str, total: int | None, *, in_bytes: bool = True) -> Progress:
    """`total` None: the end is not known."""
    return (Bar if sys.stderr.isatty() else Lines)(what, total, in_bytes=in_bytes)


class Lines:
    """One line every few seconds, so that a log stays a log."""

    def __init__(self, what: str, total: int | None, *, in_bytes: bool) -> None:
        self._what = what
        self._total = total
        self._in_bytes = in_bytes
        self._next = 0.0

    def __enter__(self) -> Self:
        self._next = time.monotonic() + PLAIN_EVERY_S
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def at(self, done: int, more: str, total: int | None = None) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PLAIN_EVERY_S
        total = total or self._total
        if self._in_bytes:
            share = f", {100 * done / total:.0f} %" if total else ""
            note(f"{self._what}: {more}, {size(done)}{share}")
        else:
            note(f"{self._what}: {more}, {done}" + (f" of {total}" if total else ""))


class Bar:
    """A bar with the time that is left. Colours are left out where NO_COLOR is set; rich sees to that."""

    def __init__(self, what: str, total: int | None, *, in_bytes: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress: RichProgress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True) if in_bytes else MofNCompleteColumn(),
            TextColumn("{task.fields[more]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(what, total=total, more="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def at(self, done: int, more: str, total: int | None = None) -> None:
        self._progress.update(self._task, completed=done, total=total or None, more=more)
