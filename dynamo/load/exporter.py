"""The generator's own metrics over HTTP, for a Prometheus that watches a run beside the cluster.

Workers tell a second at a time; each is added to the series when it has come. The page is rendered by the parent,
whose time nobody measures.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from dynamo.load.plan import Plan
from dynamo.load.stream import WRITES
from dynamo.report.counts import ANY, Buckets, Counts
from dynamo.telemetry.exposition import OPEN_METRICS_TYPE, TEXT_TYPE, Histogram, wants_open_metrics
from dynamo.telemetry.load_series import LoadSeries
from dynamo.workload.histogram import upper_edge
from dynamo.workload.mixes import shares


def series_of(plan: Plan) -> LoadSeries:
    """Every series that a run of this plan can have."""
    reads = [each.level for each in plan.reads]
    writes = [each.level for each in plan.writes]
    kinds = [(kind, level) for kind in shares(plan.mix.operations) for level in (writes if kind in WRITES else reads)]
    return LoadSeries(kinds, reads)


def count(series: LoadSeries, counts: Counts) -> None:
    """Add what was counted."""
    for words, each in counts.requests.items():
        kind, _, level = words.partition(" ")
        for cell, number in zip(series.requests[kind, level], each.outcomes, strict=True):
            cell.value += number
        _observe(series.response[kind, level], each.response)
        _observe(series.service[kind, level], each.service)
    _observe(series.send_delay, counts.send_delay)
    for words, checks in counts.checks.items():
        level, _, write = words.partition(" ")
        if write == ANY:
            for cell, number in zip(series.checks[level], checks.verdicts, strict=True):
                cell.value += number
            _observe(series.staleness[level], checks.seconds)
            series.staleness[level].buckets[0] += checks.judged - checks.stale
    for words, promise in counts.promises.items():
        level, _, guarantee = words.partition(" ")
        series.violations[level, guarantee].value += promise.broken
    series.dropped.value += counts.dropped


def _observe(histogram: Histogram, buckets: Buckets) -> None:
    for bucket, number in buckets.items():
        seconds = upper_edge(bucket) / 1e9
        histogram.buckets[bisect_left(histogram.bounds, seconds)] += number
        histogram.sum += seconds * number


class Exporter:
    """Serves a page of series while the `with` block runs. Whoever adds to them holds `lock`."""

    def __init__(self, series: LoadSeries, host: str, port: int) -> None:
        """Listens; port 0 is any. Raises OSError if it cannot."""
        self.series = series
        self.lock = threading.Lock()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.partition("?")[0] != "/metrics":
                    self.send_error(404)
                    return
                open_metrics = wants_open_metrics(self.headers.get("Accept", ""))
                page = exporter.page(open_metrics=open_metrics).encode()
                self.send_response(200)
                self.send_header("Content-Type", OPEN_METRICS_TYPE if open_metrics else TEXT_TYPE)
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *arguments: object) -> None:
                """A scrape is no news."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="exporter", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def page(self, *, open_metrics: bool) -> str:
        with self.lock:
            return self.series.render(open_metrics=open_metrics) + ("# EOF\n" if open_metrics else "")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
