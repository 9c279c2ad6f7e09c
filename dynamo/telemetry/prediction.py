"""One prediction of staleness, as it is shown: curves and bounds of every partial quorum, and what they stand on."""

from __future__ import annotations

import msgspec

from dynamo.telemetry.pbs import PROBABILITIES, Curve, Quorum, missed_share

CURVE_S = (0.0, *(10 ** (step / 8 - 4) for step in range(41)))
"""Times of a curve: at once, and from 0.1 ms to 10 s, eight a decade."""
VERSIONS_MAX = 3

LIMITS = (
    "one write and one later read of the same key, through two different nodes",
    "not the share of all reads that are stale: that depends on how soon after writes people read, too",
    "nothing fails, and nothing is repaired, hinted or hedged",
    "the time of one message tells nothing of another's: a node that is slow for a while is underrated",
    "the way there and the way back are equally long on average",
    "two other nodes are as far apart as this one is from the farther of them",
)
"""To be printed beside every prediction."""


class Bound(msgspec.Struct, frozen=True):
    """After `seconds` reads are fresh with that probability; between `low_s` and `high_s`, as the trials tell (95%)."""

    probability: float
    seconds: float
    low_s: float
    high_s: float


class QuorumPrediction(msgspec.Struct, frozen=True):
    """Reads that wait for `read_replies`, after writes that waited for `write_acks`."""

    read_replies: int
    write_acks: int
    curve: list[tuple[float, float]]
    """Seconds since the acknowledgement, probability that a read which begins then is fresh."""
    bounds: list[Bound]
    within_versions: list[float]
    """Probability of a value that is no more than 0, 1, 2 writes old where writes reach `write_acks` replicas only."""


class Prediction(msgspec.Struct, frozen=True):
    """What one run came to."""

    made_ms: int
    """Wall-clock milliseconds."""
    replicas: int
    trials: int
    exchanges: int
    """Measured writes that the trials were drawn from."""
    quorums: list[QuorumPrediction]


def quorum_prediction(curve: Curve, quorum: Quorum, replicas: int) -> QuorumPrediction:
    """What is shown of one curve."""
    r, w = quorum
    return QuorumPrediction(
        r,
        w,
        [(seconds, curve.fresh(seconds)) for seconds in CURVE_S],
        [Bound(each, curve.bound_s(each), *curve.bound_between_s(each)) for each in PROBABILITIES],
        [1 - missed_share(replicas, r, w, versions) for versions in range(1, VERSIONS_MAX + 1)],
    )
