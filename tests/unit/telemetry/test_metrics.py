import re
import shutil
import subprocess
from math import isnan

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from dynamo.protocol.commands import Consistency
from dynamo.protocol.effects import PeerFailure
from dynamo.telemetry import metrics as catalogue
from dynamo.telemetry.metrics import Metrics
from dynamo.telemetry.series import PEER_FAILURES
from dynamo.telemetry.staleness_series import LEVELS

OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
PROMTOOL = shutil.which("promtool")
PEERS = [f"node{i}" for i in range(2, 8)]
# Rules of the Prometheus project that a reviewer would have to remember.
UNITS = (
    *("seconds", "bytes", "keys", "total", "info", "up", "size", "siblings", "requests", "hints", "partitions"),
    *("trips", "changes", "versions", "ratio"),
    # What has no unit: one of three words, as a number; a degree.
    *("state", "score", "factor"),
)


def samples(metrics: Metrics, accept: str = "") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels, as the library's own parser reads our page."""
    page, _ = metrics.expose(accept)
    parse = parse_open_metrics if accept else parse_text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(page.decode())
        for sample in family.samples
    }


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(PEERS, "1.2.3")


@pytest.mark.parametrize("accept", ["", OPEN_METRICS])
def test_every_series_reads_0_from_the_start(metrics, accept: str):
    """Ratios of fresh nodes are 0, not absent: all our series exist at 0, except the build's constant 1.

    A prediction of 0 would be one: those are no numbers until there is one.
    """
    ours = {key: value for key, value in samples(metrics, accept).items() if key[0].startswith("dynamo_")}
    assert {key[0] for key, value in ours.items() if value > 0} == {"dynamo_build_info"}
    unknown = {key[0] for key, value in ours.items() if isnan(value)}
    assert unknown == {"dynamo_pbs_fresh_ratio", "dynamo_pbs_staleness_bound_seconds"}
    requests = [key for key in ours if key[0] == "dynamo_requests_total"]
    assert len(requests) == len(catalogue.OPS) * len(catalogue.CONSISTENCIES) * len(catalogue.OUTCOMES)
    assert {dict(labels)["peer"] for name, labels in ours if name == "dynamo_peer_up"} == set(PEERS)


def test_both_formats_say_the_same(metrics):
    """The OpenMetrics page holds the samples of the text page, under the same names."""
    metrics.lww_discarded.value += 7
    metrics.event_loop_lag.observe(0.02)
    ours = [
        {key: str(value) for key, value in samples(metrics, accept).items() if key[0].startswith("dynamo_")}
        for accept in ("", OPEN_METRICS)
    ]
    assert ours[0] == ours[1]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain; version=0.0.4"),
        ("text/html,*/*;q=0.8", "text/plain; version=0.0.4"),
        ("application/json", "text/plain; version=0.0.4"),
        (OPEN_METRICS, "application/openmetrics-text; version=1.0.0"),
    ],
)
def test_the_format_follows_the_accept_header(metrics, accept: str, kind: str):
    """OpenMetrics, with its end mark, only for those who name it."""
    page, content_type = metrics.expose(accept)
    assert content_type.startswith(kind)
    assert page.endswith(b"# EOF\n") == ("openmetrics" in kind)


def test_a_request_counts_once_and_in_its_bucket(metrics):
    """One outcome, one duration, cumulative buckets with inclusive bounds, under the request's own labels."""
    metrics.requests["put", "quorum"].finished("ok", 0.002)
    metrics.requests["put", "quorum"].finished("timeout", 99.0)
    found = samples(metrics)
    at = (("consistency", "quorum"), ("op", "put"))
    assert found["dynamo_requests_total", (*at, ("outcome", "ok"))] == 1
    assert found["dynamo_requests_total", (*at, ("outcome", "timeout"))] == 1
    buckets = {
        float(dict(labels)["le"]): value
        for (name, labels), value in found.items()
        if name == "dynamo_request_duration_seconds_bucket" and set(at) <= set(labels)
    }
    assert (buckets[0.001], buckets[0.002], buckets[5.0], buckets[float("inf")]) == (0, 1, 1, 2)
    assert found["dynamo_request_duration_seconds_count", at] == 2
    assert found["dynamo_request_duration_seconds_sum", at] == pytest.approx(99.002)
    assert sum(v for (n, _), v in found.items() if n == "dynamo_requests_total") == 2


def test_each_attribute_has_a_series_of_its_own(metrics):
    """Counting through any attribute moves exactly one sample: no two attributes share a series, none is lost."""
    cells = [cell for cell in vars(metrics).values() if isinstance(cell, catalogue.Cell)]
    cells += [cell for series in metrics.requests.values() for cell in series.outcomes.values()]
    cells += metrics.shed_requests.values()
    for series in metrics.peers.values():
        cells += [series.up, series.messages_sent, series.messages_received, series.reconnects]
        cells += [series.bytes_sent, series.bytes_received, *series.failures.values()]
    for number, cell in enumerate(cells, start=1000):
        cell.value = number
    values = [v for (name, _), v in samples(metrics).items() if name.startswith("dynamo_") and v >= 1000]
    assert sorted(values) == list(range(1000, 1000 + len(cells)))


def test_names_follow_the_rules(metrics):
    """Our prefix, base units last, _total on counters only, no label value in a name, and help on each."""
    families = [f for f in parse_text(metrics.expose()[0].decode()) if f.name.startswith("dynamo_")]
    assert len(families) > 25
    for family in families:
        assert re.fullmatch(r"dynamo_[a-z]+(_[a-z]+)*", family.name), family.name
        assert family.documentation.endswith(".")
        assert family.type in {"counter", "gauge", "histogram"}
        if family.type != "counter":
            assert family.name.endswith(UNITS), family.name
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")
            assert not set(sample.labels) & {"key", "path", "bucket", "quantile"}


def test_le_is_always_a_float(metrics):
    """Prometheus 3 rewrites le="1" to le="1.0"; rules that match it must see one spelling in both."""
    bounds = re.findall(r'le="([^"]+)"', metrics.expose()[0].decode())
    assert bounds
    assert all(b == "+Inf" or "." in b for b in bounds)


def test_linearizable_keys_are_counted(metrics):
    """All series are there from the start, each with an attribute of its own."""
    paxos = metrics.paxos
    cells = [paxos.backoffs, paxos.takeovers, paxos.queued, paxos.ballots_ahead_s]
    for each in (paxos.rounds, paxos.leads, paxos.changes, paxos.reads, paxos.rejections):
        cells += each.values()
    for number, cell in enumerate(cells, start=1000):
        cell.value = number
    values = [v for (name, _), v in samples(metrics).items() if name.startswith("dynamo_paxos_") and v >= 1000]
    assert sorted(values) == list(range(1000, 1000 + len(cells)))


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not in PATH. On Debian: apt-get install prometheus")
def test_promtool_finds_nothing(metrics):
    """The Prometheus project's own lint, on a page with numbers in it; of our series, not of the library's."""
    metrics.staleness.levels["one"].count("stale", 0.3, 2)
    ours = metrics.expose()[0].split(b"# HELP process_", 1)[0]
    said = subprocess.run([PROMTOOL, "check", "metrics"], input=ours, capture_output=True, timeout=30, check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")


def test_staleness_is_counted(metrics):
    """What is not stale is 0 seconds and 0 versions stale; of the unresolved nothing is known; all series are there."""
    for verdict, age_s, versions in (("fresh", 0, 0), ("inflight", 0, 0), ("unresolved", 0, 0), ("stale", 0.3, 2)):
        metrics.staleness.levels["one"].count(verdict, age_s, versions)
    metrics.staleness.whatif[2]["stale"].value += 5
    metrics.staleness.reply_times[1].observe(0.0)
    found = samples(metrics)
    one = ("consistency", "one")
    checks = {
        dict(labels)["verdict"]: v
        for (n, labels), v in found.items()
        if n.endswith("read_checks_total")
        if one in labels
    }
    assert checks == dict.fromkeys(("fresh", "stale", "inflight", "unresolved"), 1)
    assert found["dynamo_read_staleness_seconds_bucket", (one, ("le", "0.0"))] == 2
    assert found["dynamo_read_staleness_seconds_count", (one,)] == 3
    assert found["dynamo_read_staleness_versions_sum", (one,)] == 2
    assert found["dynamo_whatif_read_checks_total", (("replies", "3"), ("verdict", "stale"))] == 5
    assert found["dynamo_whatif_read_duration_seconds_bucket", (("le", "0.0"), ("replies", "2"))] == 1
    assert ("dynamo_whatif_write_duration_seconds_count", (("acks", "9"),)) in found
    assert sum(name == "dynamo_session_checks_total" for name, _ in found) == 16
    levels = {dict(labels)["consistency"] for name, labels in found if name == "dynamo_read_checks_total"}
    assert levels == set(catalogue.CONSISTENCIES) - {"none"} == set(LEVELS)


def test_a_node_stays_under_2000_lines(metrics):
    """The budget for one scrape of a node with six peers."""
    assert len(metrics.expose()[0].splitlines()) < 2000


def test_gauges_are_refreshed_at_scrape(metrics):
    """A callback fills in what is cheaper to read than to keep."""

    def refresh() -> None:
        metrics.store_keys.value = 42

    metrics.on_scrape(refresh)
    assert samples(metrics)["dynamo_store_keys", ()] == 42


def test_the_process_is_described(metrics):
    """Memory, garbage collection and platform come from the library's collectors."""
    names = {name for name, _ in samples(metrics)}
    assert {"process_resident_memory_bytes", "python_gc_collections_total", "python_info"} <= names


def test_labels_are_spelt_as_in_the_api():
    """What the API calls a consistency, and the transport a failure, is what the label says."""
    assert {c.value for c in Consistency} <= set(catalogue.CONSISTENCIES)
    assert [f.value for f in PeerFailure] == list(PEER_FAILURES)
    assert len(catalogue.REQUEST_BOUNDS_S) == 16
    assert list(catalogue.REQUEST_BOUNDS_S) == sorted(catalogue.REQUEST_BOUNDS_S)
