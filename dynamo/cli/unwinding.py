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
    # In the background of a script Ctrl-C is ignored, and asyncio would not hear of it.
    before_int = signal.getsignal(signal.SIGINT)
    if before_int == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        if told:
            sys.exit(128 + told[0])
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, before_int)
