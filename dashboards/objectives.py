"""SLO: how fast the error budgets are spent, from recorded rules (prometheus/recording.yml)."""

from __future__ import annotations

from dashboards.chart import RATIO, SECONDS, Board, Chart, Query, Section
from dashboards.overview import BUDGET

SLOW_BUDGET = 0.01
_FAILED = "cluster_op_consistency:dynamo_requests_failed:ratio_rate"
_SLOW = "cluster_consistency:dynamo_reads_slow:ratio_rate"
_WINDOWS = ("5m", "1h", "6h")

OBJECTIVES = Board(
    "dynamo-slo",
    "Dynamo / SLO",
    "How fast the error budgets are spent: 1 spends a month's budget in a month, 14.4 spends 2% of it in an hour.",
    (
        Section(
            "Availability: 99.9% of requests are answered",
            (
                *(
                    Chart(
                        f"Burn rate over {window}",
                        "Share of requests that failed through the cluster's fault, of the share that may.",
                        "none",
                        (
                            Query(
                                f"max by (op, consistency) ({_FAILED}{window}{{S}}) / {BUDGET}",
                                "{{consistency}}, {{op}}",
                            ),
                        ),
                        width=8,
                        none="no requests",
                    )
                    for window in _WINDOWS
                ),
            ),
        ),
        Section(
            "Latency: 99% of reads within 50 ms",
            (
                *(
                    Chart(
                        f"Burn rate over {window}",
                        "Share of GETs above 50 ms, of the share that may be.",
                        "none",
                        (Query(f"max by (consistency) ({_SLOW}{window}{{S}}) / {SLOW_BUDGET}", "{{consistency}}"),),
                        width=8,
                        none="no reads",
                    )
                    for window in _WINDOWS
                ),
                Chart(
                    "99th percentile, recorded",
                    "Of all operations, by level.",
                    SECONDS,
                    (
                        Query(
                            "max by (op, consistency) "
                            "(cluster_op_consistency:dynamo_request_duration_seconds:p99_5m{S})",
                            "{{consistency}}, {{op}}",
                        ),
                    ),
                    none="no requests",
                ),
            ),
        ),
        Section(
            "Freshness",
            (
                Chart(
                    "Stale share over an hour",
                    "Of judged reads. The target at `one` is 1%; strict quorums have none to spend.",
                    RATIO,
                    (
                        Query(
                            "max by (consistency) (cluster_consistency:dynamo_reads_stale:ratio_rate1h{S})",
                            "{{consistency}}",
                        ),
                    ),
                    none="no reads judged",
                ),
            ),
        ),
    ),
)
