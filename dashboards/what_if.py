"""What if: the same traffic judged at other levels, and what is predicted from the times of messages."""

from __future__ import annotations

from dashboards.chart import RATIO, SECONDS, Board, Chart, Kind, Query, Section, quantile, share

_QUORUM = "R={{read_replies}} W={{write_acks}}"
# What is not predicted yet is not a number, and not above 0: so it is left out.

WHAT_IF = Board(
    "dynamo-what-if",
    "Dynamo / What if, and predictions",
    "What other levels would have given on this traffic, and how fresh a read would be so long after a write.",
    (
        Section(
            "Had reads and writes waited for so many",
            (
                Chart(
                    "Stale share by replies",
                    "Reads that went to all replicas, judged by their first so many replies.",
                    RATIO,
                    (
                        Query(
                            share(
                                'dynamo_whatif_read_checks_total{S,verdict="stale"}',
                                'dynamo_whatif_read_checks_total{S,verdict!="unresolved"}',
                                "replies",
                            ),
                            "{{replies}} replies",
                        ),
                    ),
                    none="no reads judged",
                ),
                Chart(
                    "Latency by replies, 99th percentile",
                    "When the so-manieth reply was there.",
                    SECONDS,
                    (
                        Query(
                            quantile(0.99, "dynamo_whatif_read_duration_seconds{S}", "replies"),
                            "{{replies}} replies",
                        ),
                    ),
                    none="no reads judged",
                ),
                Chart(
                    "Latency by acknowledgements, 99th percentile",
                    "When the so-manieth acknowledgement of a write was there.",
                    SECONDS,
                    (
                        Query(
                            quantile(0.99, "dynamo_whatif_write_duration_seconds{S}", "acks"),
                            "{{acks}} acknowledgements",
                        ),
                    ),
                    none="no writes measured",
                ),
            ),
        ),
        Section(
            "Predicted from the times of messages",
            (
                Chart(
                    "Fresh 10 ms after a write",
                    "Predicted share of reads through another node that are fresh 10 ms after the acknowledgement; the "
                    "least fresh node. It is not the stale share above: that depends on how soon people read.",
                    RATIO,
                    (
                        Query(
                            'min by (read_replies, write_acks) (dynamo_pbs_fresh_ratio{S,after_seconds="0.01"} >= 0)',
                            _QUORUM,
                        ),
                    ),
                    most=1,
                    none="no prediction yet",
                ),
                Chart(
                    "The curve at R=W=1",
                    "Predicted share of fresh reads by the time since the acknowledgement, in seconds; mean of the "
                    "nodes.",
                    RATIO,
                    (
                        Query(
                            'avg by (after_seconds) (dynamo_pbs_fresh_ratio{S,read_replies="1",write_acks="1"} >= 0)',
                            "{{after_seconds}}",
                        ),
                    ),
                    Kind.COLUMNS,
                    most=1,
                    none="no prediction yet",
                ),
                Chart(
                    "99.9% of reads are fresh after",
                    "Predicted, the slowest node. Few trials decide about it: `dynamo pbs` prints how sure it is.",
                    SECONDS,
                    (
                        Query(
                            "max by (read_replies, write_acks) "
                            '(dynamo_pbs_staleness_bound_seconds{S,probability="0.999"} >= 0)',
                            _QUORUM,
                        ),
                    ),
                    none="no prediction yet",
                ),
                Chart(
                    "Messages, 99th percentile",
                    "What predictions are drawn from: w, a write until it can be read at the replica; a, its "
                    "acknowledgement; r, a read until the replica looks; s, its reply.",
                    SECONDS,
                    (Query(quantile(0.99, "dynamo_wars_seconds{S}", "leg"), "{{leg}}"),),
                    none="no prediction yet",
                ),
                Chart(
                    "Age of the prediction",
                    "A node without writes does not predict anew.",
                    SECONDS,
                    (
                        Query(
                            "time() - max by (instance) (dynamo_pbs_last_run_timestamp_seconds{S} > 0)",
                            "{{instance}}",
                        ),
                    ),
                    none="no prediction yet",
                ),
            ),
        ),
    ),
)
