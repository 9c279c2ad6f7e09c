"""A node without a cluster: the facade that the API calls, in memory, with the real versions, ring and admission.

It answers at once, like a local read, unless a test holds its answers back or tells it what to fail with.
"""

import asyncio
from collections.abc import Callable

import msgspec

from dynamo.api.records import now_ms
from dynamo.config import Config, MemberSection
from dynamo.consensus.change import Change, evaluate, seen
from dynamo.consensus.record import as_record
from dynamo.errors import (
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    DynamoError,
    IdempotencyMismatch,
    InvalidParameter,
    ModeConflict,
)
from dynamo.layout.register import ABSENT, Register
from dynamo.node.admission import Admission
from dynamo.node.audit_book import AuditStatus
from dynamo.node.hint_desk import HintStatus
from dynamo.node.judging import JudgeStatus
from dynamo.node.pbs_book import PbsBook
from dynamo.node.rebuilding import Rebuilding
from dynamo.node.repairs import RepairBoard
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import (
    ChangeCommand,
    ChangeOutcome,
    ListCommand,
    ListOutcome,
    ReadCommand,
    ReadOutcome,
    WriteCommand,
    WriteOutcome,
)
from dynamo.protocol.messages import MemberState, StatusReport
from dynamo.replication.legs import Legs
from dynamo.replication.quorum import read_quorum, write_quorum
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Member, first_ring
from dynamo.telemetry.history import History
from dynamo.telemetry.metrics import Metrics
from dynamo.telemetry.stall import Stall
from dynamo.versioning.clock import covers
from dynamo.versioning.hybrid_time import HybridClock
from dynamo.versioning.record import Record, Sibling, encode
from dynamo.versioning.siblings import EMPTY, newest_only, written

MEMBERS = tuple(MemberSection(id=f"node{i}", client_port=7600 + 10 * i) for i in (1, 2, 3, 4))


class Buckets:
    def __init__(self) -> None:
        self.book: dict[str, BucketProperties] = {}

    def known(self, name: str) -> BucketProperties | None:
        return self.book.get(name)

    existing = known

    def all(self) -> list[BucketProperties]:
        return [self.book[name] for name in sorted(self.book)]


class _Clock:
    """Stands still."""

    def monotonic(self) -> float:
        return 1000.0


class HintDesk:
    """Hints of which nothing is delivered until a test says so."""

    def __init__(self) -> None:
        self.paused = False
        self.inflight = 0
        self.held = {"node2": 3, "node3": 1}
        self.delivered = asyncio.Event()
        self.fail_with: DynamoError | None = None

    def status(self) -> list[HintStatus]:
        return [HintStatus(t, count, 100 * count, 1.5, t == "node3", "") for t, count in sorted(self.held.items())]

    async def pause(self) -> None:
        await self._switch(paused=True)

    async def resume(self) -> None:
        await self._switch(paused=False)

    async def drop(self, target: str) -> int:
        if target not in self.held:
            raise InvalidParameter("no hints are kept for it", parameter="target")
        return self.held.pop(target)

    async def wait(self, deadline: float) -> list[str]:
        try:
            async with asyncio.timeout(deadline - asyncio.get_running_loop().time()):
                await self.delivered.wait()
        except TimeoutError:
            return sorted(self.held)
        self.held = {}
        return []

    async def _switch(self, *, paused: bool) -> None:
        if self.fail_with is not None:
            raise self.fail_with
        self.paused = paused


class FakeAudit:
    """An audit that begins when it is asked for."""

    running = False

    def status(self) -> AuditStatus:
        return AuditStatus(self.running, 3, 8, 100, 2, 1, 0, 1, None if self.running else 9.5)

    def ask(self) -> None:
        self.running = True


class FakeJudge:
    """A judge that only knows whether it is on."""

    enabled = True

    def status(self) -> JudgeStatus:
        return JudgeStatus(self.enabled, 0.1, 2, 34)

    def switch(self, *, on: bool) -> None:
        self.enabled = on


class FakeNode:
    def __init__(self, config: Config) -> None:
        cluster = msgspec.structs.replace(config.cluster, members=MEMBERS, partitions=16)
        self.config = msgspec.structs.replace(config, cluster=cluster)
        self.id = "node1"
        members = [Member(m.id, m.host, m.peer_port, m.client_port, m.ops_port) for m in MEMBERS]
        self.ring = first_ring(members, 16, epoch=7)
        self.preference = PreferenceLists(self.ring)
        self.stall = Stall(config.requests.timeout_s)
        self.admission = Admission(config.limits.inflight_max, stall=self.stall)
        self.metrics = Metrics(["node2", "node3", "node4"], "test")
        self.buckets = Buckets()
        self.hint_desk = HintDesk()
        self.repairs = RepairBoard(_Clock(), Rebuilding(16, 0, _Clock(), None), enabled=True)
        self.audit = FakeAudit()
        self.judge = FakeJudge()
        self.history = History(self.metrics)
        self.pbs = PbsBook(self.config, self.preference, Legs(["node2", "node3", "node4"]))
        self.records: dict[tuple[str, bytes], Record] = {}
        self.registers: dict[tuple[str, bytes], Register] = {}
        self.commands: list[ReadCommand | WriteCommand | ChangeCommand | ListCommand] = []
        self.traces: list[str] = []
        self.deadlines: list[float] = []
        self.reasons: list[str] = []
        self.members: list[MemberState] = []
        self.fail_with: DynamoError | Exception | None = None
        self.hold = False
        self.held: list[Callable[[], None]] = []
        self._counter = 0
        self._hybrid = HybridClock(drift_max_ms=1000)

    def release(self) -> None:
        """Let everything held back have its outcome."""
        self.hold = False
        held, self.held = self.held, []
        for answer in held:
            answer()

    def read(self, command: ReadCommand, deadline: float, trace: str, done) -> None:
        self._carry_out(command, deadline, trace, done, lambda: self._read(command))

    def write(self, command: WriteCommand, deadline: float, trace: str, done) -> None:
        self._carry_out(command, deadline, trace, done, lambda: self._write(command))

    def change(self, command: ChangeCommand, deadline: float, trace: str, done) -> None:
        self._carry_out(command, deadline, trace, done, lambda: self._change(command))

    def read_register(self, bucket: str, key: bytes, deadline: float, trace: str, done) -> None:
        self._carry_out(None, deadline, trace, done, lambda: self._seen(bucket, key))

    async def list_keys(self, command: ListCommand, deadline: float, trace: str) -> ListOutcome:
        self._note(command, deadline, trace)
        wanted = sorted(
            (self.preference.partition(bucket, key), key, record)
            for (bucket, key), record in self.records.items()
            if bucket == command.bucket
            and record.live(now_ms())
            and key.startswith(command.prefix)
            and key >= command.start
            and (not command.end or key < command.end)
        )
        page = [entry for entry in wanted if command.after is None or entry[:2] > command.after]
        shown = [(key, record) for _, key, record in page[: command.limit]]
        more = len(page) > command.limit
        return ListOutcome(shown, page[command.limit - 1][:2] if more else None)

    async def put_bucket(self, wanted: BucketProperties, deadline: float, trace: str) -> BucketProperties:
        self._note(None, deadline, trace)
        existing = self.buckets.known(wanted.name)
        if existing is not None and (existing.mode, existing.n) != (wanted.mode, wanted.n):
            raise BucketExists("it exists with other fixed properties")
        self.buckets.book[wanted.name] = wanted
        return wanted

    async def delete_bucket(self, name: str, deadline: float, trace: str) -> None:
        self._note(None, deadline, trace)
        if name not in self.buckets.book:
            raise BucketNotFound("there is no such bucket")
        if any(bucket == name and record.live(now_ms()) for (bucket, _), record in self.records.items()):
            raise BucketNotEmpty("it has keys")
        del self.buckets.book[name]

    def readiness(self) -> list[str]:
        return self.reasons

    async def cluster_status(self, deadline: float, trace: str) -> list[StatusReport | str]:
        mine = StatusReport("node1", "0.1.0", 7, "0000abcd", ["node2"], len(self.records), 4096, 1.5, self.members)
        return [mine, "node2"]

    def _note(self, command, deadline: float, trace: str) -> None:
        if command is not None:
            self.commands.append(command)
        self.deadlines.append(deadline)
        self.traces.append(trace)
        if self.fail_with is not None:
            raise self.fail_with

    def _carry_out(self, command, deadline: float, trace: str, done, work) -> None:
        def answer() -> None:
            try:
                self._note(command, deadline, trace)
                outcome = work()
            except DynamoError as error:
                outcome = error
            done(outcome)

        if self.hold:
            self.held.append(answer)
        else:
            answer()

    def _bucket(self, name: str) -> BucketProperties:
        defaults = self.config.buckets
        return self.buckets.known(name) or BucketProperties(name=name, mode=Mode(defaults.mode), n=defaults.n)

    def _read(self, command: ReadCommand) -> ReadOutcome:
        quorum = read_quorum(self._bucket(command.bucket), command)
        record = self.records.get((command.bucket, command.key))
        return ReadOutcome(record, quorum.needed, 0, b"" if record is None else encode(record))

    def _write(self, command: WriteCommand) -> WriteOutcome:
        bucket = self._bucket(command.bucket)
        if bucket.mode is Mode.LINEARIZABLE:
            raise ModeConflict("linearizable buckets take changes only")
        quorum = write_quorum(bucket, command)
        self.buckets.book.setdefault(bucket.name, bucket)
        at = (command.bucket, command.key)
        base = self.records.get(at, EMPTY)
        repeated = next((s for s in base.siblings if s.request == command.request), None)
        if repeated is not None and repeated.value != command.value:
            raise IdempotencyMismatch("the key was used for another write")
        if repeated is None:
            base = self.records[at] = self._minted(base, command, bucket)
        return WriteOutcome(encode(base), quorum.needed, 0, self.id, repeated is not None)

    def _seen(self, bucket: str, key: bytes) -> ChangeOutcome:
        outcome = seen(self.registers.get((bucket, key), ABSENT))
        outcome.coordinator = self.id
        return outcome

    def _change(self, command: ChangeCommand) -> ChangeOutcome:
        bucket = self._bucket(command.bucket)
        assert bucket.mode is Mode.LINEARIZABLE
        self.buckets.book.setdefault(bucket.name, bucket)
        at = (command.bucket, command.key)
        self._counter += 1
        moment = now_ms() + self._counter
        after, (result,), changed = evaluate(self.registers.get(at, ABSENT), [Change(command)], moment)
        if isinstance(result, DynamoError):
            raise result
        if changed:
            self.registers[at] = after
            self.records[at] = as_record(after)
        result.coordinator = self.id
        return result

    def _minted(self, base: Record, command: WriteCommand, bucket: BucketProperties) -> Record:
        self._counter += 1
        ttl_ms = bucket.ttl_s * 1000 if command.ttl_ms is None else command.ttl_ms
        sibling = Sibling(
            "node1.0000abcd",
            self._counter,
            self._hybrid.tick(now_ms(), command.context_hybrid),
            command.value,
            command.content_type,
            command.meta,
            now_ms() + ttl_ms if ttl_ms else 0,
            command.request,
        )
        assert not covers(base.clock, sibling.dot)
        record = written(base, command.context or {}, sibling)
        return newest_only(record)[0] if bucket.mode is Mode.LWW else record
