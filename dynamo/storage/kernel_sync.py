"""Waiting for the disk without a thread: the kernel syncs a file, and the loop hears of it.

Linux's asynchronous IO (io_submit with IOCB_CMD_FDSYNC, since 4.18): a thread of the kernel syncs, and an eventfd tells
when it is done. So nobody asks for the interpreter while the loop has it. Reads and writes would not be asynchronous
that way, unless they went past the page cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caio.abstract import AbstractOperation
    from caio.linux_aio import Context


class KernelSync:
    """At most one sync at a time, for one loop. Raises OSError where the system, or the build of caio, has none.

    `ended` is called on the loop after each sync: with None, or with what the kernel says is wrong.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Callable[[Exception | None], None]) -> None:
        try:
            from caio import linux_aio  # noqa: PLC0415 - is missing from builds for other systems, and old ones

            self._context: Context = linux_aio.Context(1)
        except (ImportError, SystemError) as problem:
            raise OSError(f"no asynchronous sync here: {problem}") from problem
        self._fdsync = linux_aio.Operation.fdsync
        self._operation: AbstractOperation | None = None
        self._loop = loop
        self._ended = ended
        loop.add_reader(self._context.fileno, self._look)

    def begin(self, handle: int) -> None:
        """Have the data of a file synced. Raises OSError if the kernel does not take it; then nothing has begun."""
        assert self._operation is None, "one sync at a time"
        operation = self._fdsync(handle)
        try:
            self._context.submit(operation)
        except (SystemError, ValueError, OverflowError) as problem:
            raise OSError(str(problem)) from problem
        self._operation = operation

    def _look(self) -> None:
        """The eventfd has become readable."""
        failure = None
        try:
            self._context.poll()
            if not self._context.process_events(1):
                return
            assert self._operation is not None, "nothing ends that was not begun"
            self._operation.get_value()
        except BlockingIOError:
            return  # It is not, after all; it will be when a sync has ended.
        except Exception as problem:  # noqa: BLE001 - the eventfd was read: nobody would look for this sync again
            failure = problem
        self._operation = None
        self._ended(failure)

    def close(self) -> None:
        """Hear of nothing any more."""
        self._loop.remove_reader(self._context.fileno)
