"""Numbers that cost nothing to count, and the text they become when somebody looks.

A series is a plain int (or a list of them) that only the loop's thread writes: counting takes no lock and no look-up.
Everything that is text (names, labels, help) is rendered once, when the series is made; a scrape joins those prefixes
with the values of the moment. Label sets are closed: every series exists from the start and reads 0, never "no data".

Formats: Prometheus text 0.0.4 and OpenMetrics 1.0, which differ in the names of counters and in the closing line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class Cell:
    """One counter or gauge: `cell.value += 1`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Histogram:
    """Counts by upper bound (inclusive), and their sum. Both ends of a bucket are in the metric's own unit."""

    __slots__ = ("_bounds", "buckets", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self.buckets = [0] * (len(bounds) + 1)
        """Not cumulative; the last one takes what is above every bound."""
        self.sum: float = 0

    def observe(self, value: float) -> None:
        """Count one measurement."""
        self.buckets[bisect_left(self._bounds, value)] += 1
        self.sum += value

    @property
    def bounds(self) -> tuple[float, ...]:
        return self._bounds

    @property
    def count(self) -> int:
        return sum(self.buckets)


class Family:
    """All series of one metric. `name` is the one of the text format: a counter's ends in `_total`."""

    def __init__(self, name: str, kind: str, meaning: str) -> None:
        assert (kind == "counter") == name.endswith("_total"), "counters, and only they, end in _total"
        self.name = name
        self.kind = kind
        self._cells: list[tuple[str, Cell]] = []
        self._histograms: list[tuple[list[str], str, str, Histogram]] = []
        self._heads = {
            False: f"# HELP {name} {_escaped(meaning)}\n# TYPE {name} {kind}\n",
            True: _open_metrics_head(name, kind, meaning),
        }

    def cell(self, labels: Mapping[str, str]) -> Cell:
        """Another series of this counter or gauge."""
        cell = Cell()
        self._cells.append((self.name + _braces(labels) + " ", cell))
        return cell

    def histogram(self, labels: Mapping[str, str], bounds: Sequence[float]) -> Histogram:
        """Another series of this histogram."""
        histogram = Histogram(bounds)
        edges = [*(str(float(bound)) for bound in bounds), "+Inf"]
        prefixes = [f"{self.name}_bucket{_braces({**labels, 'le': edge})} " for edge in edges]
        tail = _braces(labels) + " "
        self._histograms.append((prefixes, f"{self.name}_count{tail}", f"{self.name}_sum{tail}", histogram))
        return histogram

    def render(self, out: list[str], *, open_metrics: bool) -> None:
        """Append the lines of this family."""
        out.append(self._heads[open_metrics])
        out.extend(f"{prefix}{cell.value}\n" for prefix, cell in self._cells)
        for prefixes, count, total, histogram in self._histograms:
            running = 0
            for prefix, bucket in zip(prefixes, histogram.buckets, strict=True):
                running += bucket
                out.append(f"{prefix}{running}\n")
            out.append(f"{count}{running}\n")
            out.append(f"{total}{histogram.sum}\n")


def _open_metrics_head(name: str, kind: str, meaning: str) -> str:
    family = name.removesuffix("_total") if kind == "counter" else name
    return f"# HELP {family} {_escaped(meaning)}\n# TYPE {family} {kind}\n"


def _braces(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def wants_open_metrics(accept: str) -> bool:
    """Whether a scraper's Accept header asks for OpenMetrics (Prometheus names it whenever it can read it)."""
    return any(part.split(";")[0].strip().lower() == "application/openmetrics-text" for part in accept.split(","))
