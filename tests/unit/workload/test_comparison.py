import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dynamo.workload.comparison import Contender, Settings, closed_loop, fill, interleaved
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.keys import KeySpace
from dynamo.workload.operations import Fixed
from dynamo.workload.processes import ServerFailed
from dynamo.workload.systems import BareServer
from dynamo.workload.wire import HTTP

SETTINGS = Settings(seconds=0.15, rounds=2, connections=2, keys=4, value_bytes=8, warm_up_s=0.02)
KEYS = KeySpace(1, 4, 8)
pytestmark = pytest.mark.cluster


@contextmanager
def started(folder: Path) -> Iterator[tuple[BareServer, asyncio.Runner]]:
    with BareServer(folder, b"hi", None) as server, asyncio.Runner(loop_factory=new_event_loop) as loop:
        yield server, loop


def test_contenders_take_turns(tmp_path):
    """A B, A B: each row has a sample a round, and progress tells of each as it is made."""
    said: list[str] = []
    with started(tmp_path) as (server, loop):
        right, wrong = Fixed(KEYS, "/", b"hi"), Fixed(KEYS, "/", b"ho")
        rows = interleaved([Contender(server, right), Contender(server, wrong)], SETTINGS, loop, said.append)
    assert [(row.system, row.operation, len(row.samples)) for row in rows] == [("bare aiohttp", "GET", 2)] * 2
    assert [line.split()[1] for line in said] == ["1/2", "1/2", "2/2", "2/2"]
    assert ["FAULTS" in line for line in said] == [False, True, False, True]
    assert rows[0].faults == 0
    assert rows[0].median("rate") > 0
    assert rows[0].median("server_cpu_us") > 0
    assert rows[1].faults > 0


def test_a_server_that_takes_no_greeting_ends_the_run(tmp_path):
    """It is there, and does not serve: a failed server as well."""

    def greet(connection: socket.socket) -> None:
        raise OSError("the node closed the connection")

    with started(tmp_path) as (server, loop):
        server.wire = HTTP._replace(greet=greet)
        with pytest.raises(ServerFailed, match="ended during GET: the node closed the connection"):
            loop.run(closed_loop(Contender(server, Fixed(KEYS, "/", b"hi")), SETTINGS))


def test_a_server_that_dies_ends_the_run(tmp_path):
    """As a failed server, not as one that used no processor time."""
    with started(tmp_path) as (server, loop):
        os.kill(server.pids[0], signal.SIGKILL)
        server.children[0].wait(10)
        with pytest.raises(ServerFailed, match="bare aiohttp ended during GET"):
            interleaved([Contender(server, Fixed(KEYS, "/", b"hi"))], SETTINGS, loop, print)


def test_a_store_that_cannot_be_filled_ends_the_run(tmp_path):
    """Reads of keys that are not there would measure something else."""
    with started(tmp_path) as (server, loop):
        fill(Fixed(KEYS, "/", b"hi"), server.endpoints, SETTINGS, loop)
        with pytest.raises(ServerFailed, match="4 of 4 keys not written: status 200: hi"):
            fill(Fixed(KEYS, "/", b"ho"), server.endpoints, SETTINGS, loop)


def test_nothing_is_imported_that_a_node_imports():
    """The client's process stays small: its own code does not disturb what it measures."""
    names = "[m for m in sys.modules if m.startswith(('dynamo.node', 'lmdb'))]"
    code = f"import sys, dynamo.workload.comparison; print({names})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout == "[]\n"
