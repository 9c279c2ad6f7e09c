"""The load generator from the command line, against three real nodes: files, exit codes, truth, the report."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dynamo.report.result import Result, from_json
from tests.browser.chromium import PROGRAM, opened

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

SHORT = "--cluster 3 --duration 4s --warm-up 500ms --rate 120 --records 100 --workers 2 --connections 24".split()


def bench(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "dynamo", *words], capture_output=True, text=True, check=False, timeout=100, cwd=folder
    )
    assert done.returncode == code, (words, done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def stormy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which a node is killed and comes back; the folder of its files."""
    folder = tmp_path_factory.mktemp("stormy")
    words = "bench --mix a --read-levels one,quorum,all --write-levels one,quorum --probe-rate 60 --probe-delays 0,20"
    faults = "--kill node2@1500ms --start node2@3s"
    files = "--save r.json --html r.html --csv r.csv --hlog r.hlog"
    limits = ["--fail-if", "stale{consistency=quorum,write=quorum} > 0", "--fail-if", "success{op=put} < 90%"]
    bench(folder, *words.split(), *SHORT, *faults.split(), *files.split(), *limits)
    return folder


def result_of(folder: Path) -> Result:
    return from_json((folder / "r.json").read_bytes())


def test_a_node_is_killed_and_comes_back(stormy: Path) -> None:
    """Quorums go on and miss nothing; all fails meanwhile; the chart of the heal has its figures."""
    result = result_of(stormy)
    assert result.valid, result.problems
    assert [(each.kind, each.node) for each in result.moments] == [("kill", "node2"), ("start", "node2")]
    assert not any(each.failed for each in result.thresholds)
    requests = result.totals.requests
    assert requests["get all"].outcomes[3] > 0
    assert requests["get one"].good > 0.9 * requests["get one"].count
    assert result.totals.checks["quorum quorum"].stale == 0
    assert result.totals.checks["quorum quorum"].judged > 50
    assert len(result.totals.probes) == 12
    assert result.agreements
    assert max(hints for _, hints in result.hints) > 0
    assert sum(result.agreements[-1].fixed.values()) > 0
    assert len((stormy / "r.csv").read_text().splitlines()) > 10
    assert "Tag=get.quorum.response," in (stormy / "r.hlog").read_text()


@pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine")
async def test_the_report_opens_in_a_browser(stormy: Path, tmp_path: Path) -> None:
    """Six charts, each with a picture; their tables open; nothing is asked of anybody, and nothing fails."""
    async with opened(stormy / "r.html", tmp_path / "browser") as page:
        assert await page.evaluate("document.querySelectorAll('section > .scroll > svg').length") == 6
        assert await page.evaluate("[...document.querySelectorAll('svg')].every((each) => each.getBBox().width > 300)")
        await page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert await page.evaluate("document.querySelectorAll('#latency tbody tr').length") == 10
        assert await page.evaluate("performance.getEntriesByType('resource').length") == 0
        wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        assert await page.evaluate(wide)
        assert page.complaints == []


def test_linearizable_keys_with_their_history(tmp_path: Path) -> None:
    """Compare-and-sets, additions and reads of two processes: the checker finds one order for each key."""
    words = "bench run --mix cas --probe-rate 5 --history h.jsonl --json".split()
    document = json.loads(bench(tmp_path, *words, *SHORT, "--duration", "2s").stdout)
    assert document["valid"]
    assert document["plan"]["mode"] == "linearizable"
    assert document["totals"]["requests"]["cas linearizable"]["outcomes"][0] > 0
    assert document["totals"]["checks"]["linearizable any"]["verdicts"][1] == 0
    checked = json.loads(bench(tmp_path, "check", "h.jsonl", "--model", "kv", "--json").stdout)
    assert checked["result"] == "legal"
    assert checked["operations"] > 200


def test_two_runs_compare(stormy: Path, tmp_path: Path) -> None:
    """A run beside itself differs in nothing; the charts of a kept result are drawn again."""
    file = str(stormy / "r.json")
    told = bench(tmp_path, "bench", "compare", file, file, "--fail-if-worse")
    assert "no difference shown" in told.stdout
    bench(tmp_path, "bench", "report", file, "again.html")
    assert (tmp_path / "again.html").read_text() == (stormy / "r.html").read_text()
