"""The worker processes of a run: started, told what to do, listened to, ended by their numbers.

A thread for each reads what it says into one queue; whoever runs the crew takes from it and is never blocked by one of
them. A worker that ends before its last word is a failure of the run.
"""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec

from dynamo.load.plan import Share
from dynamo.load.says import Ended, Said, decode
from dynamo.workload.processes import ServerFailed

STOP_WITHIN_S = 10.0


class Crew:
    """All workers, while the `with` block runs."""

    def __init__(self, shares: Sequence[Share]) -> None:
        self._shares = shares
        self._running: list[subprocess.Popen[bytes]] = []
        self._threads: list[threading.Thread] = []
        self._queue: queue.Queue[tuple[int, Said | None]] = queue.Queue()

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "dynamo.load.worker"]
        for part, share in enumerate(self._shares):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - ours
            self._running.append(process)
            self._write(part, msgspec.json.encode(share))
            thread = threading.Thread(target=self._read, args=(part,), name=f"worker-{part}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.wait()
        for thread in self._threads:
            thread.join()
        for process in self._running:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def __len__(self) -> int:
        return len(self._running)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._running]

    def tell(self, command: str) -> None:
        """A command for all of them."""
        for part in range(len(self._running)):
            self._write(part, command.encode())

    def stop(self) -> None:
        """Ask all to end early, with their last words."""
        for process in self._running:
            process.terminate()

    def hear(self, within_s: float) -> tuple[int, Said] | None:
        """What a worker said next; None if nobody said anything in time. Raises ServerFailed if one has died."""
        try:
            part, said = self._queue.get(timeout=within_s)
        except queue.Empty:
            return None
        if said is None:
            raise ServerFailed(f"load worker {part} ended with {self._running[part].wait(STOP_WITHIN_S)}")
        return part, said

    def _write(self, part: int, line: bytes) -> None:
        pipe = self._running[part].stdin
        assert pipe is not None, "it was made with one"
        try:
            pipe.write(line + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise ServerFailed(f"load worker {part} ended with {self._running[part].wait(STOP_WITHIN_S)}") from None

    def _read(self, part: int) -> None:
        pipe = self._running[part].stdout
        assert pipe is not None, "it was made with one"
        for line in pipe:
            said = decode(line)
            self._queue.put((part, said))
            if isinstance(said, Ended):
                return
        self._queue.put((part, None))
