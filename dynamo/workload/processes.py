"""Servers as processes of our own: started, waited for until they answer, measured, ended by their number.

A child leads no session of its own, so an interrupt from the terminal reaches it, too; whatever ends the run, `stop`
asks first and kills after a grace time. What a child writes goes to a file, whose end is shown if it does not start.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import itertools
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

START_TIMEOUT_S = 30.0
STOP_GRACE_S = 10.0
POLL_S = 0.02
LOG_TAIL_CHARS = 2000
PORTS = range(20_000, 32_000)
"""Below the range from which the kernel gives ports to outgoing connections: nobody takes one between test and use."""


class ServerFailed(Exception):
    """A server did not come up, or ended before its time; the text says what it wrote last."""


class Child:
    """One server process. `core` pins it, with all threads it will have, to one core."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log_file: Path,
        environment: Mapping[str, str] | None = None,
        core: int | None = None,
    ) -> None:
        self.name = name
        self._log_file = log_file
        with log_file.open("ab") as log, pinned(core):
            self._process = subprocess.Popen(  # noqa: S603 - a server that this package chose
                list(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(environment)
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended (negative: by which signal); None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> None:
        """Return when it has ended by itself. Raises ServerFailed if it has not in time."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ServerFailed(f"{self.name} still runs after {timeout_s:g} s") from None

    def wait_until_ready(self, port: int, path: str, timeout_s: float = START_TIMEOUT_S) -> None:
        """Return once GET of the path gives 200. Raises ServerFailed if the process ends or the time is over."""
        deadline = time.monotonic() + timeout_s
        while (status := status_of(port, path)) != 200:
            if self._process.poll() is not None:
                raise ServerFailed(f"{self.name} ended with code {self._process.returncode}\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"{self.name} is not ready after {timeout_s:g} s ({status})\n{self.log_tail()}")
            time.sleep(POLL_S)

    def ask_to_end(self) -> None:
        """Ask, and do not wait."""
        self._process.terminate()

    def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """End it: asked first, killed if it does not end in time. Returns when it is gone."""
        self.ask_to_end()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def log_tail(self) -> str:
        """The last it wrote."""
        return self._log_file.read_text(errors="replace")[-LOG_TAIL_CHARS:]


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """This thread, and what it starts meanwhile, runs on one core only. None changes nothing."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def status_of(port: int, path: str) -> int | str:
    """Status of a GET on loopback, or why there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as problem:
        return str(problem) or type(problem).__name__
    finally:
        connection.close()


def free_ports(count: int) -> list[int]:
    """That many ports of loopback on which nobody listens.

    Whoever asks next on this machine, also another process, is given later ones, so that nobody takes a port between
    test and use. Raises ServerFailed if there are not so many.
    """
    with (Path(tempfile.gettempdir()) / f"dynamo-ports-{os.getuid()}").open("a+") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        turn.seek(0)
        begin = _next_of(turn.read())
        ports = (PORTS[(begin + step) % len(PORTS)] for step in range(len(PORTS)))
        found = list(itertools.islice(filter(is_free, ports), count))
        if len(found) < count:
            raise ServerFailed(f"no {count} free ports from {PORTS[0]} to {PORTS[-1]}")
        turn.truncate(0)
        turn.write(str(PORTS.index(found[-1]) + 1))
    return found


def _next_of(text: str) -> int:
    """Where the last one stopped; whatever else stands there begins anew."""
    return int(text) if text.isdecimal() else 0


def is_free(port: int) -> bool:
    """Whether nobody listens on that port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _environment(added: Mapping[str, str] | None) -> dict[str, str]:
    """Ours, less settings of the servers: a run measures what its own files say."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DYNAMO__", "ETCD_"))}
    return kept | dict(added or {})
