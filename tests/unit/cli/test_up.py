"""`dynamo up` over stand-ins for the node: the parent's part. With real nodes: tests/cluster."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dynamo.cli.local_cluster import plan
from dynamo.cli.processes import STOP_WITHIN_S
from dynamo.cli.up import host_lines
from tests.unit.cli.running import Up, alive, free_base_port

STAND_IN = Path(__file__).with_name("stand_in_node.py")
# Runs `dynamo up` in a process whose children are stand-ins.
PROGRAM = f"""
import asyncio, sys
from dynamo.cli import processes
from dynamo.cli.main import main
real = asyncio.create_subprocess_exec
def stand_in(python, dash_m, package, *words, **options):
    return real(python, {str(STAND_IN)!r}, *words, **options)
asyncio.create_subprocess_exec = stand_in
sys.exit(main(["up", *sys.argv[1:]]))
"""
# The same, and an hour passes as soon as a node has said that it is not ready.
LATE_PROGRAM = f"""
import asyncio, time
from dynamo.cli import processes
late_s, fetch = [0], processes.fetch
asyncio.BaseEventLoop.time = lambda loop: time.monotonic() + late_s[0]
def answered(*words):
    reply = fetch(*words)
    if reply.status == 503:
        late_s[0] = 3600
    return reply
processes.fetch = answered
{PROGRAM}"""


@pytest.fixture
def base_port() -> int:
    return free_base_port()


@pytest.fixture
def up(tmp_path, base_port) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*words: str, program: str = PROGRAM, **behaviour: str) -> Up:
        for node, how in behaviour.items():
            (tmp_path / node).mkdir(exist_ok=True)
            (tmp_path / node / "behaviour").write_text(how)
        started.append(Up(("-c", program), "--data", tmp_path, "--base-port", base_port, *words))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.terminate()
            each.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_nodes_cleanly(up, number):
    """Each is told, each is waited for, each is reported; exit code 0."""
    running = up()
    running.until("Ctrl-C stops the cluster")
    pids = running.pids()
    assert set(pids) == {"node1", "node2", "node3"}
    running.process.send_signal(number)
    assert running.end() == 0
    assert sorted(running.lines[-3:]) == ["node1 stopped", "node2 stopped", "node3 stopped"]
    assert not any(alive(pid) for pid in pids.values())


def test_three_lines_to_try_are_printed(up, base_port):
    """A write to one node, a read from another, a read of all from the third."""
    running = up()
    running.until("Ctrl-C")
    curls = [line.strip() for line in running.lines if "curl" in line]
    assert len(curls) == 3
    assert [str(base_port + 10 * n) in curl for n, curl in enumerate(curls)] == [True] * 3
    assert curls[0].startswith("curl -X PUT")
    assert "consistency=all" in curls[2]


@pytest.mark.parametrize(
    ("hosts", "lines"),
    [
        (3, ["\nHosts: h1: node1, node4; h2: node2; h3: node3", "Of 3 copies: no key has two copies on one host."]),
        (2, ["\nHosts: h1: node1, node3; h2: node2, node4", "Of 3 copies: keys have up to 2 copies on one host."]),
        (None, []),
    ],
)
def test_who_is_on_which_host_is_said(tmp_path, hosts, lines):
    """And whether a host's end can take two copies of a key; without hosts nothing is said of them."""
    assert host_lines(plan(tmp_path, 4, None, (), {}, hosts)) == lines


def test_ctrl_c_at_the_terminal_reaches_the_parent_only(up):
    """Nodes live in process groups of their own, and are stopped in order by the parent."""
    running = up()
    running.until("Ctrl-C")
    groups = {os.getpgid(pid) for pid in running.pids().values()}
    assert os.getpgid(running.process.pid) not in groups
    assert len(groups) == 3


def test_a_node_that_is_killed_is_reported_and_the_others_go_on(up, tmp_path):
    """With its last lines and how to start it again; that was not the cluster's failure."""
    running = up()
    running.until("Ctrl-C")
    pids = running.pids()
    os.kill(pids["node2"], signal.SIGKILL)
    running.until("node2 ended with signal SIGKILL")
    running.until("| node2 begins")
    assert f"dynamo serve --config {tmp_path}/node2/node.toml" in running.until("2 nodes go on")
    assert alive(pids["node1"])
    assert alive(pids["node3"])
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0


def test_a_node_that_cannot_start_fails_the_start(up):
    """Its exit code and last words are shown, the others are stopped; exit code 3."""
    running = up(node2="dies")
    running.until("node2 ended with exit code 9 before it was ready")
    running.until("| cannot go on")
    assert running.end() == 3
    assert not [line for line in running.lines if "Ctrl-C" in line]
    assert {"node1 stopped", "node3 stopped"} <= set(running.lines)


def test_a_node_that_is_never_ready_fails_the_start(up):
    """After the time that was given, with the node's own reason."""
    running = up("--wait", "30m", "--nodes", "1", program=LATE_PROGRAM, node1="never-ready")
    assert "no quorum" in running.until("node1 not ready after 1800 s")
    assert running.end() == 3


def test_a_stop_while_starting_is_no_failure(up, tmp_path):
    """Whoever asked for it knows."""
    running = up("--wait", "60s", node3="never-ready")
    deadline = time.monotonic() + 60
    log = tmp_path / "node3" / "log"
    while not (log.exists() and b"begins" in log.read_bytes()) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0


def test_a_second_signal_kills_what_does_not_stop(up):
    """At once, and the exit code says that it was not clean."""
    running = up(node1="stubborn")
    running.until("Ctrl-C")
    running.process.send_signal(signal.SIGINT)
    running.until("node2 stopped")
    before = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 1
    assert time.monotonic() - before < STOP_WITHIN_S
    assert "node1 stopped with signal SIGKILL" in running.lines


def test_when_no_node_is_left_the_command_ends(up):
    """There is nothing to watch any more."""
    running = up("--nodes", "1")
    running.until("Ctrl-C")
    os.kill(running.pids()["node1"], signal.SIGTERM)
    running.until("no node is left")
    assert running.end() == 0


def test_a_second_one_on_the_same_data_is_refused(up, tmp_path):
    """The first goes on."""
    running = up()
    running.until("Ctrl-C")
    second = Up(("-c", PROGRAM), "--data", tmp_path)
    assert second.end() == 1
    (line,) = second.lines
    assert line.startswith(f"error: Configuration not usable: another `dynamo up` (process {running.process.pid})")
    assert running.process.poll() is None


def test_used_ports_are_refused_before_anything_is_written(up, base_port, tmp_path):
    """So that the next start may choose others."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", base_port + 10))
        other.listen()
        running = up()
        assert running.end() == 1
    assert f"ports in use: {base_port + 10} (node2, clients)" in running.lines[0]
    assert [p.name for p in tmp_path.iterdir()] == ["up.lock"]


def test_nodes_end_with_a_parent_that_is_killed(up):
    """Nobody is left to hold the ports."""
    running = up()
    running.until("Ctrl-C")
    pids = running.pids().values()
    running.process.kill()
    running.end()
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)


def test_settings_reach_the_nodes(up, tmp_path):
    """As flags of their own, over whatever their file says."""
    running = up("--nodes", "1", "--set", "log.level=debug")
    running.until("Ctrl-C")
    assert "'--set', 'log.level=debug'" in (tmp_path / "node1" / "log").read_text()
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0


def test_the_log_of_the_run_before_is_kept(up, tmp_path):
    """As log.1."""
    for _ in range(2):
        running = up("--nodes", "1")
        running.until("Ctrl-C")
        running.process.send_signal(signal.SIGTERM)
        running.end()
    assert (tmp_path / "node1/log.1").read_text().count("begins") == 1
    assert (tmp_path / "node1/log").read_text().count("begins") == 1


def test_json_output_is_a_stream_of_events(up, base_port):
    """Ready with every address and process, problems, stops."""
    running = up("--json")
    ready = json.loads(running.until("ready"))
    assert [n["client_port"] for n in ready["nodes"]] == [base_port, base_port + 10, base_port + 20]
    os.kill(ready["nodes"][1]["pid"], signal.SIGKILL)
    problem = json.loads(running.until("problem"))
    assert (problem["node"], problem["problem"]) == ("node2", "ended with signal SIGKILL")
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0
    assert {json.loads(line)["node"] for line in running.lines if '"stopped"' in line} == {"node1", "node3"}
