"""An open loop over many connections: requests go out at their intended starts, whatever became of the others.

The generator shares the machine with what it measures, so it is as small as Python allows: plain sockets and one epoll,
no event loop, no task, no object per request. Each connection carries one request at a time. A request that is due
while none is free is counted as unsent at once: a queue in the client would hide what the server does behind what the
queue does, and connections should be many enough that none is needed. Nothing is lost from the count, and the run ends
by its time whatever the servers do. Arrivals are sent in steps of about a millisecond, the grain of epoll's timeout;
that millisecond counts as response time.
"""

from __future__ import annotations

import contextlib
import gc
import select
import time
from collections import deque
from collections.abc import Iterator, Sequence

from dynamo.workload.arrivals import Phase, intended_starts
from dynamo.workload.connection import BrokenAnswer
from dynamo.workload.histogram import Histogram
from dynamo.workload.operations import Operation
from dynamo.workload.runner import Endpoint
from dynamo.workload.tally import BIN_S, PhaseTally, Tally, empty
from dynamo.workload.wire import HTTP, Wire

GRACE_S = 0.5
"""How long the run goes on after the last timeout, for answers that are under way."""
_READ_BYTES = 2**18
_SHED = 503


class _Line:
    """One connection, and the request that it carries."""

    __slots__ = (
        "busy",
        "due_s",
        "endpoint",
        "expected_bytes",
        "group",
        "held",
        "phase",
        "position",
        "socket",
        "unsent",
    )

    def __init__(self, endpoint: Endpoint, group: int, wire: Wire) -> None:
        self.endpoint = endpoint
        self.group = group
        """Which keys it may ask for; see `KeySpace.group`."""
        self.socket = wire.connect(endpoint)
        self.busy = False
        self.position = 0
        self.phase = 0
        self.due_s = 0.0
        self.held = b""
        """The beginning of an answer."""
        self.expected_bytes = 0
        self.unsent = b""
        """The end of a request that the socket did not take."""


class OpenLoop:
    """One run; `run` may be called once."""

    def __init__(
        self,
        operation: Operation,
        positions: Iterator[int],
        endpoints: Sequence[Endpoint],
        connections: int,
        wire: Wire = HTTP,
        *,
        fine: bool = False,
    ) -> None:
        """Connects; raises OSError if an endpoint cannot be reached. `fine`: arrivals are not gathered to milliseconds,
        which costs the generator a call of the system more each time it waits.
        """
        self._operation = operation
        self._wire = wire
        self._fine = fine
        self._positions = positions
        self._lines: list[_Line] = []
        self._poll = select.epoll()
        groups = operation.keys.groups
        try:
            for number in range(connections):
                self._lines.append(_Line(endpoints[number % len(endpoints)], number % groups, wire))
        except OSError:
            self._close()
            raise
        self._by_fd = {line.socket.fileno(): line for line in self._lines}
        self._idle = [deque(line for line in self._lines if line.group == group) for group in range(groups)]
        for fd in self._by_fd:
            self._poll.register(fd, select.EPOLLIN)
        self._timeout_s = 0.0
        self._tally = empty(())
        self._good: list[Histogram] = []
        self._shed: list[Histogram] = []
        self._began = 0.0

    def run(self, phases: Sequence[Phase], timeout_s: float) -> Tally:
        """Make the arrivals of all phases; return when the last one has ended one way or the other."""
        self._timeout_s = timeout_s
        self._tally = empty(phases)
        self._good = [Histogram() for _ in phases]
        self._shed = [Histogram() for _ in phases]
        gc.collect()
        gc.disable()
        try:
            self._arrive(phases)
            self._linger()
        finally:
            gc.enable()
            self._close()
        for tally, good, shed in zip(self._tally.phases, self._good, self._shed, strict=True):
            tally.good_ns, tally.shed_ns = good.counts(), shed.counts()
        return self._tally

    # Sending.

    def _arrive(self, phases: Sequence[Phase]) -> None:
        self._began = began = time.perf_counter()
        cpu_s, current = time.process_time(), 0
        for phase, due_s in intended_starts(phases):
            if phase != current:
                used_s = time.process_time()
                self._tally.phases[current].client_s = used_s - cpu_s
                cpu_s, current = used_s, phase
            now_s = time.perf_counter() - began
            while now_s < due_s:
                self._take(due_s - now_s)
                now_s = time.perf_counter() - began
            self._tally.bins[int(due_s / BIN_S)].offered += 1
            position = next(self._positions)
            idle = self._idle[self._operation.keys.group(position)]
            if not idle:
                self._take(0.0)
            # The generator itself may be too slow: that must not make the run longer.
            if idle and now_s - due_s < self._timeout_s:
                self._send(idle.popleft(), position, phase, due_s)
            else:
                self._tally.phases[phase].unsent += 1
        self._tally.phases[current].client_s = time.process_time() - cpu_s

    def _send(self, line: _Line, position: int, phase: int, due_s: float) -> None:
        line.busy = True
        line.phase = phase
        line.due_s = due_s
        line.position = position
        request = self._operation.request(position)
        try:
            sent = line.socket.send(request)
        except BlockingIOError:
            sent = 0
        except OSError as problem:
            self._lost(line, str(problem))
            return
        if sent < len(request):
            line.unsent = request[sent:]
            self._poll.modify(line.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _send_rest(self, line: _Line) -> None:
        try:
            line.unsent = line.unsent[line.socket.send(line.unsent) :]
        except BlockingIOError:
            return
        except OSError as problem:
            self._lost(line, str(problem))
            return
        if not line.unsent:
            self._poll.modify(line.socket.fileno(), select.EPOLLIN)

    # Taking answers.

    def _take(self, wait_s: float) -> None:
        if self._fine and wait_s:
            # epoll counts in milliseconds; select does not, and takes the epoll itself as something to wait for.
            select.select([self._poll], [], [], wait_s)
            wait_s = 0.0
        for fd, events in self._poll.poll(wait_s):
            line = self._by_fd.get(fd)
            if line is None:
                continue
            if events & select.EPOLLOUT:
                self._send_rest(line)
            if events & ~select.EPOLLOUT:
                self._read(line)

    def _read(self, line: _Line) -> None:
        try:
            data = line.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError as problem:
            self._lost(line, str(problem))
            return
        if not data:
            self._lost(line, "the server closed the connection")
            return
        if line.held:
            data = line.held + data
            line.held = b""
        if len(data) < line.expected_bytes:
            line.held = data
            return
        try:
            parsed = self._wire.parse(data)
        except BrokenAnswer as problem:
            self._lost(line, str(problem))
            return
        if isinstance(parsed, int):
            line.held, line.expected_bytes = data, parsed
        else:
            line.expected_bytes = 0
            self._answered(line, *parsed)

    def _answered(self, line: _Line, status: int, head: bytes, body: bytes) -> None:
        if not line.busy:
            self._lost(line, f"an answer that nobody asked for, status {status}")
            return
        now_s = time.perf_counter() - self._began
        took_s = now_s - line.due_s
        phase = line.phase
        tally = self._tally.phases[phase]
        fault = "" if status == _SHED else self._operation.fault(line.position, status, head, body)
        if took_s > self._timeout_s:
            tally.late += 1
        elif status == _SHED:
            tally.shed += 1
            self._shed[phase].record(int(took_s * 1e9))
        elif fault:
            _failed(tally, fault)
        else:
            tally.good += 1
            self._good[phase].record(int(took_s * 1e9))
            self._tally.bins[int(line.due_s / BIN_S)].good += 1
        line.busy = False
        if b"\r\nConnection: close" in head:
            self._renew(line)
        else:
            self._idle[line.group].append(line)

    def _lost(self, line: _Line, why: str) -> None:
        if line.busy:
            _failed(self._tally.phases[line.phase], why)
            line.busy = False
        elif line in self._idle[line.group]:
            self._idle[line.group].remove(line)
        self._renew(line)

    def _renew(self, line: _Line) -> None:
        """Another connection in the place of one that ended; none where the server cannot be reached any more."""
        self._forget(line)
        line.held, line.unsent, line.expected_bytes = b"", b"", 0
        try:
            line.socket = self._wire.connect(line.endpoint)
        except OSError:
            return
        self._by_fd[line.socket.fileno()] = line
        self._poll.register(line.socket.fileno(), select.EPOLLIN)
        self._idle[line.group].append(line)

    def _forget(self, line: _Line) -> None:
        del self._by_fd[line.socket.fileno()]
        self._poll.unregister(line.socket.fileno())
        line.socket.close()

    # The end.

    def _linger(self) -> None:
        """Take what is still under way; what is not there in time is late."""
        until_s = time.perf_counter() + self._timeout_s + GRACE_S
        while sum(map(len, self._idle)) < len(self._by_fd) and (left_s := until_s - time.perf_counter()) > 0:
            self._take(min(left_s, 0.05))
        for line in self._lines:
            if line.busy:
                self._tally.phases[line.phase].late += 1

    def _close(self) -> None:
        self._poll.close()
        for line in self._lines:
            # Nothing may stand between two halves of a request; whoever has gone needs no farewell.
            if self._wire.farewell and not line.unsent:
                with contextlib.suppress(OSError):
                    line.socket.send(self._wire.farewell)
            line.socket.close()


def _failed(tally: PhaseTally, why: str) -> None:
    tally.failed += 1
    tally.first_failure = tally.first_failure or why
