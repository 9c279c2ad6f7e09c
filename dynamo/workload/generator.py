"""Open loops as processes of their own: what one is told, what it says, and several that make one load together.

A process of its own can be given a core of its own, and its processor time is measured apart from everybody else's.
`python -m dynamo.workload.generator` reads an Order from standard input and writes a Tally to standard output. Several
share the rates, the connections and the keys; they start when all of them are connected.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Sequence
from itertools import cycle

import msgspec

from dynamo.workload.arrivals import Phase, duration_s, shared
from dynamo.workload.keys import KeySpace
from dynamo.workload.mixed_operations import Mixed
from dynamo.workload.open_loop import GRACE_S, OpenLoop
from dynamo.workload.operations import Get, Operation, Put
from dynamo.workload.processes import ServerFailed, pinned
from dynamo.workload.runner import Endpoint
from dynamo.workload.tally import Tally, merged

READY = b"ready\n"
GO = b"go\n"
_END_S = 10.0
"""How much longer than planned a generator may take before it is given up."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, by whom, of whom."""

    verb: str
    """`get`, `put` or `mixed`."""
    quorum: int
    """R or W."""
    bucket: str
    registers: str = ""
    """The linearizable bucket of a mixed load."""
    endpoints: list[Endpoint]
    connections: int
    timeout_ms: int
    """Of each request, from its intended start; the node is told the same number."""
    keys: int
    value_bytes: int
    seed: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One generator's share of a load."""

    load: Load
    phases: list[Phase]
    part: int
    parts: int


def generate(load: Load, phases: Sequence[Phase], cores: Sequence[int | None]) -> Tally:
    """Run a load with one generator on each of the cores (None: not pinned). Raises ServerFailed if one fails."""
    parts = len(cores)
    running: list[subprocess.Popen[bytes]] = []
    try:
        for part, core in enumerate(cores):
            running.append(_started(core))
            order = Order(load=load, phases=shared(phases, parts), part=part, parts=parts)
            _tell(running[-1], msgspec.json.encode(order) + b"\n")
        for each in running:
            assert each.stdout is not None
            if each.stdout.readline() != READY:
                raise ServerFailed(f"a load generator did not start; it ended with {each.wait(_END_S)}")
        for each in running:
            _tell(each, GO)
        limit_s = duration_s(phases) + load.timeout_ms / 1000 + GRACE_S + _END_S
        return merged([_said(each, limit_s) for each in running], phases)
    finally:
        for each in running:
            each.kill()
            each.communicate()


def operation(load: Load) -> Operation:
    """The requests of a load."""
    keys = KeySpace(load.seed, load.keys, load.value_bytes)
    if load.verb == "get":
        return Get(keys, load.bucket, load.quorum, load.timeout_ms)
    if load.verb == "mixed":
        return Mixed(keys, load.bucket, load.registers, load.seed, load.timeout_ms)
    return Put(keys, load.bucket, load.quorum, timeout_ms=load.timeout_ms)


def main() -> None:
    """One generator."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    load = order.load
    made = operation(load)
    positions = cycle(made.keys.shares(order.parts)[order.part])
    loop = OpenLoop(made, positions, load.endpoints, max(1, load.connections // order.parts))
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    if sys.stdin.buffer.readline() == GO:
        sys.stdout.buffer.write(msgspec.json.encode(loop.run(order.phases, load.timeout_ms / 1000)))
        sys.stdout.buffer.flush()


def _started(core: int | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dynamo.workload.generator"]
    with pinned(core):
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - this very file


def _tell(generator: subprocess.Popen[bytes], line: bytes) -> None:
    assert generator.stdin is not None
    try:
        generator.stdin.write(line)
        generator.stdin.flush()
    except BrokenPipeError:
        raise ServerFailed(f"a load generator ended with {generator.wait(_END_S)}") from None


def _said(generator: subprocess.Popen[bytes], limit_s: float) -> Tally:
    try:
        said, _ = generator.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise ServerFailed(f"a load generator still runs after {limit_s:.0f} s") from None
    if generator.returncode != 0:
        raise ServerFailed(f"a load generator ended with code {generator.returncode}")
    return msgspec.json.decode(said, type=Tally)


if __name__ == "__main__":
    main()
