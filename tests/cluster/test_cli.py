"""The command line over real nodes: the first five minutes, every verb, a node killed, data kept."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.rig import until
from tests.unit.cli.running import Up, alive, free_base_port

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(90)]


class Desk:
    """A cluster under `dynamo up`, and a shell beside it."""

    def __init__(self, data: Path, base_port: int) -> None:
        self.data = data
        self.base_port = base_port
        self.ups: list[Up] = []
        self.others: list[subprocess.Popen[bytes]] = []

    @property
    def endpoints(self) -> str:
        return ",".join(f"127.0.0.1:{self.base_port + 10 * n}" for n in range(3))

    def up(self, *words: object) -> Up:
        """Start the cluster and wait until it says that it is ready."""
        running = self.begin(*words)
        running.until("Ctrl-C stops the cluster")
        return running

    def begin(self, *words: object) -> Up:
        started = Up(("-m", "dynamo", "up"), "--data", self.data, "--base-port", self.base_port, *words)
        self.ups.append(started)
        return started

    def run(self, *words: object, stdin: bytes = b"", code: int = 0) -> bytes:
        """The output of a command that ends with `code`."""
        done = self.command(*words, stdin=stdin)
        assert done.returncode == code, f"{words} ended with {done.returncode}: {done.stderr.decode()}"
        assert b"Traceback" not in done.stderr
        return done.stdout

    def json(self, *words: object, code: int = 0) -> dict[str, object]:
        found = json.loads(self.run(*words, "--json", code=code))
        assert isinstance(found, dict)
        return found

    def command(self, *words: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "dynamo", *(str(word) for word in words)],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
            env=os.environ | {"DYNAMO_ENDPOINTS": self.endpoints},
        )

    def start_again(self, running: Up, node: str) -> None:
        """With the very command that `up` printed."""
        line = next(line for line in running.lines if f"To start {node} again: dynamo " in line)
        words = shlex.split(line.partition("again: dynamo ")[2])
        with (self.data / node / "log").open("ab") as log:
            self.others.append(subprocess.Popen([sys.executable, "-m", "dynamo", *words], stdout=log, stderr=log))

    def end(self) -> None:
        for each in self.others:
            each.terminate()
            each.wait(20)
        for up in self.ups:
            if up.process.poll() is None:
                up.process.terminate()
                up.end()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "data", free_base_port())
    yield made
    made.end()


def test_the_lines_that_up_prints_work(desk):
    """A PUT, a GET from another node, a GET of all replicas, typed as printed; the page to look at."""
    running = desk.up()
    lines = [line.strip() for line in running.lines if line.strip().startswith("curl ")]
    outputs = [subprocess.run([*shlex.split(line), "-sS"], capture_output=True, check=True).stdout for line in lines]
    assert outputs == [b"", b"hello", b"hello"]
    assert desk.run("kv", "get", "demo", "greeting") == b"hello"
    (page,) = [line.removeprefix("To look at: ").strip() for line in running.lines if line.startswith("To look at: ")]
    with urllib.request.urlopen(page, timeout=30) as answer:
        assert b"<title>" in answer.read()
    running.process.send_signal(signal.SIGINT)
    assert running.end() == 0
    assert {"node1 stopped", "node2 stopped", "node3 stopped"} <= set(running.lines)


def test_every_verb_does_its_work(desk, tmp_path):
    """Objects, siblings, listings, files, buckets, places, health; each with the exit code that a script relies on."""
    desk.up()
    data = bytes(range(256)) * 100
    desk.run("kv", "put", "b", "raw", "-w", "all", stdin=data)
    assert desk.run("kv", "get", "b", "raw", "--consistency", "all") == data
    desk.run("kv", "get", "b", "none", code=1)

    desk.run("kv", "put", "b", "two", "one")
    assert desk.json("kv", "put", "b", "two", "other")["siblings"] == 2
    assert len(desk.json("kv", "get", "b", "two")["siblings"]) == 2
    assert desk.run("kv", "get", "b", "two", "--siblings", "lww") == b"other"
    desk.run("kv", "get", "b", "two", "--siblings", "fail", code=1)
    desk.run("kv", "put", "b", "two", "both", "--replace")
    assert desk.run("kv", "get", "b", "two") == b"both"

    odd = "base64:AP8vLi4vCg=="
    desk.run("kv", "put", "b", odd, "odd")
    assert desk.run("kv", "get", "b", odd) == b"odd"
    keys = {json.dumps(json.loads(line)) for line in desk.run("kv", "list", "b", "--json").splitlines()}
    assert keys == {'{"key": "raw"}', '{"key": "two"}', '{"key_b64": "AP8vLi4vCg=="}'}

    file = tmp_path / "b.ndjson"
    desk.run("kv", "export", "--bucket", "b", file)
    desk.run("kv", "import", file, "--bucket", "copy")
    assert desk.run("kv", "get", "copy", "raw") == data
    assert desk.run("kv", "get", "copy", odd) == b"odd"

    context = desk.json("kv", "get", "b", "two")["context"]
    desk.run("kv", "put", "b", "two", "later")
    desk.run("kv", "delete", "b", "two", "--context", context)
    assert desk.run("kv", "get", "b", "two") == b"later"
    desk.run("kv", "delete", "b", "two")
    desk.run("kv", "get", "b", "two", code=1)

    assert desk.json("bucket", "create", "carts", "--n", "2", "--mode", "lww", "--w", "all")["w"] == "all"
    desk.run("bucket", "create", "carts", "--n", "3", code=1)
    assert {b["name"] for b in desk.json("bucket", "list")["buckets"]} == {"b", "copy", "carts"}
    roles = [replica["role"] for replica in desk.json("locate", "carts", "k")["replicas"]]
    assert roles == ["primary", "primary", "fallback"]
    desk.run("kv", "put", "carts", "k", "v", "-w", "3", code=2)
    desk.run("bucket", "delete", "carts", "--yes")
    desk.run("bucket", "show", "carts", code=1)

    nodes = desk.json("cluster", "status")["nodes"]
    assert [(n["id"], n["state"]) for n in nodes] == [("node1", "up"), ("node2", "up"), ("node3", "up")]
    desk.run("config", "check", desk.data / "node2" / "node.toml")
    desk.run("kv", "get", "b", "raw", "--consistency", "linearizable", code=2)
    desk.run("kv", "put", "b", "large", stdin=bytes(2**20 + 1), code=1)


def test_linearizable_keys(desk, tmp_path):
    """Compare-and-set, counting, resolve; an export comes back as changes. Exit codes say what became of each."""
    desk.up()
    for bucket in ("lin", "copy"):
        assert desk.json("bucket", "create", bucket, "--mode", "linearizable")["mode"] == "linearizable"
    assert desk.json("cas", "lin", "lock", "--if-absent", "--set", "ada")["version"] == 1
    desk.run("cas", "lin", "lock", "--if-absent", "--set", "bob", code=1)
    assert desk.run("cas", "lin", "count", "--add", "5", "--idempotency-key", "pay-1") == b"5"
    assert desk.json("resolve", "lin", "count", "pay-1")["version"] == 1
    desk.run("resolve", "lin", "count", "pay-2", code=1)
    desk.run("kv", "put", "plain", "count", "5")
    for mistyped in ("lon", "plain"):
        desk.run("resolve", mistyped, "count", "pay-1", code=4)
    file = tmp_path / "lin.ndjson"

    def exported() -> bool:
        desk.run("kv", "export", "--bucket", "lin", file, "--overwrite")
        return len(file.read_text().splitlines()) == 2

    until(exported, 20, lambda: "what was chosen does not reach listings")
    desk.run("kv", "import", file, "--bucket", "copy")
    assert desk.run("kv", "get", "copy", "count") == b"5"


def test_a_killed_node_is_survived_and_comes_back(desk):
    """One dead: all goes on, status ends with 3. Two dead: a quorum is refused with 3, one replica still reads."""
    running = desk.up()
    desk.run("kv", "put", "b", "k", "before", "-w", "all")
    os.kill(running.pids()["node2"], signal.SIGKILL)
    running.until("2 nodes go on")
    desk.run("kv", "put", "b", "k", "after", "--replace")
    assert desk.run("kv", "get", "b", "k") == b"after"
    until(lambda: desk.command("cluster", "status").returncode == 3, 20, lambda: "nobody noticed")
    assert b"node2" in desk.command("cluster", "status").stderr
    refused = desk.command("kv", "put", "b", "k", "x", "-w", "all", "--timeout", "3s")
    assert refused.returncode == 3, refused.stderr.decode()
    assert refused.stderr.startswith(b"error: Too few replicas alive: ")

    os.kill(running.pids()["node3"], signal.SIGKILL)
    running.until("1 node goes on")
    until(
        lambda: desk.command("kv", "get", "b", "k", "--timeout", "500ms").returncode == 3,
        20,
        lambda: "a quorum of one node",
    )
    assert desk.run("kv", "get", "b", "k", "--consistency", "one") == b"after"

    for node in ("node2", "node3"):
        desk.start_again(running, node)
    until(lambda: desk.command("cluster", "status").returncode == 0, 20, lambda: "they did not come back")
    assert desk.run("kv", "get", "b", "k", "--consistency", "all") == b"after"


def test_an_import_survives_the_loss_of_a_node(desk):
    """Killed in the middle: every line is written, once, and the command ends with 0."""
    running = desk.up()
    rows = [b'{"id":"user/%d","n":%d}\n' % (n, n) for n in range(4000)]
    command = [sys.executable, "-m", "dynamo", "kv", "import", "-", "--bucket", "users", "--key", "id"]
    environment = os.environ | {"DYNAMO_ENDPOINTS": desk.endpoints}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as importing:
        assert importing.stdin is not None
        importing.stdin.write(b"".join(rows[:2000]))
        importing.stdin.flush()
        until(
            lambda: desk.command("kv", "get", "users", "user/0").returncode == 0,
            30,
            lambda: "the import does not begin",
        )
        os.kill(running.pids()["node1"], signal.SIGKILL)
        _, said = importing.communicate(b"".join(rows[2000:]), timeout=60)
    assert importing.returncode == 0, said.decode()
    assert b"4000 of 4000 lines imported" in said
    lines = desk.run("kv", "list", "users", "--values", "--json").splitlines()
    found = {(e := json.loads(line))["key"]: [v["value"] for v in e["values"]] for line in lines}
    assert found == {f"user/{n}": [f'{{"id":"user/{n}","n":{n}}}'] for n in range(4000)}


def test_data_is_there_after_a_stop_and_after_a_kill(desk):
    """Stopped cleanly; then the parent is killed, and its nodes stop by themselves."""
    running = desk.up()
    desk.run("kv", "put", "b", "k", "kept", "-w", "all")
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0

    running = desk.up()
    assert desk.run("kv", "get", "b", "k", "--consistency", "all") == b"kept"
    pids = running.pids().values()
    running.process.kill()
    running.end()
    until(lambda: not any(alive(pid) for pid in pids), 20, lambda: "nodes outlive their parent")

    desk.up()
    assert desk.run("kv", "get", "b", "k", "--consistency", "all") == b"kept"


def test_data_of_another_cluster_is_refused_with_the_reason(desk):
    """The node says what is wrong in its log, and `up` shows that and ends with 3."""
    running = desk.up()
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == 0
    file = desk.data / "node2" / "node.toml"
    members = "[[cluster.members]]"
    file.write_text(file.read_text().replace(members, f'[cluster]\nname = "other"\n\n{members}', 1))
    running = desk.begin()
    running.until("node2 ended with exit code 1 before it was ready")
    assert running.end() == 3
    assert any("other" in line and line.startswith("  | ") for line in running.lines)
