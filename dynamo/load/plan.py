"""All that decides what a run does: plain data, the same for every worker process, and stored with the result.

Workers get it as JSON. Two runs with equal plans ask for the same operations in the same order, whatever the number of
processes: see `stream.py`.
"""

from __future__ import annotations

import msgspec

from dynamo.load.levels import Weighted
from dynamo.workload.mixes import Mix
from dynamo.workload.stages import Stage, duration_s

DELAYS_MS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
"""How long after a write's acknowledgement a probe reads."""


class Probing(msgspec.Struct, frozen=True, kw_only=True):
    """The staleness probe: write, wait, read elsewhere."""

    rate: float = 0.0
    """Probes a second, over all workers; 0 is none."""
    delays_ms: tuple[float, ...] = DELAYS_MS
    keys: int = 64
    """So many keys, each written by one worker alone."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times in seconds."""

    run: int
    """Names the run in every value that it writes: 32 bits."""
    seed: int
    endpoints: list[tuple[str, int]]
    bucket: str
    mode: str
    """Of the bucket: siblings, lww or linearizable."""
    n: int
    """Replicas of a key in it."""
    prefix: str = "load-"
    """What every key begins with."""
    records: int = 10_000
    mix: Mix
    sizes: tuple[int, ...] = ()
    """The sizes that a file held, where the mix says `file:`; so workers read none."""
    reads: tuple[Weighted, ...] = (Weighted("quorum"),)
    writes: tuple[Weighted, ...] = (Weighted("quorum"),)
    stages: tuple[Stage, ...]
    spacing: str = "poisson"
    closed: bool = False
    """Each connection asks again when it has its answer; the rates of the stages mean nothing then."""
    warm_up_s: float = 0.0
    """The first so many seconds count nowhere."""
    timeout_s: float = 2.0
    connections: int = 64
    """Over all workers and endpoints."""
    routing: str = "round-robin"
    """`round-robin`, `sticky` (a session stays with its node), or `owner` (the key's first replica)."""
    sessions: int = 64
    """So many users; each operation belongs to one of them."""
    retries: int = 0
    scan_length: int = 50
    """A scan asks for 1 to so many keys."""
    probing: Probing = Probing()
    records_history: bool = False
    preload: bool = True
    verifies: bool = True
    interval_s: float = 1.0
    """How often workers tell what they have seen."""

    @property
    def duration_s(self) -> float:
        """Of the run, the time before that counts included."""
        return duration_s(self.stages)

    @property
    def linearizable(self) -> bool:
        return self.mode == "linearizable"

    @property
    def groups_keys(self) -> bool:
        """Whether keys lie in groups that a scan can list: only then, as a group shares its replicas."""
        return bool(self.mix.operations.get("scan"))


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker process is told."""

    plan: Plan
    part: int
    parts: int
    history_file: str = ""
    owner_of: dict[int, list[int]] = {}
    """With routing `owner`: place of an endpoint to the keys whose first replica it is."""
