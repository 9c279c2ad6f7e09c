"""A running `dynamo up`: its lines as they come, its nodes, its end."""

import os
import queue
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class Up:
    """A running `dynamo up`."""

    def __init__(self, program: tuple[str, ...], *words: object) -> None:
        """`program`: what stands for `dynamo up` after the interpreter."""
        self.process = subprocess.Popen(
            [sys.executable, *program, *(str(word) for word in words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def until(self, text: str, within_s: float = 30.0) -> str:
        """The next line that holds the text."""
        deadline = time.monotonic() + within_s
        while True:
            line = self._queue.get(timeout=max(deadline - time.monotonic(), 0.001))
            assert line is not None, f"ended without {text!r}: {self.lines}"
            self.lines.append(line)
            if text in line:
                return line

    def end(self, within_s: float = 30.0) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(within_s)
        self._reader.join()
        while (line := self._queue.get()) is not None:
            self.lines.append(line)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def pids(self) -> dict[str, int]:
        return {line.split()[0]: int(line.split()[-1]) for line in self.lines if " process " in line}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def free_base_port() -> int:
    """Room for three nodes that nobody listens on, below the range that outgoing connections take."""
    for first in range(20000 + os.getpid() * 37 % 12000, 32700, 30):
        try:
            for port in range(first, first + 23):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports")
