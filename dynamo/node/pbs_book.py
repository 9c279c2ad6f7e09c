"""What this node has measured of its messages, and the last prediction of staleness that was drawn from it.

Machines write here, the daemon (`daemons/predictor.py`) reads and predicts, operators look; none knows the other.
"""

from __future__ import annotations

from dynamo.config import Config
from dynamo.replication.legs import Legs
from dynamo.ring.preference_list import PreferenceLists
from dynamo.telemetry.pbs import N_MAX
from dynamo.telemetry.prediction import Prediction

EXCHANGES_MIN = 50
"""Writes with a peer before its legs mean anything."""


class PbsBook:
    """One per node."""

    def __init__(self, config: Config, preference: PreferenceLists, legs: Legs | None) -> None:
        self.replicas = config.default_n
        self.prediction: Prediction | None = None
        self.legs = legs
        """None where predictions are switched off: then nothing is measured."""
        self._node = config.node.id
        self._preference = preference

    def why_not(self) -> str:
        """Why there can be no prediction now; empty if there can."""
        if self.legs is None:
            return "predictions are switched off ([pbs] enabled)"
        if self.replicas == 1:
            return "one replica is always as fresh as itself"
        if self.replicas > N_MAX:
            return f"predictions are made for up to {N_MAX} replicas; the default bucket has {self.replicas}"
        if not self.homes():
            return (
                f"too few writes were coordinated here: {EXCHANGES_MIN} with each replica of some partition are needed"
            )
        return ""

    def homes(self) -> list[tuple[str, ...]]:
        """The replicas of each partition that this node holds, where all of them are known well enough."""
        known = {self._node, *self.known_peers()}
        homes = (self._preference.primaries(partition, self.replicas) for partition in self._partitions())
        return [home for home in homes if self._node in home and known.issuperset(home)]

    def known_peers(self) -> list[str]:
        """Those with whom enough was exchanged."""
        legs = self.legs
        if legs is None or not legs.own:
            return []
        return [peer for peer in legs.peers if legs.count(peer) >= EXCHANGES_MIN]

    def _partitions(self) -> range:
        return range(self._preference.ring.partitions)
