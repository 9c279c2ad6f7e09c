"""Which key an operation touches: a function from a number drawn in [0, 1) to the number of a key.

Being plain functions of what was drawn, they replay from a seed, and cost one draw each. Keys are numbered from 0;
there may become more of them during a run (inserts), and each call is told how many there are.

Zipfian here is exact: rank r has weight 1 / (r + 1)^theta, from a table. YCSB's closed form is 10 to 19 % off for its
ranks 3 to 6, and its *scrambled* zipfian draws from a fixed pool of 10^10 ranks, so that its hottest key gets 3.8 %
whatever the number of keys, where a true one over 10,000 keys gives 9.8 %. Both are here under names of their own,
since results made with one do not compare with the other. (Cooper et al., "Benchmarking cloud serving systems with
YCSB", 2010; Gray et al., "Quickly generating billion-record synthetic databases", 1994.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from math import log

Chooser = Callable[[float, int], int]
"""From what was drawn in [0, 1), and the number of keys, to a key."""

NAMES = ("uniform", "zipfian", "scrambled", "latest", "hotspot", "sequential", "exponential")
THETA = 0.99
"""YCSB's constant: how much hotter the hot keys are."""
HOT_DATA, HOT_OPERATIONS = 0.2, 0.8
"""YCSB's hotspot: so many of the operations touch so many of the keys."""
EXPONENTIAL_SHARE, EXPONENTIAL_DATA = 0.95, 0.8571428571
"""YCSB's exponential: 95 % of the operations touch the first 6/7 of the keys."""
_POOL = 10_000_000_000
_POOL_ZETA = 26.46902820178302
"""The sum of 1 / r^0.99 over that pool, as YCSB has it in its source."""


def chooser(name: str, keys: int, *, theta: float = THETA, hot: tuple[float, float] | None = None) -> Chooser:
    """The chooser of that name. `keys`: how many there are at first. `hot`: share of the keys, share of operations.

    Raises ValueError for a name that is none, and for shares outside of 0 to 1.
    """
    if name == "zipfian":
        return Zipfian(keys, theta)
    if name == "latest":
        return Latest(keys, theta)
    if name == "hotspot":
        return hotspot(*(hot or (HOT_DATA, HOT_OPERATIONS)))
    if name == "sequential":
        return Sequential()
    plain: dict[str, Chooser] = {"uniform": uniform, "scrambled": scrambled, "exponential": exponential}
    if name not in plain:
        raise ValueError(f"{name!r} is no key chooser; there are {', '.join(NAMES)}")
    return plain[name]


def uniform(drawn: float, keys: int) -> int:
    """Each as often as the others."""
    return int(drawn * keys)


class Zipfian:
    """Key 0 most often, key 1 next: the share of a key falls with its rank."""

    def __init__(self, keys: int, theta: float = THETA) -> None:
        self._theta = theta
        self._sums: list[float] = list(accumulate((rank + 1) ** -theta for rank in range(keys)))

    def __call__(self, drawn: float, keys: int) -> int:
        sums = self._sums
        while len(sums) < keys:
            sums.append((sums[-1] if sums else 0.0) + (len(sums) + 1) ** -self._theta)
        return min(bisect_right(sums, drawn * sums[keys - 1], 0, keys), keys - 1)


class Latest(Zipfian):
    """The newest key most often, the one before it next."""

    def __call__(self, drawn: float, keys: int) -> int:
        return keys - 1 - super().__call__(drawn, keys)


class Sequential:
    """One after the other, round and round, whatever was drawn."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, drawn: float, keys: int) -> int:
        chosen = self._next % keys
        self._next = chosen + 1
        return chosen


def hotspot(data: float, operations: float) -> Chooser:
    """`operations` of the draws fall on the first `data` of the keys, evenly; the others on the rest, evenly."""
    if not (0 < data < 1 and 0 <= operations <= 1):
        raise ValueError(f"a hotspot has shares between 0 and 1, not {data} of the keys and {operations} of operations")

    def choose(drawn: float, keys: int) -> int:
        hot = max(1, int(keys * data))
        if drawn < operations or hot == keys:
            return min(int(drawn / operations * hot), hot - 1) if operations else int(drawn * keys)
        return hot + int((drawn - operations) / (1 - operations) * (keys - hot))

    return choose


def exponential(drawn: float, keys: int) -> int:
    """Falling by the same factor from key to key; what falls beyond the last key begins again at the first."""
    mean = keys * EXPONENTIAL_DATA / -log(1 - EXPONENTIAL_SHARE)
    return int(-log(1 - drawn) * mean) % keys


def scrambled(drawn: float, keys: int) -> int:
    """YCSB's `scrambled zipfian`, its constants and its closed form included."""
    return fnv_1a(_pool_rank(drawn)) % keys


_ALPHA = 1 / (1 - THETA)
_ETA = (1 - (2 / _POOL) ** (1 - THETA)) / (1 - (1 + 0.5**THETA) / _POOL_ZETA)


def _pool_rank(drawn: float) -> int:
    scaled = drawn * _POOL_ZETA
    if scaled < 1:
        return 0
    if scaled < 1 + 0.5**THETA:
        return 1
    return int(_POOL * (_ETA * drawn - _ETA + 1) ** _ALPHA)


def fnv_1a(number: int) -> int:
    """YCSB's hash of a 64-bit number: FNV-1a over its bytes, lowest first, without the sign."""
    hashed = 0xCBF29CE484222325
    for _ in range(8):
        hashed = ((hashed ^ (number & 0xFF)) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
        number >>= 8
    # Java takes the absolute value of a signed 64-bit number.
    return hashed if hashed < 2**63 else 2**64 - hashed
