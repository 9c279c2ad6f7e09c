"""Judges reads: finds out what they missed once all replies are there, and counts the verdicts. Off the client's path.

Most judged reads end at once: all replies are the same bytes. Otherwise the nodes that minted what was missed are asked
(`replication/inquiry.py`), a second or so later at the latest the verdict is there. How many may wait is bounded; a
read beyond that is counted as unresolved, and so is one whose replies or answers do not come. The rule itself:
`replication/staleness.py`; what is counted and what it means: docs/staleness.md.
"""

from __future__ import annotations

import msgspec

from dynamo.config import Config
from dynamo.errors import CorruptValue, DynamoError
from dynamo.node.driver import Driver
from dynamo.node.recent_acks import RecentAcks
from dynamo.node.replica import Minted
from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.commands import ReadCommand, ReadOutcome, WriteCommand
from dynamo.replication.inquiry import Facts, Inquiry
from dynamo.replication.read_repair import Resolve
from dynamo.replication.remote_clock import RemoteClock
from dynamo.replication.staleness import FRESH, NOBODY_KNOWS, Evidence, Judgement, Views, judged
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.clock import Clock, descends

ANSWER_S = 1.0
"""How long a coordinator may take to say what it acknowledged."""


class JudgeStatus(msgspec.Struct, frozen=True):
    """What an operator is shown."""

    enabled: bool
    sample: float
    """Share of the reads that is judged where a bucket says nothing."""
    waiting: int
    """Judged reads that wait for a coordinator's answer."""
    acks_remembered: int
    """Writes of which this node can say whether and when it acknowledged them."""


class Judge:
    """One per node."""

    def __init__(
        self,
        config: Config,
        driver: Driver,
        metrics: Metrics,
    ) -> None:
        settings = config.telemetry
        self._members = [member.id for member in config.cluster.members]
        self._driver = driver
        self._series = metrics.staleness
        self._linearizable = metrics.requests["get", "linearizable"].outcomes["ok"]
        self._share = settings.staleness_sample
        self._waiting_max = settings.checks_max
        self._waiting = 0
        self._writes = 0.0
        """Shares of writes, summed up: at 1 the next one is watched. No dice: they would cost as much as the rest."""
        self._clocks: dict[str, RemoteClock] = {}
        self.recent = RecentAcks(driver.clock, settings.acks_remembered, settings.acks_age_s)
        self.enabled = settings.staleness
        metrics.on_scrape(self.refresh)

    def switch(self, *, on: bool) -> None:
        """Begin or cease to judge, until the next restart. What was acknowledged while it was off stays unknown."""
        self.enabled = on
        if not on:
            self.recent.clear()

    def status(self) -> JudgeStatus:
        """How it stands."""
        return JudgeStatus(self.enabled, self._share, self._waiting, len(self.recent))

    def share(self, bucket: BucketProperties) -> float:
        """Which share of a bucket's requests is looked at."""
        if not self.enabled or bucket.n == 1:
            return 0.0
        return self._share if bucket.staleness_sample is None else bucket.staleness_sample

    def refresh(self) -> None:
        """Bring the gauges up to date: before a scrape."""
        series = self._series
        series.sample_ratio.value = self._share if self.enabled else 0.0
        series.waiting.value = self._waiting
        if self.enabled:
            # A linearizable read is fresh by the way in which it is made: there is nothing to find out.
            read = int(self._linearizable.value) - int(series.levels["linearizable"].verdicts[FRESH].value)
            series.levels["linearizable"].count_fresh(max(0, read))
        for peer, clock in self._clocks.items():
            if peer in series.clock_offset_s:
                series.clock_offset_s[peer].value = clock.offset_s
                series.clock_error_s[peer].value = clock.error_s

    def chosen(self, bucket: str, key: bytes, version: int) -> None:
        """This node acknowledges a change of a linearizable key."""
        if self.enabled:
            self.recent.chosen(bucket, key, version)

    def session(self, command: ReadCommand, level: str, fell_short: Clock | None) -> None:
        """A read with a context: whether its first replies would have done; if not, what they had seen."""
        if not self.enabled or command.context is None:
            return
        wrote = command.context_wrote
        others = {actor: counter for actor, counter in command.context.items() if counter > wrote.get(actor, 0)}
        for guarantee, demanded in (("read_your_writes", wrote), ("monotonic_reads", others)):
            if demanded:
                kept = fell_short is None or descends(fell_short, demanded)
                self._series.sessions[level, guarantee, "kept" if kept else "violated"].value += 1

    def watched(self, command: WriteCommand, bucket: BucketProperties, minted: Minted) -> list[float] | None:
        """Take note of a write that begins. If it is one of the sample: a list for the times of its acknowledgements,
        that of its beginning in front.
        """
        if not self.enabled:
            return None
        if not minted.repeated:
            self.recent.begun(command.bucket, command.key, minted.dot, minted.previous)
        self._writes += self.share(bucket)
        if self._writes < 1.0:
            return None
        self._writes -= 1.0
        return [self._driver.clock.monotonic()]

    def acknowledged(self, times: list[float]) -> None:
        """When a watched write began, and when the replicas acknowledged it."""
        for histogram, at in zip(self._series.ack_times, times[1:], strict=False):
            histogram.observe(at - times[0])

    def read(
        self,
        command: ReadCommand,
        level: str,
        outcome: ReadOutcome | DynamoError | None,
        evidence: Evidence,
        primaries: tuple[str, ...],
        resolve: Resolve,
    ) -> None:
        """Judge a read of which nothing more will come. One that failed is none."""
        if not isinstance(outcome, ReadOutcome):
            return
        for histogram, at in zip(self._series.reply_times, evidence.times, strict=False):
            histogram.observe(at - evidence.started_at)
        if not evidence.is_complete(primaries):
            self._count(level, NOBODY_KNOWS, [NOBODY_KNOWS] * len(primaries))
        elif evidence.agrees():
            self._count_fresh(level, len(primaries))
        else:
            self._look_closer(command, level, outcome, evidence, primaries, resolve)

    def _look_closer(
        self,
        command: ReadCommand,
        level: str,
        outcome: ReadOutcome,
        evidence: Evidence,
        primaries: tuple[str, ...],
        resolve: Resolve,
    ) -> None:
        """The replicas differ: ask those who made what was missed."""
        try:
            views = Views.of(evidence, outcome.record, resolve)
        except CorruptValue:
            self._count(level, NOBODY_KNOWS, [NOBODY_KNOWS] * len(primaries))
            return
        spans = views.missed()
        if not spans:
            self._count_fresh(level, len(primaries))
            return
        if self._waiting >= self._waiting_max:
            self._series.shed.value += 1
            self._count(level, NOBODY_KNOWS, [NOBODY_KNOWS] * len(primaries))
            return
        deadline = self._driver.clock.monotonic() + ANSWER_S
        machine = Inquiry(command.bucket, command.key, spans, primaries, self._members, self._clocks, deadline)

        def told(facts: Facts | DynamoError) -> None:
            assert not isinstance(facts, DynamoError), facts
            self._waiting -= 1
            started_at = evidence.started_at
            count = len(primaries)
            whatif = [judged(view, facts, started_at, n, count) for n, view in enumerate(views.after, start=1)]
            self._count(level, judged(views.answer, facts, started_at, outcome.replicas, count), whatif)

        self._waiting += 1
        self._driver.run(machine, deadline, "", told)

    def _count_fresh(self, level: str, replies: int) -> None:
        self._series.levels[level].count_fresh(1)
        for cells in self._series.whatif[:replies]:
            cells[FRESH].value += 1

    def _count(self, level: str, judgement: Judgement, whatif: list[Judgement]) -> None:
        self._series.levels[level].count(*judgement)
        for cells, would_be in zip(self._series.whatif, whatif, strict=False):
            cells[would_be.verdict].value += 1
