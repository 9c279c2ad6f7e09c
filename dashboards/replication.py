"""Replication and repair: who sees whom, what is kept for whom, and whether replicas come together again."""

from __future__ import annotations

from dashboards.chart import BYTES, COUNT, RATE_UNIT, RATIO, SECONDS, Board, Chart, Kind, Query, Section

_GETS = '(sum(rate(dynamo_requests_total{S,op="get"}[R])) > 0)'

REPLICATION = Board(
    "dynamo-replication",
    "Dynamo / Replication and repair",
    "Who sees whom, what waits for nodes that were away, and how replicas become equal again.",
    (
        Section(
            "Nodes of each other",
            (
                Chart(
                    "Who is connected with whom",
                    "1: connected. One line for each node and peer.",
                    COUNT,
                    (Query("min by (instance, peer) (dynamo_peer_up{S})", "{{instance}} to {{peer}}"),),
                    Kind.STATES,
                    least=None,
                ),
                Chart(
                    "What nodes hold each other to be",
                    "0 alive, 1 suspect, 2 dead.",
                    COUNT,
                    (Query("max by (instance, peer) (dynamo_peer_state{S})", "{{instance}} of {{peer}}"),),
                    Kind.STATES,
                    least=None,
                ),
            ),
        ),
        Section(
            "Hints",
            (
                Chart(
                    "Waiting for delivery",
                    "Writes that other nodes keep for one that could not take them.",
                    COUNT,
                    (Query("sum by (peer) (dynamo_pending_hints{S})", "for {{peer}}"),),
                ),
                Chart(
                    "The oldest of them",
                    "How long the longest-waiting hint has waited, at least.",
                    SECONDS,
                    (Query("max by (peer) (dynamo_pending_hints_oldest_age_seconds{S})", "for {{peer}}"),),
                ),
                Chart(
                    "Their size",
                    "Bytes on the disks of those who keep them.",
                    BYTES,
                    (Query("sum by (peer) (dynamo_pending_hints_bytes{S})", "for {{peer}}"),),
                ),
                Chart(
                    "What becomes of them",
                    "Hints made and ended; `refused` were kept by nobody, for want of room.",
                    RATE_UNIT,
                    (Query("sum by (event) (rate(dynamo_hints_total{S}[R]))", "{{event}}"),),
                ),
            ),
        ),
        Section(
            "Replicas that differ",
            (
                Chart(
                    "Reads whose replicas differed",
                    "Share of GETs that found different versions.",
                    RATIO,
                    (Query(f"sum(rate(dynamo_replica_mismatches_total{{S}}[R])) / {_GETS}", "differed"),),
                    none="no reads",
                ),
                Chart(
                    "Repairs by reads",
                    "Replicas brought up to date for each GET, before its answer or after it.",
                    "none",
                    (
                        Query(
                            f"sum by (trigger) (rate(dynamo_read_repairs_total{{S}}[R])) / on () group_left () {_GETS}",
                            "{{trigger}}",
                        ),
                    ),
                    none="no reads",
                ),
                Chart(
                    "Keys repaired by anti-entropy",
                    "What comparing replicas found to differ, and brought together.",
                    RATE_UNIT,
                    (Query("sum by (result) (rate(dynamo_repair_keys_total{S}[R]))", "{{result}}"),),
                ),
                Chart(
                    "Comparisons of replicas",
                    "Of one partition with one peer, by what came of them.",
                    RATE_UNIT,
                    (Query("sum by (result) (rate(dynamo_repair_exchanges_total{S}[R]))", "{{result}}"),),
                ),
                Chart(
                    "Since everything was compared",
                    "Time since a node had last compared all its partitions with all their replicas.",
                    SECONDS,
                    (
                        Query(
                            "time() - min by (instance) (dynamo_repair_last_sweep_timestamp_seconds{S} > 0)",
                            "{{instance}}",
                        ),
                    ),
                    none="no sweep has ended yet",
                ),
                Chart(
                    "Reads with concurrent values",
                    "Share of reads that found two or more values which do not know of each other.",
                    RATIO,
                    (
                        Query(
                            '1 - sum(rate(dynamo_read_siblings_bucket{S,le="1.0"}[R])) '
                            "/ (sum(rate(dynamo_read_siblings_count{S}[R])) > 0)",
                            "concurrent",
                        ),
                    ),
                    none="no reads",
                ),
            ),
        ),
    ),
)
