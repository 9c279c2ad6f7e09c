"""What a start makes of the frames that it finds (pure): which of them are replayed, or whether something is missing.

The log is one sequence of numbered groups over its segments, and LMDB says up to which number it has them. The next
frame is written only when the one before is on disk (sync mode), or says up to where it knows that (async mode). So:

- frames from the applied number on, without a gap, are replayed, whatever else lies around;
- the first number that is missing ends the log, if no frame behind it knew it to be on disk. A frame that was being
  written when the power went, or the process, was acknowledged to nobody;
- otherwise a frame that was on disk is there no more: damage. A seal knows what was on disk before it, too, and that
  the log goes on in the next segment: it is damage if that one has gone, unless LMDB has its first group (and need
  not have kept it). So it is if the log that LMDB speaks of has not left a single segment.
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
    seals = {segment.number: frame for segment in ordered for frame in segment.frames if frame.kind == SEAL}
    knew = [each.sequence for each in (*frames.values(), *seals.values()) if each.sequence > end and each.synced > end]
    if knew:
        return Plan(replayed, f"group {end + 1} of its log is damaged or missing, and group {min(knew)} came after it")
    names = {segment.number: segment.name for segment in ordered}
    for number, seal in seals.items():
        if number + 1 not in names and (seal.sequence > applied or number == ordered[-1].number):
            return Plan(replayed, f"the segment after {names[number]} of its log is missing")
    return Plan(replayed, None)
