"""How many steps of long work are done: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from dynamo.cli.output import note
from dynamo.cli.progress import PLAIN_EVERY_S

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress


class Steps(Protocol):
    """Shows the work between `with` and its end."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def at(self, done: int, due: int, more: str) -> None:
        """So many of so many; `more` is what else there is to say."""


def steps(what: str) -> Steps:
    """As fits standard error."""
    return _Bar(what) if sys.stderr.isatty() else _Lines(what)


class _Lines:
    def __init__(self, what: str) -> None:
        self._what = what
        self._next = 0.0

    def __enter__(self) -> Self:
        self._next = time.monotonic() + PLAIN_EVERY_S
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def at(self, done: int, due: int, more: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PLAIN_EVERY_S
            note(f"{self._what}: {done} of {due}, {more}")


class _Bar:
    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress: RichProgress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[more]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(what, total=None, more="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def at(self, done: int, due: int, more: str) -> None:
        self._progress.update(self._task, completed=done, total=due or None, more=more)
