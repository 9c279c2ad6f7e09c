"""Numbers for people: no share without its denominator, no zero without what it may still be."""

from __future__ import annotations

from dynamo.report.certainty import wilson


def share(hits: int, looks: int) -> str:
    """`0 of 12,400 (below 0.03 %)`, `26 of 400 (6.5 %, 4.5 to 9.4 %)`."""
    if not looks:
        return "none looked at"
    low, value, high = wilson(hits, looks)
    if not hits:
        return f"0 of {looks:,} (below {percent(high)})"
    return f"{hits:,} of {looks:,} ({percent(value)}, {percent(low)} to {percent(high)})"


def percent(value: float) -> str:
    """Two digits that mean something, and of what is nearly all as many as it takes."""
    if value in (0.0, 1.0):
        return f"{100 * value:.0f} %"
    if value > 0.99:
        return f"{100 * value:.4g} %" if value < 0.9995 else f"{100 * value:.6g} %"
    return f"{100 * value:.2g} %"


def milliseconds(nanoseconds: float) -> str:
    """`0.45 ms`, `12.3 ms`, `1,204 ms`."""
    value = nanoseconds / 1e6
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} ms"


def one_in(hits: int, looks: int) -> str:
    """`1 read in 16`; of none that was seen, what it may be at most."""
    if hits:
        return f"1 read in {round(looks / hits):,}" if 2 * hits <= looks else f"{percent(hits / looks)} of the reads"
    return f"no read of {looks:,}"


def operation(words: str) -> str:
    """`get at one` from `get one`."""
    kind, _, level = words.partition(" ")
    return f"{kind} at {level}"
