"""What a profile says: processor time by room, and the functions that use most of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from dynamo.workload.report import table
from dynamo.workload.runner import Sample
from tests.profile.rooms import WHAT
from tests.profile.shares import Shares

TOP = 15


class Profile(NamedTuple):
    """One workload: what its client saw, and where the nodes spent their time meanwhile."""

    name: str
    sample: Sample
    shares: Shares

    def us(self, seconds: float) -> float:
        """As microseconds a request, to a tenth. Never minus nothing, which two readings of ticks can come to."""
        return round(seconds * 1e6 / max(1, self.sample.requests), 1) + 0.0


def by_room(profiles: Sequence[Profile]) -> list[str]:
    """Microseconds of processor for each request, all nodes together; then what they are made of otherwise."""
    rows = [["us of processor per request", *(each.name for each in profiles), ""]]
    rows += [
        [name, *(f"{each.us(each.shares.rooms[name]):.1f}" for each in profiles), what] for name, what in WHAT.items()
    ]
    rows.append(["all", *(f"{each.us(each.shares.total_s):.1f}" for each in profiles), "from /proc"])
    rows.append(
        ["of it the kernel", *(f"{each.us(each.shares.system_s):.1f}" for each in profiles), "without children"]
    )
    rows.append(["requests a second", *(f"{each.sample.rate:,.0f}" for each in profiles), "while sampled"])
    rows.append(["samples", *(f"{each.shares.samples:,}" for each in profiles), ""])
    widest = max(len(row[-1]) for row in rows)
    return table([[*row[:-1], row[-1].ljust(widest)] for row in rows])


def by_function(profile: Profile) -> list[str]:
    """The functions with most time of their own, what they call in C included."""
    rows = [[profile.name, "us", "share"]]
    for (file, name), seconds in profile.shares.own.most_common(TOP):
        share = seconds / (profile.shares.total_s or 1.0)
        rows.append([f"{name}  {_short(file)}", f"{profile.us(seconds):.1f}", f"{share:.1%}"])
    return table(rows)


def _short(file: str) -> str:
    return "/".join(PurePath(file).parts[-2:])
