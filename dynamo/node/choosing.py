"""Which nodes take part in a request: the key's primaries that are alive, and the fallbacks that may stand in.

The i-th live fallback of the preference list stands in for the i-th primary that is away. Every coordinator that sees
the same nodes alive finds the same pairs; so a sloppy read asks those that a sloppy write has given the hints to.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import msgspec

from dynamo.errors import QuorumUnavailable
from dynamo.node.liveness import Liveness
from dynamo.ring.preference_list import PreferenceLists

SPARE_FACTOR = 2
"""Fallbacks of a request for each of its N: one to stand in for each primary, and another should that one fail. Looking
at all nodes of a large cluster would cost more than the rest of the request.
"""


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """The nodes of one key, now."""

    primaries: tuple[str, ...]
    live: tuple[str, ...]
    """Live primaries in preference order, but this node first."""
    away: tuple[str, ...]
    """The others, in preference order."""
    spare: tuple[str, ...]
    """The first live fallbacks in preference order; none where nobody may stand in. This node may be one."""

    def check(
        self, needed: int, primaries: int, *, sloppy: bool, advice: str = "Retry later, or ask for fewer"
    ) -> None:
        """Raises QuorumUnavailable if `needed` nodes, `primaries` of them primaries, cannot be had."""
        stand_ins = min(len(self.spare), len(self.away)) if sloppy else 0
        alive = len(self.live)
        if alive + stand_ins >= needed and alive >= primaries:
            return
        helped = f" and {stand_ins} others may stand in" if sloppy else ""
        wanted = f"{needed} are needed" + (f", {primaries} of them replicas" if sloppy and primaries else "")
        raise QuorumUnavailable(
            f"{alive} of the key's {len(self.primaries)} replicas are alive{helped}, and {wanted}; nothing was sent. "
            f"{advice}",
            required=needed if alive + stand_ins < needed else primaries,
            alive=alive + stand_ins if alive + stand_ins < needed else alive,
        )


class Chooser:
    """One per node. With `stands_in` False hints are switched off, and there are no fallbacks."""

    def __init__(self, node: str, preference: PreferenceLists, liveness: Liveness, *, stands_in: bool) -> None:
        self._node = node
        self.preference = preference
        self._is_alive = liveness.is_alive
        self._stands_in = stands_in
        self._usual: dict[tuple[int, int, bool], tuple[tuple[str, ...], Chosen]] = {}
        """Who is looked at, and what is chosen if all of them are alive, which is nearly always."""

    def choose(self, partition: int, n: int, *, fallbacks: bool) -> Chosen:
        """The nodes for a key of that partition in a bucket of that n."""
        usual = self._usual.get((partition, n, fallbacks))
        if usual is None:
            chosen = self._choose(partition, n, lambda _: True, fallbacks=fallbacks)
            usual = self._usual[partition, n, fallbacks] = (*chosen.primaries, *chosen.spare), chosen
        if all(map(self._is_alive, usual[0])):
            return usual[1]
        return self._choose(partition, n, self._is_alive, fallbacks=fallbacks)

    def _choose(self, partition: int, n: int, is_alive: Callable[[str], bool], *, fallbacks: bool) -> Chosen:
        primaries = self.preference.primaries(partition, n)
        assert len(dict.fromkeys(primaries)) == len(primaries), "a preference list names N distinct nodes"
        live = tuple(node for node in primaries if is_alive(node))
        away = () if len(live) == len(primaries) else tuple(node for node in primaries if node not in live)
        if self._node in live:
            live = (self._node, *(node for node in live if node != self._node))
        spare: tuple[str, ...] = ()
        if fallbacks and self._stands_in:
            spare = tuple(islice(filter(is_alive, self.preference.fallbacks(partition, n)), SPARE_FACTOR * n))
        return Chosen(primaries, live, away, spare)
