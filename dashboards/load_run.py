"""Load run: what the load generator sees, who knows the truth, beside what the nodes say of themselves."""

from __future__ import annotations

from dashboards.chart import COUNT, RATE_UNIT, RATIO, SECONDS, Board, Chart, Kind, Query, Section, quantile, share
from dashboards.overview import STALE

_TRUE = share(
    'dynamo_load_read_checks_total{S,verdict="stale"}',
    'dynamo_load_read_checks_total{S,verdict!="unknown"}',
    "consistency",
)

LOAD_RUN = Board(
    "dynamo-load",
    "Dynamo / Load run",
    "What the load generator measures from outside, while it runs. Its own delays are shown, too: one that is late "
    "measures itself.",
    (
        Section(
            "Is the run sound",
            (
                Chart(
                    "Achieved, of what was asked for",
                    "Operations that ended a second, of those that the schedule has due; below 1 the cluster, or the "
                    "generator, does not keep up.",
                    RATIO,
                    (
                        Query(
                            "sum(rate(dynamo_load_requests_total{S}[R])) / (sum(dynamo_load_target_rate{S}) > 0)",
                            "achieved",
                        ),
                    ),
                    none="no open-loop run",
                ),
                Chart(
                    "Sent late, 99th percentile",
                    "From when an operation was due to when it was sent: the generator's own doing.",
                    SECONDS,
                    (Query(quantile(0.99, "dynamo_load_send_delay_seconds{S}", ""), "delay"),),
                    none="no run",
                ),
                Chart(
                    "Under way",
                    "Operations that were sent and not answered yet.",
                    COUNT,
                    (Query("sum(dynamo_load_inflight_requests{S})", "under way"),),
                    none="no run",
                ),
                Chart(
                    "Dropped",
                    "Operations that were due and never sent. Above 0.1% a run says nothing about latency.",
                    RATE_UNIT,
                    (Query("sum(rate(dynamo_load_dropped_total{S}[R]))", "dropped"),),
                    none="no run",
                ),
            ),
        ),
        Section(
            "What clients see",
            (
                Chart(
                    "Response and service time, 99th percentile",
                    "Response counts from when the operation was due, service from when it was sent. The gap is the "
                    "queue that closed loops hide.",
                    SECONDS,
                    (
                        Query(
                            quantile(0.99, "dynamo_load_response_duration_seconds{S}", "consistency"),
                            "{{consistency}}, response",
                        ),
                        Query(
                            quantile(0.99, "dynamo_load_service_duration_seconds{S}", "consistency"),
                            "{{consistency}}, service",
                        ),
                    ),
                    log=True,
                    least=None,
                    none="no run",
                ),
                Chart(
                    "Outcomes",
                    "Operations by what came of them.",
                    RATE_UNIT,
                    (
                        Query(
                            "sum by (consistency, outcome) (rate(dynamo_load_requests_total{S}[R]))",
                            "{{consistency}}, {{outcome}}",
                        ),
                    ),
                    none="no run",
                ),
            ),
        ),
        Section(
            "The truth about staleness",
            (
                Chart(
                    "Stale share, true",
                    "All that happens to a key happens in one process, which knows what was acknowledged before a read "
                    "began.",
                    RATIO,
                    (Query(_TRUE, "{{consistency}}"),),
                    none="no checked reads",
                ),
                Chart(
                    "What nodes say, less the truth",
                    "Near 0 where the nodes judge right: both are samples of the same traffic.",
                    RATIO,
                    (Query(f"{STALE} - on (consistency) {_TRUE}", "{{consistency}}"),),
                    least=None,
                    none="no checked reads",
                ),
                Chart(
                    "Age of what stale reads missed, 99th percentile",
                    "Fresh reads count as 0.",
                    SECONDS,
                    (
                        Query(
                            quantile(0.99, "dynamo_load_read_staleness_seconds{S}", "consistency"),
                            "{{consistency}}",
                        ),
                    ),
                    none="no checked reads",
                ),
                Chart(
                    "Broken promises to sessions",
                    "In the range shown, by what was promised.",
                    COUNT,
                    (
                        Query(
                            "sum by (consistency, guarantee) "
                            "(increase(dynamo_load_session_violations_total{S}[$__range]))",
                            "{{consistency}}, {{guarantee}}",
                        ),
                    ),
                    Kind.BARS,
                    none="no run",
                ),
            ),
        ),
    ),
)
