"""What a start makes of the frames that it finds (pure): which of them are replayed, or whether something is missing.

The log is one sequence of numbered groups over its segments, and LMDB says up to which number it has them. The next
frame is written only when the one before is on disk (sync mode), or says up to where it knows that (async mode). So:

- frames from the applied number on, without a gap, are replayed, whatever else lies around;
- the first number that is missing ends the log, if no frame behind it knew it to be on disk. A frame that was being
  written when the power went, or the process, was acknowledged to nobody;
- otherwise a frame that was on disk is there no more: damage. So it is if a segment was sealed, and the one in which
  the log goes on has gone, or if the log that LMDB speaks of has not left a single segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dynamo.storage.frame import CHANGES, SEAL, Frame


class Found(NamedTuple):
    """A segment of the log in question, and its sound frames in the order in which they lie in it."""

    name: str
    number: int
    frames: Sequence[Frame]


class Plan(NamedTuple):
    """What to replay, in order, and why this is not all that there was, if so."""

    frames: Sequence[Frame]
    damage: str | None


def plan(segments: Iterable[Found], applied: int) -> Plan:
    """`applied` is the number of the last group that LMDB has."""
    ordered = sorted(segments, key=lambda segment: segment.number)
    if not ordered:
        return Plan((), "its log is missing")
    frames: dict[int, Frame] = {}
    for segment in ordered:
        for frame in segment.frames:
            if frame.kind != CHANGES or frame.sequence <= applied:
                continue
            if frames.setdefault(frame.sequence, frame).payload != frame.payload:
                return Plan((), f"its log has two groups of the number {frame.sequence}")
    replayed: list[Frame] = []
    while (following := frames.get(applied + len(replayed) + 1)) is not None:
        replayed.append(following)
    end = applied + len(replayed)
    knew = [frame.sequence for frame in frames.values() if frame.sequence > end and frame.synced > end]
    if knew:
        return Plan(replayed, f"group {end + 1} of its log is damaged or missing, and group {min(knew)} came after it")
    last = ordered[-1]
    if any(frame.kind == SEAL for frame in last.frames):
        return Plan(replayed, f"the segment after {last.name} of its log is missing")
    return Plan(replayed, None)
