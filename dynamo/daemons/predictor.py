"""The predictor: draws from what messages took lately how stale a read would be (`telemetry/pbs.py`).

Some ten thousand trials are a tenth of a second of work. A thread would hold the interpreter as long, and a process
costs more than it saves: the work is done on the loop, in slices of a millisecond with pauses of several between them,
so that no request waits longer than it does for its neighbours anyway.
"""

from __future__ import annotations

from dynamo.daemons.daemon import pause
from dynamo.node.node import Node
from dynamo.node.pbs_book import EXCHANGES_MIN
from dynamo.replication.legs import Exchange, Legs
from dynamo.telemetry.pbs import Curve, Needs, Quorum, partial_quorums
from dynamo.telemetry.prediction import Prediction, QuorumPrediction, quorum_prediction
from dynamo.telemetry.wars import Draws, Measured

SLICE_TRIALS = 64
PAUSE_S = 0.005
FIRST_S = 2.0
"""Pause while there is no prediction yet."""
SAMPLED_LEGS = 64
"""Exchanges of each kind that a run shows in the histograms of legs."""


class Predictor:
    """Daemon."""

    name = "predictor"

    def __init__(self, node: Node) -> None:
        self._node = node
        self._book = node.pbs
        self._seen = 0

    @property
    def period_s(self) -> float:
        """Short until there is something to predict from."""
        return FIRST_S if self._book.prediction is None else self._node.config.pbs.period_s

    async def run_once(self) -> None:
        """Predict, unless nothing was measured since the last time."""
        legs = self._book.legs
        if legs is None or legs.taken == self._seen or self._book.why_not():
            return
        self._seen = taken = legs.taken
        measured = await self._measured(legs)
        needs = await self._trials(measured)
        self._sample(measured)
        quorums = []
        for quorum in partial_quorums(self._book.replicas):
            await self._rest()
            quorums.append(await self._show(quorum, needs.curve(quorum)))
        made_ms, config = self._node.clock.wall_ms(), self._node.config
        self._book.prediction = Prediction(made_ms, self._book.replicas, config.pbs.trials, taken, quorums)
        self._node.metrics.pbs.last_run.value = made_ms / 1000

    async def _measured(self, legs: Legs) -> Measured:
        """Peer by peer: telling thousands of exchanges apart takes milliseconds.

        A peer that was hardly read from has the acknowledgements' times for its reads: both are a message without work.
        """
        writes: dict[str, list[Exchange]] = {}
        reads: dict[str, list[Exchange]] = {}
        for peer in self._book.known_peers():
            await self._rest()
            writes[peer] = legs.writes(peer)
            await self._rest()
            reads[peer] = legs.reads(peer)
            if len(reads[peer]) < EXCHANGES_MIN:
                reads[peer] = [(back, back) for _, back in writes[peer]]
        return Measured(legs.own, writes, reads)

    async def _trials(self, measured: Measured) -> Needs:
        node, share = self._node, self._node.config.requests.read_all_share
        draws = Draws(measured, node.id, self._book.homes(), share, node.randomness.random)
        needs, left = Needs(self._book.replicas), node.config.pbs.trials
        while left > 0:
            for _ in range(min(left, SLICE_TRIALS)):
                draws.add_to(needs)
            left -= SLICE_TRIALS
            await self._rest()
        return needs

    async def _show(self, quorum: Quorum, curve: Curve) -> QuorumPrediction:
        await self._rest()
        self._node.metrics.pbs.show(quorum, curve)
        return quorum_prediction(curve, quorum, self._book.replicas)

    def _sample(self, measured: Measured) -> None:
        legs, chance = self._node.metrics.pbs.legs, self._node.randomness.random
        for kind, there, back in ((measured.writes, "w", "a"), (measured.reads, "r", "s")):
            peers = list(kind.values())
            for _ in range(SAMPLED_LEGS):
                exchanges = peers[int(chance() * len(peers))]
                took = exchanges[int(chance() * len(exchanges))]
                legs[there].observe(took[0])
                legs[back].observe(took[1])

    async def _rest(self) -> None:
        await pause(self._node.clock, PAUSE_S)
