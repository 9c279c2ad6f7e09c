"""The series of predicted staleness: of every partial quorum of the default bucket, and of what they are drawn from.

They read NaN until there is a prediction: 0 would be one.
"""

from __future__ import annotations

from math import nan

from dynamo.telemetry.exposition import Cell, Histogram
from dynamo.telemetry.pbs import AFTER_S, N_MAX, PROBABILITIES, Curve, Quorum, partial_quorums
from dynamo.telemetry.series import Catalogue

LEGS = ("w", "a", "r", "s")
"""A write there, its acknowledgement back, a read there, its reply back."""
LEG_BOUNDS_S = (
    *(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005),
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0),
)


class PbsSeries:
    """Of one node whose default bucket has n replicas; above N_MAX only the legs."""

    __slots__ = ("_bounds", "_fresh", "last_run", "legs")

    def __init__(self, catalogue: Catalogue, n: int) -> None:
        quorums = partial_quorums(n) if n <= N_MAX else ()
        fresh = (
            "Predicted share of reads that are fresh if they begin so long after a write was acknowledged; "
            "1 where replies and acknowledgements are more than the replicas, and not listed."
        )
        self._fresh = {
            (quorum, after_s): _unknown(
                catalogue, "dynamo_pbs_fresh_ratio", fresh, quorum, "after_seconds", f"{after_s:g}"
            )
            for quorum in quorums
            for after_s in AFTER_S
        }
        bound = "Predicted time after the acknowledgement of a write until that share of reads is fresh."
        self._bounds = {
            (quorum, share): _unknown(
                catalogue, "dynamo_pbs_staleness_bound_seconds", bound, quorum, "probability", f"{share:g}"
            )
            for quorum in quorums
            for share in PROBABILITIES
        }
        run = "When staleness was last predicted; 0 before the first time."
        self.last_run = catalogue.cell("dynamo_pbs_last_run_timestamp_seconds", "gauge", run)
        legs = "Times of messages that predictions are drawn from; a sample of them with every prediction."
        self.legs: dict[str, Histogram] = {
            leg: catalogue.histogram("dynamo_wars_seconds", legs, LEG_BOUNDS_S, leg=leg) for leg in LEGS
        }
        """By leg: one of LEGS."""

    def show(self, quorum: Quorum, curve: Curve) -> None:
        """What was predicted of one partial quorum."""
        for after_s in AFTER_S:
            self._fresh[quorum, after_s].value = curve.fresh(after_s)
        for share in PROBABILITIES:
            self._bounds[quorum, share].value = curve.bound_s(share)


def _unknown(catalogue: Catalogue, name: str, meaning: str, quorum: Quorum, label: str, word: str) -> Cell:
    labels = {"read_replies": str(quorum[0]), "write_acks": str(quorum[1]), label: word}
    cell = catalogue.cell(name, "gauge", meaning, **labels)
    cell.value = nan
    return cell
