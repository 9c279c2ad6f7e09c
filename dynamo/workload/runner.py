"""Closed loops: each connection sends its next request when the one before is answered.

So the rate is what the system gives, and latency is service time at that load, not what a user would see who arrives
when the user wants (an open loop measures that). All connections warm up, then the recorder opens for the asked time.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import Iterator, Sequence

import msgspec

from dynamo.workload.connection import Connection
from dynamo.workload.cpu import Meter, Reading
from dynamo.workload.operations import Operation
from dynamo.workload.recorder import Recorder
from dynamo.workload.wire import HTTP, Wire

Endpoint = tuple[str, int]
"""Host and port."""
ANSWER_TIMEOUT_S = 10.0
_REFUSED = 503


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long, and over how many connections."""

    connections: int
    seconds: float
    warm_up_s: float
    refusals: bool = False
    """Whether a 503 is a refusal, counted apart, and no fault: of more connections than a system takes at once."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement. Latencies are service times in milliseconds, processor times microseconds per request."""

    requests: int
    seconds: float
    rate: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_cpu_us: float
    """Over all processes of the system."""
    client_cpu_us: float
    others_cores: float
    """Cores that were busy with neither; the noise of the machine."""
    faults: int
    first_fault: str
    refused: int = 0


class _Loop:
    """One connection's closed loop over its positions. `done` is set when it will send no more."""

    __slots__ = (
        "_connection",
        "_operation",
        "_position",
        "_positions",
        "_recorder",
        "_refusals",
        "_sent_ns",
        "_wire",
        "done",
        "stopping",
    )

    def __init__(
        self,
        operation: Operation,
        positions: Iterator[int],
        recorder: Recorder,
        wire: Wire,
        *,
        refusals: bool = False,
    ) -> None:
        self._operation = operation
        self._positions = positions
        self._recorder = recorder
        self._refusals = refusals
        self._wire = wire
        self._connection = Connection(self._answered, self._lost, wire.parse)
        self._position = 0
        self._sent_ns = 0
        self.stopping = False
        self.done = asyncio.Event()

    async def connect(self, endpoint: Endpoint) -> None:
        made = self._wire.connect(endpoint)
        await asyncio.get_running_loop().create_connection(lambda: self._connection, sock=made)

    def send(self) -> None:
        position = next(self._positions, -1)
        if position < 0:
            self.done.set()
            return
        self._position = position
        request = self._operation.request(position)
        self._sent_ns = time.perf_counter_ns()
        self._connection.send(request)

    def close(self) -> None:
        self._connection.close(self._wire.farewell)

    def _answered(self, status: int, head: bytes, body: bytes) -> None:
        latency_ns = time.perf_counter_ns() - self._sent_ns
        if status == _REFUSED and self._refusals:
            self._recorder.refusal()
        elif fault := self._operation.fault(self._position, status, head, body):
            self._recorder.fault(fault)
        else:
            self._recorder.answer(latency_ns)
        if self.stopping:
            self.done.set()
        else:
            self.send()

    def _lost(self, why: str) -> None:
        self._recorder.fault(why)
        self.done.set()


async def measure(
    operation: Operation, endpoints: Sequence[Endpoint], pace: Pace, meter: Meter, wire: Wire = HTTP
) -> Sample:
    """Run an operation for a time, connections spread over the endpoints. Faults are counted, not raised."""
    recorder = Recorder()
    shares = operation.keys.shares(pace.connections)
    loops = [_Loop(operation, itertools.cycle(share), recorder, wire, refusals=pace.refusals) for share in shares]
    gc.collect()
    gc.disable()
    try:
        await _connect(loops, endpoints)
        await _all_done(loops, pace.warm_up_s)
        before = meter.read()
        recorder.open(time.perf_counter_ns())
        await _all_done(loops, pace.seconds)
        recorder.close(time.perf_counter_ns())
        used = meter.read().since(before)
        await _stop(loops, recorder)
    finally:
        gc.enable()
        for loop in loops:
            loop.close()
    return _sample(recorder, used)


async def once(operation: Operation, endpoints: Sequence[Endpoint], connections: int, wire: Wire = HTTP) -> Recorder:
    """Send the request of every key exactly once, for example to fill a store. Faults are counted, not raised."""
    recorder = Recorder()
    recorder.open(time.perf_counter_ns())
    loops = [_Loop(operation, iter(share), recorder, wire) for share in operation.keys.shares(connections)]
    try:
        await _connect(loops, endpoints)
        answered = -1
        while not await _all_done(loops, ANSWER_TIMEOUT_S):
            if recorder.histogram.count == answered:
                recorder.fault(f"no answer within {ANSWER_TIMEOUT_S:g} s")
                break
            answered = recorder.histogram.count
    finally:
        for loop in loops:
            loop.close()
    recorder.close(time.perf_counter_ns())
    return recorder


async def _connect(loops: Sequence[_Loop], endpoints: Sequence[Endpoint]) -> None:
    for loop, endpoint in zip(loops, itertools.cycle(endpoints), strict=False):
        await loop.connect(endpoint)
    for loop in loops:
        loop.send()


async def _all_done(loops: Sequence[_Loop], within_s: float) -> bool:
    """Whether every loop has ended; waits for it no longer than the given time."""
    try:
        async with asyncio.timeout(within_s):
            for loop in loops:
                await loop.done.wait()
    except TimeoutError:
        return False
    return True


async def _stop(loops: Sequence[_Loop], recorder: Recorder) -> None:
    for loop in loops:
        loop.stopping = True
    if not await _all_done(loops, ANSWER_TIMEOUT_S):
        recorder.fault(f"no answer within {ANSWER_TIMEOUT_S:g} s")


def _sample(recorder: Recorder, used: Reading) -> Sample:
    histogram = recorder.histogram
    requests = max(1, histogram.count)
    return Sample(
        requests=histogram.count,
        seconds=recorder.seconds,
        rate=recorder.rate,
        p50_ms=histogram.percentile(50) / 1e6,
        p99_ms=histogram.percentile(99) / 1e6,
        max_ms=histogram.largest / 1e6,
        server_cpu_us=used.servers_s * 1e6 / requests,
        client_cpu_us=used.client_s * 1e6 / requests,
        others_cores=used.others_s / recorder.seconds if recorder.seconds else 0.0,
        faults=recorder.faults,
        first_fault=recorder.first_fault,
        refused=recorder.refused,
    )
