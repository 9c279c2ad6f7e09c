"""A termination signal that unwinds like Ctrl-C, so that a run ends its servers and removes its data first.

An exception raised right in the handler would not do: while an event loop runs, the handler is called inside of some
callback that is under way, and the loop takes the exception for that callback's own and goes on. Ctrl-C is what asyncio
knows: it cancels the run's task and raises KeyboardInterrupt when the loop has stopped.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unwinding_on_term() -> Iterator[None]:
    """Within it, SIGTERM ends the block like Ctrl-C, and then the process with 128 + its number."""
    told: list[int] = []

    def handle(number: int, _: object) -> None:
        told.append(number)
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    except KeyboardInterrupt:
        if told:
            sys.exit(128 + told[0])
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
