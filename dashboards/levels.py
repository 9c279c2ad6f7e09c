"""Consistency levels compared: what each gives and what each costs, on the same traffic."""

from __future__ import annotations

from dashboards.chart import COUNT, RATE_UNIT, RATIO, SECONDS, Board, Chart, Kind, Query, Section, quantile, share
from dashboards.overview import STALE

_STALE_READS = 'sum by (consistency) (increase(dynamo_read_checks_total{S,verdict="stale"}[$__range]))'
_JUDGED = 'sum by (consistency) (increase(dynamo_read_checks_total{S,verdict!="unresolved"}[$__range])) > 0'
_RANGE_SHARE = f"{_STALE_READS} / ({_JUDGED})"
_UPPER = (
    f"(({_RANGE_SHARE}) + 1.9208 / ({_JUDGED}) + 1.96 * sqrt((({_RANGE_SHARE}) * (1 - ({_RANGE_SHARE})) "
    f"+ 0.9604 / ({_JUDGED})) / ({_JUDGED}))) / (1 + 3.8416 / ({_JUDGED}))"
)
P99 = quantile(0.99, 'dynamo_request_duration_seconds{S,op="get"}', "consistency")
_P99_RANGE = P99.replace("[R]", "[$__range]")
_P99_QUORUM = quantile(0.99, 'dynamo_request_duration_seconds{S,op="get",consistency="quorum"}', "")
_STALE_ONLY = (
    "(histogram_quantile(0.99, sum by (consistency, le) "
    '(rate(dynamo_read_staleness_seconds_bucket{S,le!="0.0"}[R])) - on (consistency) group_left () '
    'sum by (consistency) (rate(dynamo_read_staleness_seconds_bucket{S,le="0.0"}[R]))) >= 0)'
)


def _no_staler(bound: str, text: str) -> Query:
    return Query(
        f'sum by (consistency) (rate(dynamo_read_staleness_seconds_bucket{{S,le="{bound}"}}[R])) '
        "/ (sum by (consistency) (rate(dynamo_read_staleness_seconds_count{S}[R])) > 0)",
        f"{{{{consistency}}}}, {text}",
    )


_COMPARED = (
    Query(_RANGE_SHARE, "stale share"),
    Query(_UPPER, "at most (95%)"),
    Query(_JUDGED, "reads judged", COUNT),
)

LEVELS = Board(
    "dynamo-levels",
    "Dynamo / Consistency levels compared",
    "What a level gives and what it costs, on the same keys at the same time. A read is stale only if it missed a "
    "write that was acknowledged before it began.",
    (
        Section(
            "How stale",
            (
                Chart(
                    "Stale share",
                    "Of judged reads. With R+W>N on strict quorums it is exactly zero; anything else is a bug, and an "
                    "alert.",
                    RATIO,
                    (Query(STALE, "{{consistency}}"),),
                    none="no reads judged",
                ),
                Chart(
                    "Stale share over the whole range, and how sure that is",
                    "`at most`: with 95% certainty the true share is below (Wilson's interval). With none seen in n "
                    "reads that is 3.84/n.",
                    RATIO,
                    _COMPARED,
                    Kind.TABLE,
                    none="no reads judged",
                ),
                Chart(
                    "Reads no staler than",
                    "Share of judged reads that missed nothing older than so much. At 0 it is the share of those that "
                    "are not stale at all.",
                    RATIO,
                    (
                        _no_staler("0.0", "not stale"),
                        _no_staler("0.01", "10 ms"),
                        _no_staler("0.1", "100 ms"),
                        _no_staler("1.0", "1 s"),
                    ),
                    least=None,
                    most=1,
                    none="no reads judged",
                ),
                Chart(
                    "Age of what stale reads missed, 99th percentile",
                    "Of the stale reads alone: how long before the read the oldest missed write was acknowledged.",
                    SECONDS,
                    (Query(_STALE_ONLY, "{{consistency}}"),),
                    none="no stale reads",
                ),
                Chart(
                    "Missed more than one write",
                    "Share of judged reads that were two or more acknowledged writes behind.",
                    RATIO,
                    (
                        Query(
                            "1 - sum by (consistency) "
                            '(rate(dynamo_read_staleness_versions_bucket{S,le="1.0"}[R])) '
                            "/ (sum by (consistency) (rate(dynamo_read_staleness_versions_count{S}[R])) > 0)",
                            "{{consistency}}",
                        ),
                    ),
                    none="no reads judged",
                ),
                Chart(
                    "Newer, but not acknowledged",
                    "Share of reads beside which a write was under way, or had failed: no staleness, though replicas "
                    "differ.",
                    RATIO,
                    (
                        Query(
                            share(
                                'dynamo_read_checks_total{S,verdict="inflight"}',
                                'dynamo_read_checks_total{S,verdict!="unresolved"}',
                                "consistency",
                            ),
                            "{{consistency}}",
                        ),
                    ),
                    none="no reads judged",
                ),
            ),
        ),
        Section(
            "At what price",
            (
                Chart(
                    "Read latency",
                    "Median and 99th percentile of GETs.",
                    SECONDS,
                    (
                        Query(
                            quantile(0.5, 'dynamo_request_duration_seconds{S,op="get"}', "consistency"),
                            "{{consistency}}, median",
                        ),
                        Query(P99, "{{consistency}}, 99%"),
                    ),
                ),
                Chart(
                    "99th percentile relative to quorum",
                    "1 is as slow as quorum reads are now.",
                    "none",
                    (Query(f"{P99} / on () group_left () {_P99_QUORUM}", "{{consistency}}"),),
                    Kind.BARS,
                    none="no quorum reads",
                ),
                Chart(
                    "The trade-off",
                    "One point for each level: how slow (99th percentile) by how stale, over the whole range. "
                    "Everybody wants to be in the corner at the lower left.",
                    RATIO,
                    (Query(_P99_RANGE, "99th percentile", SECONDS), Query(_RANGE_SHARE, "stale share")),
                    Kind.POINTS,
                    height=10,
                    least=None,
                    none="no reads judged",
                ),
                Chart(
                    "Success",
                    "Share of GETs that were answered: the stricter the level, the sooner it has to refuse.",
                    RATIO,
                    (
                        Query(
                            share(
                                'dynamo_requests_total{S,op="get",outcome="ok"}',
                                'dynamo_requests_total{S,op="get"}',
                                "consistency",
                            ),
                            "{{consistency}}",
                        ),
                    ),
                    height=10,
                    most=1,
                ),
            ),
        ),
        Section(
            "How much of it is seen",
            (
                Chart(
                    "Coverage",
                    "Judged reads, of all that were answered. A share that rests on few reads is a rough one.",
                    RATIO,
                    (
                        Query(
                            "sum by (consistency) "
                            '(rate(dynamo_read_checks_total{S,verdict!="unresolved"}[R])) '
                            "/ (sum by (consistency) "
                            '(rate(dynamo_requests_total{S,op="get",outcome="ok"}[R])) > 0)',
                            "{{consistency}}",
                        ),
                    ),
                ),
                Chart(
                    "Not resolved",
                    "Reads of which nobody could say whether they were stale: a node did not answer, or its memory "
                    "does not reach back so far.",
                    RATE_UNIT,
                    (
                        Query(
                            'sum by (consistency) (rate(dynamo_read_checks_total{S,verdict="unresolved"}[R]))',
                            "{{consistency}}",
                        ),
                    ),
                ),
                Chart(
                    "Sessions",
                    "Share of checks, of reads that brought a context, in which a guarantee would have been broken.",
                    RATIO,
                    (
                        Query(
                            share(
                                'dynamo_session_checks_total{S,verdict="violated"}',
                                "dynamo_session_checks_total{S}",
                                "consistency, guarantee",
                            ),
                            "{{consistency}}, {{guarantee}}",
                        ),
                    ),
                    none="no reads with a context",
                ),
            ),
        ),
    ),
)
