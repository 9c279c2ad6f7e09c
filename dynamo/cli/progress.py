"""How far long work is: a bar on a terminal, a plain line now and then elsewhere. Both on standard error."""

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

    def at(self, done_bytes: int, keys: int) -> None:
        """The work has come to here."""


def progress(what: str, total_bytes: int | None) -> Progress:
    """`total_bytes` None: the end is not known."""
    return Bar(what, total_bytes) if sys.stderr.isatty() else Lines(what, total_bytes)


class Lines:
    """One line every few seconds, so that a log stays a log."""

    def __init__(self, what: str, total_bytes: int | None) -> None:
        self._what = what
        self._total_bytes = total_bytes
        self._next = 0.0

    def __enter__(self) -> Self:
        self._next = time.monotonic() + PLAIN_EVERY_S
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def at(self, done_bytes: int, keys: int) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PLAIN_EVERY_S
        share = f", {100 * done_bytes / self._total_bytes:.0f} %" if self._total_bytes else ""
        note(f"{self._what}: {keys} keys, {size(done_bytes)}{share}")


class Bar:
    """A bar with the time that is left. Colours are left out where NO_COLOR is set; rich sees to that."""

    def __init__(self, what: str, total_bytes: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress: RichProgress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TextColumn("{task.fields[keys]} keys"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(what, total=total_bytes, keys=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def at(self, done_bytes: int, keys: int) -> None:
        self._progress.update(self._task, completed=done_bytes, keys=keys)
