"""This node's part in forgetting dead keys: its votes, and the removal. The rule: `repair/tombstones.py`.

A yes is a statement about this moment, backed by the disk: before it is said, everything that it rests on is synced,
and the consent itself is counted in the age of this store.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.config import Config
from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout.keyspaces import split_record_key
from dynamo.node.buckets import BucketBook
from dynamo.node.hint_book import HintBook
from dynamo.node.records import Base, Records
from dynamo.node.steadiness import Steadiness
from dynamo.node.store_ages import StoreAgeBook
from dynamo.ports import Clock
from dynamo.protocol.bucket import Mode
from dynamo.protocol.messages import DeadKey, MayReap, Reap, ReapVotes
from dynamo.repair.tombstones import dead_for_ms, settle_min_s
from dynamo.replication.write import HINT_TIMEOUT_S
from dynamo.ring.preference_list import PreferenceLists
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.record import Record, decode, digest

Answer = Callable[[ReapVotes], None]


def settle_s(config: Config) -> float:
    """Time between the two looks."""
    requests, nodes = config.requests, len(config.cluster.members)
    least_s = settle_min_s(requests.timeout_max_s, config.hints.after_s, HINT_TIMEOUT_S, nodes)
    return max(config.tombstones.settle_s, least_s)


class Reaping:
    """One per node."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        preference: PreferenceLists,
        buckets: BucketBook,
        records: Records,
        hints: HintBook,
        ages: StoreAgeBook,
        metrics: Metrics,
    ) -> None:
        self._node = config.node.id
        self._age_min_ms = int(config.tombstones.age_min_s * 1000)
        self.settle_s = settle_s(config)
        """Time between the two looks: what is configured, or more where requests may live longer."""
        self._clock = clock
        self._preference = preference
        self._buckets = buckets
        self._records = records
        self._hints = hints
        self._ages = ages
        self._steadiness = Steadiness(clock, config.requests.clock_drift_max_ms)
        self._metrics = metrics

    def watch(self) -> None:
        """The node starts: from now on pauses are noticed."""
        self._steadiness.watch()

    def vote(self, message: MayReap, answer: Answer) -> None:
        """Answer MayReap, now or once what a yes rests on is on disk."""
        self._ages.hear(message.ages)
        votes = [self._vote(key) for key in message.keys]
        if not any(votes):
            answer(ReapVotes(votes, self._ages.mine))
            return

        def agreed(is_kept: bool) -> None:  # noqa: FBT001  # the callback's one argument
            answer(ReapVotes(votes if is_kept else [False] * len(votes), self._ages.mine))

        self._ages.agree(agreed)

    def remove(self, message: Reap, answer: Answer) -> None:
        """Answer Reap once everything that goes is durably gone; yes also where nothing was left to remove."""
        self._ages.hear(message.ages)
        votes = [False] * len(message.keys)
        left = len(votes)

        def settle(place: int, *, gone: bool) -> None:
            nonlocal left
            votes[place] = gone
            left -= 1
            if left == 0:
                answer(ReapVotes(votes, self._ages.mine))

        if not votes:
            answer(ReapVotes(votes, self._ages.mine))
        for place, key in enumerate(message.keys):
            self._remove(key, lambda gone, place=place: settle(place, gone=gone))  # type: ignore[misc]

    def is_old_enough(self, data: bytes) -> bool:
        """Whether a record, in byte form, has been dead for long enough: most are not, and need no closer look."""
        try:
            return self._is_old_enough(decode(data))
        except CorruptValue:
            return False  # the auditor and the healer see to it

    def is_candidate(self, bucket: str, key: bytes, base: Base) -> bool:
        """Whether this replica would have the key forgotten: dead for long enough, and nothing newer is waiting."""
        try:
            return self._objection_to(bucket, key, base) == ""
        except CorruptValue:
            return False  # the auditor and the healer see to it

    def _vote(self, key: DeadKey) -> bool:
        objection = self._objection(key)
        if objection:
            self._metrics.reap_votes_against[objection].value += 1
        return not objection

    def _objection(self, key: DeadKey) -> str:
        """Why the key must stay, as far as this node knows; empty if it may go."""
        if not self._steadiness.lasts(self.settle_s):
            return "unsteady"
        if self._hints.holds_any(key.bucket, key.key):
            return "hint"
        try:
            return self._objection_of_replica(key)
        except CorruptValue:
            return "damaged"

    def _objection_of_replica(self, key: DeadKey) -> str:
        base = self._records.base(key.bucket, key.key)
        if not base.data and not self._is_primary(base):
            return ""
        if not base.data or digest(base.record) != key.digest:
            return "version"
        return self._objection_to(key.bucket, key.key, base)

    def _objection_to(self, bucket: str, key: bytes, base: Base) -> str:
        properties = self._buckets.last(bucket)
        if properties is None:
            return "bucket"
        if properties.mode is Mode.LINEARIZABLE and self._records.has_votes(base):
            # What it accepted may yet be learnt, late: then its record is what holds down anything older.
            return "votes"
        if self._records.read(bucket, key) != base.data:
            return "queued"
        return "" if self._is_old_enough(base.record) else "young"

    def _is_old_enough(self, record: Record) -> bool:
        return dead_for_ms(record, self._clock.wall_ms()) >= self._age_min_ms

    def _is_primary(self, base: Base) -> bool:
        partition, bucket, _ = split_record_key(base.stored_key)
        properties = self._buckets.last(bucket)
        if properties is None:
            return True  # what this node does not know of the bucket must not make its silence a yes
        return self._node in self._preference.primaries(partition, properties.n)

    def _remove(self, key: DeadKey, done: Callable[[bool], None]) -> None:
        try:
            base = self._records.base(key.bucket, key.key)
            is_absent = not base.data and not self._records.read(key.bucket, key.key)
        except CorruptValue:
            done(False)
            return
        if not is_absent and self._objection(key):
            done(False)
            return

        def settled(error: DynamoError | None) -> None:
            if error is None and base.data:
                self._metrics.reaped_records.value += 1
            done(error is None)

        if base.data:
            self._records.remove(base, settled)
        else:
            self._records.barrier(settled, durable=True)
