"""Overview: is it up, does it answer, how fast, how fresh."""

from __future__ import annotations

from dashboards.chart import COUNT, RATE_UNIT, RATIO, SECONDS, Board, Chart, Kind, Query, Section, quantile, share

STALE = share(
    'dynamo_read_checks_total{S,verdict="stale"}', 'dynamo_read_checks_total{S,verdict!="unresolved"}', "consistency"
)
BUDGET = 0.001
"""Share of requests that may fail in thirty days, as in prometheus/recording.yml."""

_BUDGET_LEFT = (
    'min(1 - (sum by (cluster) (increase(dynamo_requests_total{S,outcome=~"timeout|unavailable|error"}[30d])) '
    f"/ (sum by (cluster) (increase(dynamo_requests_total{{S}}[30d])) > 0)) / {BUDGET})"
)

OVERVIEW = Board(
    "dynamo-overview",
    "Dynamo / Overview",
    "Whether the cluster answers, how fast, and how fresh. Start here.",
    (
        Section(
            "Now",
            (
                Chart(
                    "Nodes up",
                    "Nodes that Prometheus reaches, of those that it knows.",
                    COUNT,
                    (
                        Query('sum(up{S,job="dynamo"})', "up"),
                        Query('count(up{S,job="dynamo"})', "known"),
                    ),
                    Kind.NOW,
                    width=6,
                    height=5,
                ),
                Chart(
                    "Operations a second",
                    "All client requests of all nodes, listings and refusals included.",
                    RATE_UNIT,
                    (Query("sum(rate(dynamo_requests_total{S}[R]))", "operations"),),
                    Kind.NOW,
                    width=6,
                    height=5,
                ),
                Chart(
                    "Stale reads",
                    "Share of judged reads that missed a write which was acknowledged before they began.",
                    RATIO,
                    (
                        Query(
                            'sum(rate(dynamo_read_checks_total{S,verdict="stale"}[R])) '
                            '/ (sum(rate(dynamo_read_checks_total{S,verdict!="unresolved"}[R])) > 0)',
                            "stale",
                        ),
                    ),
                    Kind.NOW,
                    width=6,
                    height=5,
                    none="no reads judged",
                ),
                Chart(
                    "Error budget left",
                    "Of the 0.1% of requests that may fail in thirty days; below 0 it is overspent. Refusals of what a "
                    "client asked wrongly do not count.",
                    RATIO,
                    (Query(_BUDGET_LEFT, "left"),),
                    Kind.NOW,
                    width=6,
                    height=5,
                    least=None,
                    most=1,
                    none="no requests",
                ),
            ),
        ),
        Section(
            "Requests",
            (
                Chart(
                    "Operations",
                    "Client requests by operation.",
                    RATE_UNIT,
                    (Query("sum by (op) (rate(dynamo_requests_total{S}[R]))", "{{op}}"),),
                ),
                Chart(
                    "Success by level",
                    "Share of requests that were answered as asked; a missing key is an answer. Levels that nobody "
                    "asks for are left out.",
                    RATIO,
                    (
                        Query(
                            share('dynamo_requests_total{S,outcome="ok"}', "dynamo_requests_total{S}", "consistency"),
                            "{{consistency}}",
                        ),
                    ),
                    most=1,
                ),
                Chart(
                    "Failures",
                    "Requests that were not answered as asked: `rejected` is the client's doing, `unavailable` and "
                    "`timeout` the cluster's, `error` a bug or damage.",
                    RATE_UNIT,
                    (
                        Query(
                            'sum by (outcome) (rate(dynamo_requests_total{S,outcome!="ok"}[R]))',
                            "{{outcome}}",
                        ),
                    ),
                ),
                Chart(
                    "Refused before work began",
                    "What overload protection turned away, by reason: nothing was done for these.",
                    RATE_UNIT,
                    (Query("sum by (reason) (rate(dynamo_shed_requests_total{S}[R]))", "{{reason}}"),),
                ),
                Chart(
                    "Latency, 99th percentile",
                    "From a request's headers to the answer, by operation.",
                    SECONDS,
                    (Query(quantile(0.99, "dynamo_request_duration_seconds{S}", "op"), "{{op}}"),),
                ),
                Chart(
                    "Stale share by level",
                    "Of judged reads, by the level that they asked for. The board of levels says more.",
                    RATIO,
                    (Query(STALE, "{{consistency}}"),),
                    none="no reads judged",
                ),
                Chart(
                    "Latency of GETs",
                    "How many took how long.",
                    SECONDS,
                    (
                        Query(
                            'sum by (le) (increase(dynamo_request_duration_seconds_bucket{S,op="get"}[R]))',
                            "{{le}}",
                        ),
                    ),
                    Kind.HEAT,
                    width=24,
                    least=None,
                ),
            ),
        ),
    ),
)
