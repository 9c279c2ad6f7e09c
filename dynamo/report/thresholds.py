"""Conditions under which a run fails, for CI: `p99{op=get,consistency=quorum} > 50ms`.

What may be named: `p50` and any other percentile of the response time, `mean`, `max`, the same of the service time
with `service_` before it, and of the send delay with `send_delay_`; `rate` (operations a second), `success` (share
that the store answered as asked), `stale` (share of judged reads; `write=` names the level of the writes),
`violations` (share of checked reads that broke a session guarantee; `guarantee=`), `dropped` (share of arrivals).
Labels are left out at will: what is left is taken together. A threshold that finds nothing to measure has failed,
since it holds nobody to anything.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dynamo.report.counts import ANY, Buckets, add_buckets
from dynamo.report.quantiles import largest_ns, mean_ns, percentile_ns
from dynamo.report.result import Held, Result
from dynamo.report.svg import LEVEL_COLOURS
from dynamo.workload.mixes import OPERATIONS

_SHAPE = re.compile(
    r"\s*(?P<name>[a-z_]*?(?:p\d+(?:\.\d+)?|[a-z]+))\s*(?:\{(?P<labels>[^}]*)\})?\s*(?P<sign>>=|<=|>|<)\s*"
    r"(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)\s*(?P<unit>us|ms|s|%|/s)?\s*"
)
_TIMES = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_SIGNS = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}
_LABELS = {
    "times": ("op", "consistency"),
    "send_delay": (),
    "rate": ("op", "consistency"),
    "success": ("op", "consistency"),
    "stale": ("consistency", "write"),
    "violations": ("consistency", "guarantee"),
    "dropped": (),
}
_WORDS = {
    "op": OPERATIONS,
    "consistency": tuple(LEVEL_COLOURS),
    "write": (*LEVEL_COLOURS, ANY),
    "guarantee": ("monotonic_reads", "read_your_writes"),
}
"""What labels may be. Levels may be numbers of replicas, too."""
_STATISTIC = re.compile(r"(?P<of>service_|send_delay_)?(?P<what>mean|max|p(?P<percent>\d+(?:\.\d+)?))")


class Threshold(msgspec.Struct, frozen=True):
    """One condition; `limit` is in seconds, or a share, or operations a second."""

    text: str
    name: str
    labels: dict[str, str]
    sign: str
    limit: float


def threshold(text: str) -> Threshold:
    """What a text asks for. Raises ValueError."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no condition; write for example p99{{op=get,consistency=quorum}} > 50ms")
    name, unit, number = match["name"], match["unit"], float(match["number"])
    labels = _labels(match["labels"] or "", _allowed(name), text)
    is_time = _STATISTIC.fullmatch(name) is not None
    if is_time != (unit in _TIMES):
        wanted = "a time, like 50ms" if is_time else "a share, like 1%, or a plain number"
        raise ValueError(f"{text!r}: {name} is {wanted}")
    scale = _TIMES.get(unit or "", 0.01 if unit == "%" else 1.0)
    return Threshold(text.strip(), name, labels, match["sign"], number * scale)


def _allowed(name: str) -> tuple[str, ...]:
    statistic = _STATISTIC.fullmatch(name)
    if statistic is not None:
        return _LABELS["send_delay" if statistic["of"] == "send_delay_" else "times"]
    if name not in _LABELS or name in ("times", "send_delay"):
        raise ValueError(f"{name!r} is nothing that a run measures; see `dynamo bench run --help`")
    return _LABELS[name]


def _labels(text: str, allowed: tuple[str, ...], whole: str) -> dict[str, str]:
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = part.partition("=")
        if not sign or name.strip() not in allowed:
            raise ValueError(f"{whole!r}: {part!r} is no label of it; there are {', '.join(allowed) or 'none'}")
        found[name.strip()] = _word(name.strip(), value.strip().strip('"'), whole)
    return found


def _word(name: str, value: str, whole: str) -> str:
    """The value itself, if a run can ever have such a one: a slip of the pen is told before the run, not after it."""
    words = _WORDS[name]
    if value in words or (name in ("consistency", "write") and value.isdecimal()):
        return value
    raise ValueError(f"{whole!r}: {value!r} is no {name}; there are {', '.join(words)}")


def held(one: Threshold, result: Result) -> Held:
    """Whether a run kept to it."""
    value = measured(one, result)
    failed = value is None or bool(_SIGNS[one.sign](value, one.limit))
    return Held(one.text, value, failed)


def measured(one: Threshold, result: Result) -> float | None:
    """What it names: seconds, a share, or operations a second. None if there was nothing of it."""
    statistic = _STATISTIC.fullmatch(one.name)
    totals = result.totals
    if statistic is not None:
        return _time_s(statistic, one.labels, result)
    if one.name == "dropped":
        return result.dropped_share if totals.arrived else None
    if one.name in ("rate", "success"):
        chosen = list(_chosen(totals.requests, one.labels, ("op", "consistency")))
        count = sum(each.count for each in chosen)
        if not count:
            return None
        return float(count / result.seconds if one.name == "rate" else sum(each.good for each in chosen) / count)
    if one.name == "stale":
        checks = list(_chosen(totals.checks, {"write": ANY, **one.labels}, ("consistency", "write")))
        judged = sum(each.judged for each in checks)
        return sum(each.stale for each in checks) / judged if judged else None
    promises = list(_chosen(totals.promises, one.labels, ("consistency", "guarantee")))
    checked = sum(each.checked for each in promises)
    return sum(each.broken for each in promises) / checked if checked else None


def _time_s(statistic: re.Match[str], labels: Mapping[str, str], result: Result) -> float | None:
    counts: Buckets = {}
    if statistic["of"] == "send_delay_":
        counts = result.totals.send_delay
    else:
        for each in _chosen(result.totals.requests, labels, ("op", "consistency")):
            add_buckets(counts, each.service if statistic["of"] else each.response)
    if not counts:
        return None
    if statistic["what"] == "mean":
        return mean_ns(counts) / 1e9
    if statistic["what"] == "max":
        return largest_ns(counts) / 1e9
    return percentile_ns(counts, float(statistic["percent"])) / 1e9


def _chosen(by_words: Mapping[str, Any], labels: Mapping[str, str], names: tuple[str, ...]) -> Iterable[Any]:
    """Those whose words, in the order of `names`, are what the labels say."""
    for words, each in by_words.items():
        if all(labels.get(name, word) == word for name, word in zip(names, words.split(" "), strict=False)):
            yield each
