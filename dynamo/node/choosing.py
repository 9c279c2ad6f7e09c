"""Which nodes take part in a request: the key's primaries that are alive, and the fallbacks that may stand in.

The i-th live fallback of the preference list stands in for the i-th primary that is away. Every coordinator that sees
the same nodes alive finds the same pairs; so a sloppy read asks those that a sloppy write has given the hints to.
"""

from __future__ import annotations

import msgspec

from dynamo.errors import QuorumUnavailable
from dynamo.node.liveness import Liveness
from dynamo.ring.preference_list import PreferenceLists


class Chosen(msgspec.Struct, frozen=True, gc=False):
    """The nodes of one key, now."""

    primaries: tuple[str, ...]
    live: tuple[str, ...]
    """Live primaries in preference order, but this node first."""
    away: tuple[str, ...]
    """The others, in preference order."""
    spare: tuple[str, ...]
    """Live fallbacks in preference order; none where nobody may stand in. This node may be one."""

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
        self._liveness = liveness
        self._stands_in = stands_in
        self._all_alive: dict[tuple[int, int, bool], Chosen] = {}
        """What is chosen where everybody is alive, which is nearly always."""

    def choose(self, partition: int, n: int, *, fallbacks: bool) -> Chosen:
        """The nodes for a key of that partition in a bucket of that n."""
        is_alive = self._liveness.is_alive
        if all(map(is_alive, self.preference.walk(partition))):
            known = self._all_alive.get((partition, n, fallbacks))
            if known is not None:
                return known
            known = self._all_alive[partition, n, fallbacks] = self._choose(partition, n, fallbacks=fallbacks)
            return known
        return self._choose(partition, n, fallbacks=fallbacks)

    def _choose(self, partition: int, n: int, *, fallbacks: bool) -> Chosen:
        is_alive = self._liveness.is_alive
        primaries = self.preference.primaries(partition, n)
        assert len(dict.fromkeys(primaries)) == len(primaries), "a preference list names N distinct nodes"
        live = tuple(node for node in primaries if is_alive(node))
        away = () if len(live) == len(primaries) else tuple(node for node in primaries if node not in live)
        if self._node in live:
            live = (self._node, *(node for node in live if node != self._node))
        spare: tuple[str, ...] = ()
        if fallbacks and self._stands_in:
            spare = tuple(node for node in self.preference.fallbacks(partition, n) if is_alive(node))
        return Chosen(primaries, live, away, spare)
