"""A real node whose clock jumps by hours, in both directions, while clients write."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dynamo.client import Client, Value, union
from dynamo.errors import DynamoError
from tests.cluster.rig import ClusterRig

pytestmark = pytest.mark.cluster

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
HOUR_S = 3600
JUMPS_S = (0, HOUR_S, -HOUR_S, 24 * HOUR_S, 0)


@pytest.fixture(autouse=True)
def _faketime() -> None:
    if not LIBRARIES or shutil.which("faketime") is None:
        pytest.skip("needs the Debian package faketime")


class SkewedClock:
    """The wall clock of processes started under it; their monotonic one is the machine's."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump(0)
        self.environment = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, seconds: int) -> None:
        """How far ahead of the machine's clock it is from now on."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n", encoding="ascii")
        draft.replace(self._file)


def test_jumps_lose_nothing_that_was_acknowledged(tmp_path, monkeypatch):
    """Siblings do not depend on clocks. In an lww bucket a write that has seen another one stays the later, or is
    refused because its node's clock is too far ahead. What was acknowledged is what is read, whatever the node whose
    clock was ahead holds that was not acknowledged, and that the others do not take.
    """
    clock = SkewedClock(tmp_path / "clock")
    cluster = ClusterRig(tmp_path, 3)
    skewed, *others = cluster.nodes
    try:
        with monkeypatch.context() as patch:
            for name, value in clock.environment.items():
                patch.setenv(name, value)
            skewed.start()
        assert "LD_PRELOAD" not in os.environ
        for node in others:
            node.start()
        for node in cluster.nodes:
            node.wait_ready()
        cluster.wait_connected()
        with (
            Client([skewed.address], token_aware=False, resolve=union) as through,
            Client([n.address for n in others], token_aware=False, resolve=union) as beside,
        ):
            through.put_bucket("names", mode="lww")
            for turn, jump_s in enumerate(JUMPS_S):
                clock.jump(jump_s)
                for client in (through, beside, through):
                    client.update("sets", "k", lambda old, t=turn: _added(old, t), consistency="quorum")
                    name = b"%d" % turn
                    last = _acknowledged(client, f"name{turn}", name)
                    if last:
                        assert _read(beside, f"name{turn}") == name
            clock.jump(0)
            found = beside.get("sets", "k", consistency="all")
            assert isinstance(found, Value)
            assert found.value == b"[0,1,2,3,4]"
        for node in cluster.nodes:
            assert node.process is not None
            assert node.process.poll() is None, node.log.read_text()[-2000:]
    finally:
        cluster.end()


def _added(old: bytes | None, number: int) -> bytes:
    numbers = sorted({*(int(n) for n in (old or b"[]").strip(b"[]").split(b",") if n), number})
    return b"[" + b",".join(b"%d" % n for n in numbers) + b"]"


def _read(client: Client, key: str) -> bytes | None:
    found = client.get("names", key)
    assert isinstance(found, Value)
    return found.value


def _acknowledged(client: Client, key: str, value: bytes) -> bool:
    """Whether a write to the lww bucket went through: a node whose clock is ahead must not."""
    refusal = ""
    try:
        client.put("names", key, value, timeout_s=2.0)
    except DynamoError as error:
        refusal = error.code
    assert refusal in ("", "clock-drift", "write-timeout", "outcome-unknown")
    return not refusal
