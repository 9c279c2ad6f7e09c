"""Connections to the nodes under one epoll: plain sockets, one request at a time on each, nothing that blocks.

A connection that breaks, or whose request ran out of time, is closed and made again in the background, a few times a
second while its node is away. Waiting is done with `select` on the epoll itself, whose time-out is in microseconds;
epoll's own is in milliseconds, and would send every request half a millisecond late.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

from dynamo.load.stream import Asked
from dynamo.workload.connection import BrokenAnswer, parse

AGAIN_S = 0.1
"""Between two attempts to reach a node that is away."""
CONNECT_S = 5.0
_GRAIN_S = 0.001
"""Of epoll's time-out, which is rounded up."""
_READ_BYTES = 2**18
_NOBODY = Asked(0.0, "", 0, 0, 0, 0, 0)


class Line:
    """One connection, and the operation that it carries."""

    __slots__ = (
        "asked", "attempts", "began", "busy", "connecting", "due", "endpoint", "expected_bytes", "fd", "floors", "held",
        "number", "op", "session_floors", "socket", "step", "turn", "unsent",
    )  # fmt: skip

    def __init__(self, endpoint: int) -> None:
        self.endpoint = endpoint
        self.socket: socket.socket | None = None
        self.fd = -1
        self.connecting = False
        self.held = b""
        self.expected_bytes = 0
        self.unsent = b""
        self.busy = False
        self.turn = 0
        """How many operations it has carried: an old time-out means nothing to a new one."""
        self.asked = _NOBODY
        self.step = ""
        """Which request of the operation is under way: `get`, `put` and so on."""
        self.due = 0.0
        """Intended start, on the clock of `time.monotonic`."""
        self.began = 0.0
        """When this request was sent."""
        self.number = 0
        """Of the write, in the book."""
        self.floors: tuple[float, ...] = ()
        self.session_floors = (0.0, 0.0)
        self.op = 0
        """Its number in the history."""
        self.attempts = 0


class Lines:
    """All connections of a worker."""

    def __init__(
        self,
        endpoints: Sequence[tuple[str, int]],
        count: int,
        answered: Callable[[Line, int, bytes, bytes], None],
        lost: Callable[[Line, str], None],
    ) -> None:
        self._endpoints = endpoints
        self._answered = answered
        self._lost = lost
        self._epoll = select.epoll()
        self._wait_on = (self._epoll.fileno(),)
        self._lines = [Line(number % len(endpoints)) for number in range(max(count, len(endpoints)))]
        self._by_fd: dict[int, Line] = {}
        self._idle: list[deque[Line]] = [deque() for _ in endpoints]
        self._turn = 0
        self._away: deque[tuple[float, Line]] = deque()
        self.in_flight = 0

    # Opening and closing.

    def open(self) -> None:
        """Connect. Raises OSError if no endpoint can be reached within CONNECT_S."""
        for line in self._lines:
            self._connect(line)
        until = time.monotonic() + CONNECT_S
        while any(line.connecting for line in self._lines) and time.monotonic() < until:
            self.take(0.05)
        if not any(self._idle):
            raise OSError(f"none of {', '.join(f'{host}:{port}' for host, port in self._endpoints)} can be reached")

    def close(self) -> None:
        for line in self._lines:
            if line.socket is not None:
                line.socket.close()
        self._epoll.close()

    def _connect(self, line: Line) -> None:
        host, port = self._endpoints[line.endpoint]
        try:
            family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            made = socket.socket(family, kind, proto)
        except OSError:
            self._away.append((time.monotonic() + AGAIN_S, line))
            return
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.connect_ex(address)
        line.socket, line.fd, line.connecting = made, made.fileno(), True
        line.held, line.unsent, line.expected_bytes = b"", b"", 0
        self._by_fd[line.fd] = line
        self._epoll.register(line.fd, select.EPOLLOUT)

    def _connected(self, line: Line) -> None:
        assert line.socket is not None, "only open lines are connecting"
        if line.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._drop(line)
            self._away.append((time.monotonic() + AGAIN_S, line))
            return
        line.connecting = False
        self._epoll.modify(line.fd, select.EPOLLIN)
        self._idle[line.endpoint].append(line)

    def _drop(self, line: Line) -> None:
        if line.socket is not None:
            del self._by_fd[line.fd]
            self._epoll.unregister(line.fd)
            line.socket.close()
            line.socket, line.connecting = None, False

    @property
    def connected(self) -> int:
        """Connections that are open, busy or not."""
        return sum(not line.connecting for line in self._by_fd.values())

    def tend(self, now: float) -> None:
        """Try again to reach those that are away, if it is time."""
        while self._away and self._away[0][0] <= now:
            self._connect(self._away.popleft()[1])

    # Sending.

    def idle(self, endpoint: int = -1, avoiding: int = -1) -> Line | None:
        """A free connection: to this endpoint if there is one, else to any, in turn; not to `avoiding` if possible."""
        if endpoint >= 0 and self._idle[endpoint]:
            return self._idle[endpoint].popleft()
        spare = -1
        for step in range(len(self._idle)):
            place = (self._turn + step) % len(self._idle)
            if self._idle[place]:
                if place == avoiding:
                    spare = place
                    continue
                self._turn = place + 1
                return self._idle[place].popleft()
        return self._idle[spare].popleft() if spare >= 0 else None

    def send(self, line: Line, request: bytes) -> None:
        """Send a request; the line must have come from `idle`, or must just have been answered."""
        assert line.socket is not None, "only open lines are given out"
        if not line.busy:
            line.busy = True
            self.in_flight += 1
        try:
            sent = line.socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as problem:
            self._break(line, str(problem))
            return
        if sent < len(request):
            line.unsent = request[sent:]
            self._epoll.modify(line.fd, select.EPOLLIN | select.EPOLLOUT)

    def release(self, line: Line, *, closes: bool = False) -> None:
        """The operation is over. `closes`: the node said that it closes the connection, so another one is made."""
        line.turn += 1
        if line.busy:
            line.busy = False
            self.in_flight -= 1
        if closes:
            self._drop(line)
            self._connect(line)
        elif line.socket is not None:
            self._idle[line.endpoint].append(line)

    def give_up(self, line: Line) -> None:
        """Its request ran out of time: whatever may still come on this connection is not for the next one."""
        self._drop(line)
        line.turn += 1
        if line.busy:
            line.busy = False
            self.in_flight -= 1
        self._connect(line)

    # Taking answers.

    def take(self, wait_s: float) -> None:
        """Take what has come; wait for it no longer than the given time."""
        whole_s = 0.0
        if wait_s >= 2 * _GRAIN_S:
            # The bulk of a long wait costs one call; what is left of it is the next call's.
            whole_s = wait_s - _GRAIN_S
        elif wait_s > 0:
            select.select(self._wait_on, (), (), wait_s)
        for fd, events in self._epoll.poll(whole_s):
            line = self._by_fd.get(fd)
            if line is None:
                continue
            if line.connecting:
                self._connected(line)
                continue
            if events & select.EPOLLOUT:
                self._send_rest(line)
            if events & ~select.EPOLLOUT and line.socket is not None:
                self._read(line)

    def _send_rest(self, line: Line) -> None:
        assert line.socket is not None, "only open lines are polled"
        try:
            line.unsent = line.unsent[line.socket.send(line.unsent) :]
        except BlockingIOError:
            return
        except OSError as problem:
            self._break(line, str(problem))
            return
        if not line.unsent:
            self._epoll.modify(line.fd, select.EPOLLIN)

    def _read(self, line: Line) -> None:
        assert line.socket is not None, "only open lines are polled"
        try:
            data = line.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as problem:
            self._break(line, str(problem))
            return
        if not data:
            self._break(line, "the node closed the connection")
            return
        if line.held:
            data = line.held + data
            line.held = b""
        if len(data) < line.expected_bytes:
            line.held = data
            return
        try:
            parsed = parse(data)
        except BrokenAnswer as problem:
            self._break(line, str(problem))
            return
        if isinstance(parsed, int):
            line.held, line.expected_bytes = data, parsed
            return
        line.expected_bytes = 0
        if line.busy:
            self._answered(line, *parsed)
        else:
            self._break(line, "an answer that nobody asked for")

    def _break(self, line: Line, why: str) -> None:
        self._drop(line)
        if line.busy:
            line.busy = False
            self.in_flight -= 1
            line.turn += 1
            self._away.append((time.monotonic() + AGAIN_S, line))
            self._lost(line, why)
        else:
            if line in self._idle[line.endpoint]:
                self._idle[line.endpoint].remove(line)
            self._away.append((time.monotonic() + AGAIN_S, line))
