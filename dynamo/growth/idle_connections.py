"""What a connection costs a node while nothing happens on it: many are opened, each asks once, and then they rest."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import msgspec

from dynamo.workload.connection import parse
from dynamo.workload.memory import anonymous_bytes
from dynamo.workload.operations import get_request
from dynamo.workload.processes import ServerFailed
from dynamo.workload.runner import Endpoint
from dynamo.workload.systems import BUCKET, DynamoCluster

_TIMEOUT_S = 5.0
_READ_BYTES = 65_536
_ASKED = get_request(f"/v1/kv/{BUCKET}/nothing")
_FIRST = 100
"""Connections that are opened before the first look: what a node sets up once is none of the others' cost."""


class IdleConnections(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of one node before and after, its own (anonymous) one."""

    count: int
    before_bytes: int
    after_bytes: int

    @property
    def bytes_each(self) -> float:
        return (self.after_bytes - self.before_bytes) / self.count


def idle_connections(folder: Path, count: int) -> IdleConnections:
    """Open so many connections to one node of its own, all at the same time. Raises ServerFailed."""
    folder.mkdir()
    with DynamoCluster(folder, 1, 1) as cluster:
        return opened(cluster.endpoints[0], cluster.pids[0], count)


def opened(endpoint: Endpoint, pid: int, count: int) -> IdleConnections:
    """The memory of a server that has so many connections more. Raises ServerFailed if one is not taken."""
    with ExitStack() as held:
        for _ in range(_FIRST):
            _rest(endpoint, held)
        before = anonymous_bytes(pid)
        for _ in range(count):
            _rest(endpoint, held)
        return IdleConnections(count=count, before_bytes=before, after_bytes=anonymous_bytes(pid))


def _rest(endpoint: Endpoint, held: ExitStack) -> None:
    """A connection that has been answered once, so that the server is known to have all of it."""
    try:
        line = held.enter_context(socket.create_connection(endpoint, _TIMEOUT_S))
        line.sendall(_ASKED)
        answer = line.recv(_READ_BYTES)
        while answer and isinstance(parse(answer), int):
            answer += line.recv(_READ_BYTES)
    except OSError as problem:
        raise ServerFailed(f"a connection was not taken: {problem}") from problem
    if b" 404 " not in answer.partition(b"\r\n")[0]:
        raise ServerFailed(f"a connection was answered {answer[:100]!r}")
