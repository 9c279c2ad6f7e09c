"""What share of the operations is of which kind: YCSB's six core workloads by name, and mixes of one's own in TOML.

A file may say everything else that belongs to a mix, too:

    [operations]
    get = 90
    put = 10
    [keys]
    chooser = "hotspot"
    hot_data = 0.01
    hot_operations = 0.9
    [values]
    sizes = "lognormal:1000,1.5"

Shares are weights; they need not sum up to anything. YCSB: Cooper et al., "Benchmarking cloud serving systems with
YCSB", 2010, table 2.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

import msgspec

from dynamo.workload.choosers import HOT_DATA, HOT_OPERATIONS, NAMES, THETA

OPERATIONS = ("get", "put", "insert", "scan", "rmw", "cas", "add")
"""`put` writes a key that there is, `insert` a new one, `rmw` reads and then writes what it has read, in two requests.
`cas` and `add` change a key of a linearizable bucket in one."""
LINEARIZABLE_ONLY = ("cas", "add")


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How keys are chosen; see `choosers`."""

    chooser: str = "zipfian"
    theta: float = THETA
    hot_data: float = HOT_DATA
    hot_operations: float = HOT_OPERATIONS


class Values(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How large values are; see `value_sizes`."""

    sizes: str = "256"


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Operations by weight, and what goes with them."""

    operations: dict[str, float]
    keys: Keys = Keys()
    values: Values = Values()
    mode: str = ""
    """The bucket's mode that it needs; empty: any."""


def _zipfian(**operations: float) -> Mix:
    return Mix(operations=operations, keys=Keys("scrambled"))


PRESETS: dict[str, Mix] = {
    "a": _zipfian(get=50, put=50),
    "b": _zipfian(get=95, put=5),
    "c": _zipfian(get=100),
    "d": Mix(operations={"get": 95, "insert": 5}, keys=Keys("latest")),
    "e": _zipfian(scan=95, insert=5),
    "f": _zipfian(get=50, rmw=50),
    "linearizable": Mix(operations={"get": 50, "put": 50}, keys=Keys("scrambled"), mode="linearizable"),
    "cas": Mix(operations={"get": 50, "cas": 40, "add": 10}, keys=Keys("scrambled"), mode="linearizable"),
}
"""A to F are YCSB's, with its key choosers; the other two are for linearizable buckets."""


def from_toml(text: str) -> Mix:
    """A mix of one's own. Raises ValueError, which says what is wrong with it."""
    try:
        mix = msgspec.convert(tomllib.loads(text), Mix)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as problem:
        raise ValueError(str(problem)) from problem
    return checked(mix)


def checked(mix: Mix) -> Mix:
    """The mix itself. Raises ValueError for operations and choosers that there are not, and for weights of nothing."""
    if unknown := sorted(set(mix.operations) - set(OPERATIONS)):
        raise ValueError(f"{unknown[0]!r} is no operation; there are {', '.join(OPERATIONS)}")
    if any(weight < 0 for weight in mix.operations.values()) or not sum(mix.operations.values()) > 0:
        raise ValueError("weights of operations are not negative, and one of them is more than nothing")
    if mix.keys.chooser not in NAMES:
        raise ValueError(f"{mix.keys.chooser!r} is no key chooser; there are {', '.join(NAMES)}")
    if needs_linearizable(mix) and mix.mode not in ("", "linearizable"):
        raise ValueError(f"cas and add need a linearizable bucket, not one of mode {mix.mode}")
    return mix


def needs_linearizable(mix: Mix) -> bool:
    """Whether it can run in a linearizable bucket only."""
    return mix.mode == "linearizable" or any(mix.operations.get(name) for name in LINEARIZABLE_ONLY)


def shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights as shares of 1, those of nothing left out."""
    whole = sum(weights.values())
    return {name: weight / whole for name, weight in weights.items() if weight}
