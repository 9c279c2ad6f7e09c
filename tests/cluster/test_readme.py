"""What the README shows is run as it stands, against real nodes; only addresses and files are put in their place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.rig import ClusterRig, running_cluster

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN_ADDRESSES = ("127.0.0.1:7610", "127.0.0.1:7620", "127.0.0.1:7630")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterRig]:
    with running_cluster(tmp_path_factory.mktemp("readme")) as running:
        yield running


def test_the_curl_lines_do_what_is_said(cluster: ClusterRig) -> None:
    """PUT, GET, a blind PUT that makes a sibling, and a PUT with the context of both that leaves one value."""
    put, get, blind, merge, *_ = (_placed(line, cluster) for line in _commands("curl"))
    assert "204 No Content" in _shell(put)
    assert "hello, world" in _shell(get)
    _shell(blind)
    both = _shell(get)
    assert "300 Multiple Choices" in both
    context = re.search(r"Dynamo-Context: (\S+)", both)
    assert context is not None
    _shell(merge, CONTEXT=context[1])
    assert _shell(get).endswith("merged")


def test_one_of_two_writers_gets_the_lock(cluster: ClusterRig) -> None:
    """A linearizable bucket, a compare-and-set that is applied, and one that is told why it is not."""
    make, first, second = (_placed(line, cluster) for line in _commands("curl")[4:])
    assert '"mode":"linearizable"' in _shell(make)
    applied = _shell(first)
    assert '{"applied":"yes","version":1,' in applied
    assert '"exists":true' in applied
    refused = _shell(second)
    assert '"status":412' in refused
    assert '"code":"precondition-failed","applied":"no"' in refused
    assert '"version":1,"exists":true,"value":"ada"' in refused


def test_the_shell_commands_run(cluster: ClusterRig, tmp_path: Path) -> None:
    """The cities, their import, a list and the status, with file and endpoints put in their place."""
    commands = _commands(".venv/bin/")
    assert len(commands) == 4
    for command in commands:
        placed = command.replace("cities.ndjson", str(tmp_path / "cities.ndjson"))
        placed = re.sub(r"^\.venv/bin/python", sys.executable, placed)
        placed = re.sub(r"^\.venv/bin/dynamo", f"{sys.executable} -m dynamo", placed)
        if placed.endswith("cluster status"):
            placed += f" --ops 127.0.0.1:{cluster.nodes[0].ops_port}"
        _shell(placed, DYNAMO_ENDPOINTS=",".join(cluster.endpoints))
        if placed.startswith(f"{sys.executable} -c"):
            _shorten(tmp_path / "cities.ndjson", 2000)


def test_the_python_lines_run(cluster: ClusterRig) -> None:
    """The client's example leaves what it says."""
    source = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert source is not None
    check = '\n    assert client.get("carts", b"user42/cart").value == b"2 books"'
    check += '\n    assert client.get("accounts", b"ada").value == b"10"\n'
    subprocess.run([sys.executable, "-c", _placed(source[1].rstrip(), cluster) + check], check=True, timeout=60)


def _commands(first_word: str) -> list[str]:
    """The shell lines of the README that begin with a word."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in lines if line.startswith(first_word)]


def _placed(text: str, cluster: ClusterRig) -> str:
    for shown, real in zip(SHOWN_ADDRESSES, cluster.endpoints, strict=True):
        text = text.replace(shown, real)
    return text


def _shorten(file: Path, lines: int) -> None:
    """All of it goes in in `test_real_input.py`."""
    whole = file.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(whole) > 20_000
    file.write_text("".join(whole[:lines]), encoding="utf-8")


def _shell(command: str, **environment: str) -> str:
    finished = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout
