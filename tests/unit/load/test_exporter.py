import http.client

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from dynamo.load.exporter import Exporter, count, series_of
from dynamo.report.counts import Checks, Counts, Promise, Requests
from dynamo.workload.hlog import counts_of
from tests.unit.load.stage import plan

MS = 1_000_000


def some() -> Counts:
    durations = counts_of({4 * MS: 3, 80 * MS: 1})
    return Counts(
        requests={"get one": Requests([3, 0, 1, 0, 0, 0], durations, durations)},
        checks={"one any": Checks([7, 2, 1, 0], counts_of({30 * MS: 2}), {1: 2}), "one one": Checks([7, 2, 1, 0])},
        promises={"one monotonic_reads": Promise(5, 1)},
        send_delay=counts_of({MS: 4}),
        arrived=5,
        dropped=1,
    )


def samples(text: str) -> dict[tuple, float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for each in plain(text) for sample in each.samples
    }


def test_every_series_is_there_from_the_start():
    """With 0, whatever may happen in the run, and nothing else."""
    before = samples(series_of(plan()).render(open_metrics=False))
    assert set(before.values()) == {0.0}
    series = series_of(plan())
    count(series, some())
    assert samples(series.render(open_metrics=False)).keys() == before.keys()


def test_what_was_counted_is_shown():
    """Requests by outcome, durations in their buckets, verdicts; a fresh read observes a staleness of 0."""
    series = series_of(plan())
    count(series, some())
    count(series, some())
    found = samples(series.render(open_metrics=False))
    one = ("consistency", "one")
    assert found["dynamo_load_requests_total", one, ("op", "get"), ("outcome", "ok")] == 6
    assert found["dynamo_load_requests_total", one, ("op", "get"), ("outcome", "timeout")] == 2
    assert found["dynamo_load_response_duration_seconds_bucket", one, ("le", "0.005"), ("op", "get")] == 6
    assert found["dynamo_load_response_duration_seconds_count", one, ("op", "get")] == 8
    assert found["dynamo_load_read_checks_total", one, ("verdict", "stale")] == 4
    assert found["dynamo_load_read_staleness_seconds_bucket", one, ("le", "0.0")] == 16
    assert found["dynamo_load_read_staleness_seconds_bucket", one, ("le", "0.05")] == 20
    assert found["dynamo_load_session_violations_total", one, ("guarantee", "monotonic_reads")] == 2
    assert found["dynamo_load_dropped_total",] == 2
    assert found["dynamo_load_send_delay_seconds_count",] == 8


def test_it_is_served():
    """In the format that is asked for; other paths are not there."""
    with Exporter(series_of(plan()), "127.0.0.1", 0) as exporter:
        for path, accept, status in (
            ("/metrics", "", 200),
            ("/metrics?x", "application/openmetrics-text", 200),
            ("/", "", 404),
        ):
            connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=5)
            connection.request("GET", path, headers={"Accept": accept})
            answer = connection.getresponse()
            page = answer.read().decode()
            connection.close()
            assert answer.status == status
            if accept:
                assert list(open_metrics(page))
            elif status == 200:
                assert "dynamo_load_target_rate 0" in page
