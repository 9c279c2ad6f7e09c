import json
import os

import pytest

from dynamo.cli.bench_run import code_of, nodes_known
from dynamo.load.memory_store import Store
from dynamo.report.counts import Counts
from dynamo.report.result import Held, from_json
from dynamo.workload.processes import free_ports
from tests.unit.load.stage import listening
from tests.unit.report.results import result

QUICK = "--duration 400ms --warm-up 0s --rate 200 --records 20 --connections 4 --mix a --read-levels one,quorum".split()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Nothing is written elsewhere."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_and_all_its_files(cli, here):
    """Result, report, rows, histogram log, history; thresholds that are kept."""
    with listening(Store()) as port:
        files = "--save r.json --html r.html --csv r.csv --hlog r.hlog --history h.jsonl --prometheus 0".split()
        told = cli("bench", "--endpoints", f"127.0.0.1:{port}", *QUICK, *files, "--fail-if", "p99{op=get} > 30s")
    assert told.code == 0, told.err
    assert "get at one" in told.text
    assert "kept    fails if p99{op=get} > 30s" in told.text
    kept = from_json((here / "r.json").read_bytes())
    assert kept.valid
    assert kept.totals.done == kept.totals.arrived
    assert "What freshness costs" in (here / "r.html").read_text()
    assert (here / "r.csv").read_text().startswith("from_s,seconds,op,")
    assert "Tag=get.one.response," in (here / "r.hlog").read_text()
    checked = cli("check", "h.jsonl", "--model", "register")
    assert (checked.code, "20 keys" in checked.text) == (0, True)


def test_a_threshold_that_is_crossed(cli, here):
    """Ends with 1; the result is kept all the same, as JSON on request."""
    with listening(Store(stale_every=2)) as port:
        told = cli("bench", "run", "--endpoints", f"127.0.0.1:{port}", *QUICK, "--fail-if", "stale > 1%", "--json")
    assert told.code == 1
    document = json.loads(told.text)
    assert document["thresholds"][0]["failed"]
    assert document["valid"]
    assert document["totals"]["checks"]["one any"]["verdicts"][1] > 0
    assert len(list((here / "bench-results").glob("load-*.json"))) == 1


def test_a_store_that_damages_values(cli, here):
    """Ends with 1, and says what was read."""
    with listening(Store(damage_at=50)) as port:
        told = cli("bench", "--endpoints", f"127.0.0.1:{port}", *QUICK)
    assert told.code == 1
    assert "NOT TO BE BELIEVED: corrupt: key" in told.err


def test_no_cluster(cli, here):
    """Ends with 3, and leaves nothing behind."""
    (port,) = free_ports(1)
    told = cli("bench", "--endpoints", f"127.0.0.1:{port}", *QUICK)
    assert (told.code, "No cluster" in told.err) == (3, True)
    assert list(here.iterdir()) == []


def test_a_bucket_of_another_mode(cli, here):
    """Is the option's fault, and not the cluster's, which is there."""
    with listening(Store()) as port:
        told = cli("bench", "run", "--endpoints", f"127.0.0.1:{port}", "--mix", "cas", *QUICK[:10])
    assert (told.code, "--bucket: bucket load is of mode lww" in told.err) == (2, True)


@pytest.mark.parametrize(("endpoints", "count"), [("a:1,b:1,c:1", 3), ("a:1", 1)])
def test_nodes_without_a_known_process_are_nodes_too(endpoints, count):
    """The columns of the chart of availability are as many as there are nodes."""
    assert len(nodes_known(endpoints, None, {"node1": os.getpid()}).names) == count


@pytest.mark.parametrize(
    "words",
    [
        ("--kill", "node1@1s"),
        ("--kill", "node1"),
        ("--pid", "x"),
        ("--fail-if", "fast"),
        ("--mix", "cas", "--mode", "lww"),
        ("--prometheus", "here"),
        ("--rate", "0"),
        ("--pid", "node1=99999999"),
        ("--workers", "0"),
    ],
)
def test_wrong_options_are_usage(cli, here, words):
    """Before anything is asked of anybody."""
    assert cli("bench", "run", *QUICK, *words).code == 2


def test_what_a_result_means():
    """The most serious first: damage, an interrupt, a run not to be believed, a threshold."""
    crossed = [Held("x", 1.0, True)]
    assert code_of(result()) == 0
    assert code_of(result(thresholds=crossed)) == 1
    assert code_of(result(totals=Counts(), thresholds=crossed)) == 4
    assert code_of(result(interrupted=True)) == 130
    assert code_of(result(corrupt="key 3", interrupted=True)) == 1
