"""How many bytes a value has: a function from a number drawn in [0, 1), by the inverse of a distribution.

So sizes replay from a seed, and whoever knows what was drawn knows the size. Written as `256`, `uniform:100-1000`,
`lognormal:1000,1.5` (median in bytes, sigma of the logarithm) or `file:sizes.txt` (one number a line, drawn evenly:
the sizes of a real data set, as they are).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from statistics import NormalDist

SizeOf = Callable[[float], int]
BYTES_MIN = 24
"""A value says which write it is from; that takes so many bytes."""
BYTES_MAX = 2**20
"""A node's own limit, as it comes."""
_NORMAL = NormalDist()


def sizes(text: str, read: Callable[[str], str]) -> SizeOf:
    """The distribution that a text describes; `read` gives the content of a file. Raises ValueError, OSError."""
    kind, _, rest = text.partition(":")
    try:
        if kind == "uniform":
            least, most = map(int, rest.split("-"))
            return uniform(least, most)
        if kind == "lognormal":
            median, sigma = map(float, rest.split(","))
            return lognormal(median, sigma)
        if kind == "file":
            return listed([int(line) for line in read(rest).split()])
        return fixed(int(text))
    except ValueError as problem:
        raise ValueError(
            f"{text!r} is no distribution of sizes ({problem}); write 256, uniform:100-1000, lognormal:1000,1.5 or "
            "file:NAME"
        ) from problem


def fixed(count: int) -> SizeOf:
    """Always the same."""
    size = _allowed(count)
    return lambda _: size


def uniform(least: int, most: int) -> SizeOf:
    """Each size from `least` to `most` equally often. Raises ValueError if there is none."""
    if least > most:
        raise ValueError(f"{least} is more than {most}")
    low, high = _allowed(least), _allowed(most)
    return lambda drawn: low + int(drawn * (high - low + 1))


def lognormal(median: float, sigma: float) -> SizeOf:
    """Half of the sizes are below `median`; the logarithm has the standard deviation `sigma`. Cut at the limits."""
    if median < 1 or sigma < 0:
        raise ValueError("the median is at least 1 byte, sigma at least 0")

    def size(drawn: float) -> int:
        # The ends of the distribution are infinitely far away.
        inner = min(max(drawn, 1e-9), 1 - 1e-9)
        return min(max(round(median * exp(sigma * _NORMAL.inv_cdf(inner))), BYTES_MIN), BYTES_MAX)

    return size


def listed(counts: Sequence[int]) -> SizeOf:
    """Each of the given sizes equally often. Raises ValueError if there is none."""
    if not counts:
        raise ValueError("no size is given")
    allowed = [_allowed(count) for count in counts]
    return lambda drawn: allowed[int(drawn * len(allowed))]


def _allowed(count: int) -> int:
    if not 0 <= count <= BYTES_MAX:
        raise ValueError(f"a value has 0 to {BYTES_MAX} bytes, not {count}")
    return max(count, BYTES_MIN)
