import asyncio
import shutil
from pathlib import Path

import pytest

from dynamo.workload import peers as module
from dynamo.workload.event_loop import new_event_loop
from dynamo.workload.operations import Fixed
from dynamo.workload.peers import PASSES, PEERS, PeerSettings, applied_share, at_hand, estimate_s, only_applied, peers
from dynamo.workload.report import Section
from dynamo.workload.systems import BareServer
from tests.unit.workload.samples import sample

SETTINGS = PeerSettings(
    seconds=0.05,
    rounds=2,
    connections=2,
    keys=8,
    value_bytes=8,
    warm_up_s=0.01,
    rate=100,
    grow_s=0.2,
    peers=("dynamo", "slow", "absent"),
    workloads=("put", "cas-one-key"),
)


class Half(Fixed):
    """Every second answer says that it changed something."""

    answers = 0
    made = 0

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        self.answers += 1
        self.made = self.answers // 2
        return ""


class Bare:
    """A bare server as a peer."""

    def __init__(self, name: str, growth: float = 0.0, missing: str = "") -> None:
        self.name, self.growth, self._missing = name, growth, missing

    def missing(self) -> str:
        return self._missing

    def system(self, folder: Path) -> BareServer:
        (folder / self.name).mkdir()
        server = BareServer(folder / self.name, b"hi", None)
        server.name = self.name
        return server

    def operations(self, system, keys, fill, seed) -> dict:
        put = Fixed(keys, "/", b"hi")
        fill(put)
        return {"put": put, "cas-one-key": Half(keys, "/", b"hi")}

    def notes(self) -> list[str]:
        return [f"{self.name}: bare"]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """The comparison, with peers of the test's own; what it said as well."""
    made = {
        "dynamo": lambda: Bare("dynamo"),
        "slow": lambda: Bare("slow", growth=0.5),
        "absent": lambda: Bare("absent", missing="absent: skipped: buy it"),
    }
    monkeypatch.setattr(module, "PEERS", made)

    def run(settings: PeerSettings) -> tuple[list[Section], list[str]]:
        said: list[str] = []
        with asyncio.Runner(loop_factory=new_event_loop) as loop:
            return peers(tmp_path, settings, loop, said.append), said

    return run


@pytest.mark.cluster
def test_peers_take_turns_and_what_is_missing_is_said(run):
    """Who begins changes from round to round; the fixed rate follows; what is applied is counted apart."""
    sections, said = run(SETTINGS)
    shape, put, paced, one_key, goals = sections
    assert said[0] == shape.skipped == "absent: skipped: buy it"
    assert said[1].startswith("about ")
    turns = [line.split("  ")[1:] for line in said if line.startswith("round")]
    assert [line[0].split(":")[0] for line in turns] == [*["dynamo", "slow"] * 3, *["slow", "dynamo"] * 3]
    assert "dynamo: bare" in shape.notes
    assert "slow: bare" in shape.notes
    for section, rows in ((put, 2), (paced, 2), (one_key, 4)):
        assert [len(row.samples) for row in section.rows] == [2] * rows
        assert [row.faults for row in section.rows] == [0] * rows
    assert (put.paced, paced.paced) == (False, True)
    assert paced.title == "Put: 100 requests/s"
    answered, applied = one_key.rows[0], one_key.rows[2]
    assert applied.operation == f"{answered.operation}: applied"
    assert applied.median("rate") == pytest.approx(answered.median("rate") / 2, rel=0.1)
    assert one_key.ratios[0].name == "changes applied/s, dynamo / slow"
    assert goals.ratios == []
    # A store that grows quicker is under load before that, the others are not; each pass is told.
    (table,) = shape.tables
    assert [line[0] for line in table.lines] == ["slow: GET", "slow: GET"]
    assert {len(line) for line in [table.headings, *table.lines]} == {1 + PASSES}
    assert sum(line.startswith("warming up") for line in said) == 2 * PASSES


def test_nothing_is_started_for_a_store_that_is_missing():
    """And it is told at once, before anything takes its time."""
    said: list[str] = []
    here, absent = Bare("here"), Bare("absent", missing="absent: skipped")
    assert at_hand([here, absent], said.append) == ([here], ["absent: skipped"])
    assert said == ["absent: skipped"]


def test_a_run_as_it_comes_takes_a_quarter_of_an_hour():
    """All stores, all workloads: hardly more than that, and the estimate grows with what is asked for."""
    found = [made() for made in PEERS.values()]
    whole = estimate_s(PeerSettings(), found)
    assert 10 * 60 < whole < 16 * 60
    assert estimate_s(PeerSettings(rounds=6), found) > whole + 200
    assert estimate_s(PeerSettings(rate=0), found) < whole - 100
    assert estimate_s(PeerSettings(workloads=("front",)), found) < 60
    quick = [peer for peer in found if not peer.growth]
    assert estimate_s(PeerSettings(), quick) < whole - PeerSettings().grow_s


def test_of_answers_only_those_that_changed_something_are_applied():
    """Rate and work are those of a change then; latencies stay those of all answers."""
    assert applied_share((10, 4), (30, 9)) == 0.25
    assert applied_share((10, 4), (10, 4)) == 0.0
    found = only_applied(sample(rate=100.0, server_cpu_us=10.0, p50_ms=7.0, faults=3), 0.25)
    assert (found.rate, found.server_cpu_us, found.p50_ms, found.faults) == (25.0, 40.0, 7.0, 0)
    assert only_applied(sample(rate=100.0), 0.0).server_cpu_us == 0.0


@pytest.mark.night
@pytest.mark.cluster
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("mvn") is None, reason="needs mvn, and a repository that it can reach")
def test_real_stores_answer_every_workload_rightly(tmp_path):
    """All peers that are at hand, for a short time: no answer is wrong, and no process is left."""
    settings = PeerSettings(seconds=0.5, rounds=1, keys=1000, grow_s=60.0)
    said: list[str] = []
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        sections = peers(tmp_path, settings, loop, said.append)
    rows = [row for section in sections for row in section.rows]
    assert {"dynamo", "cassandra", "zookeeper"} <= {row.system for row in rows}
    assert [row.samples[0].first_fault for row in rows if row.faults] == []
    assert all(row.median("rate") > 0 for row in rows)
