"""GET, HEAD, PUT, POST and DELETE of one key, and POST of a value whose key the server makes."""

from __future__ import annotations

import os
from collections.abc import Awaitable
from typing import NamedTuple

from multidict import istr
from xxhash import xxh3_128_digest

from dynamo.api import parameters, wire
from dynamo.api.answer import Answer
from dynamo.api.call import Call, Pending
from dynamo.api.desk import Desk, now_ms
from dynamo.api.facade import Node
from dynamo.api.faces import Faces
from dynamo.api.problems import Refusal
from dynamo.api.register_lines import place_lines
from dynamo.api.registers import LEVEL, Registers, reads_weaker, shown_of
from dynamo.api.representation import Shown, one_value, several_values
from dynamo.errors import DynamoError, KeyNotFound, PreconditionFailed, SiblingsPresent
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import ReadCommand, ReadOutcome, WriteCommand, WriteOutcome
from dynamo.protocol.http_fields import (
    ACKS,
    CONTEXT,
    DELETED,
    REQUEST_ID,
    SIBLINGS,
    VERSION,
)
from dynamo.replication.quorum import read_quorum, write_quorum
from dynamo.versioning.record import Record, decode

PLANS_MAX = 1024
_ACCEPT = istr("Accept")
_CONTEXT = istr(CONTEXT)
_IF_MATCH = istr("If-Match")
_IF_NONE_MATCH = istr("If-None-Match")


class _Plan(NamedTuple):
    """What reads of a bucket with one and the same query are about."""

    properties: BucketProperties
    options: parameters.ReadOptions
    level: str
    """The word that they are counted under."""
    timeout_s: float
    is_settled: bool
    """Whether they ask what a linearizable key holds now."""


class Records(Desk):
    """The handlers of single keys."""

    def __init__(self, node: Node, registers: Registers) -> None:
        super().__init__(node)
        self._registers = registers
        self._plans: dict[tuple[str, str], _Plan] = {}
        self._faces = Faces()
        self._count_values = node.metrics.read_siblings.observe

    async def get(self, call: Call) -> Answer:
        """GET and HEAD."""
        properties = self._node.buckets.known(call.bucket_segment)
        bucket = wire.bucket_of(call.bucket_segment) if properties is None else call.bucket_segment
        properties = properties or self.bucket(bucket)
        face = self._faces.get(call.path)
        key = wire.key_of(call.key_segment) if face is None else face.key
        plan = self._plan(properties, bucket, call.query)
        if plan.is_settled:
            settled = await self._registers.read(call, bucket, key, plan.timeout_s)
            answer = self._registers.plain_value(call, bucket, key, settled) if call.is_bare else None
            return answer or self._shown(call, shown_of(bucket, key, settled), plan.options.siblings)
        pending = self._begin(call, plan, bucket, key)
        outcome = pending.outcome() if pending.settled else await pending
        ring, data = self._node.ring, outcome.data
        if face is not None and face.shows(properties, ring, data) and (call.is_bare or not _has_conditions(call)):
            if properties.mode is not Mode.LINEARIZABLE:
                self._count_values(1)
            return face.answer(call.trace, data)
        shown = Shown(bucket, key, outcome.record, now_ms())
        if properties.mode is not Mode.LINEARIZABLE:
            self._count_values(len(shown.live))
        answer = self._shown(call, shown, plan.options.siblings)
        if answer.status == 200 and data and shown.record is not None:
            self._faces.keep(call.path, properties, ring, key, shown.record, data, answer)
        return answer

    def put(self, call: Call) -> Awaitable[Answer]:
        """PUT and POST of a key."""
        bucket, key = wire.bucket_of(call.bucket_segment), wire.key_of(call.key_segment)
        if self.bucket(bucket).mode is Mode.LINEARIZABLE:
            return self._registers.store(call, bucket, key)
        return self._store(call, bucket, key)

    async def post(self, call: Call) -> Answer:
        """POST to a bucket. The key is made from the Idempotency-Key, if there is one, so that a repeat meets it."""
        bucket = wire.bucket_of(call.bucket_segment)
        named = wire.idempotency_key(call.request)
        key = made_key() if named is None else key_from(bucket, named)
        if self.bucket(bucket).mode is Mode.LINEARIZABLE:
            answer = await self._registers.store(call, bucket, key.encode(), absent=True)
        else:
            answer = await self._store(call, bucket, key.encode())
        answer.fields["Location"] = f"/v1/kv/{bucket}/{key}"
        return Answer(201, answer.fields, answer.payload, answer.fixed) if answer.status in (200, 204) else answer

    async def delete(self, call: Call) -> Answer:
        """DELETE. Answered 204 whether there was a value or not: a tombstone is written."""
        bucket, key = wire.bucket_of(call.bucket_segment), wire.key_of(call.key_segment)
        if self.bucket(bucket).mode is Mode.LINEARIZABLE:
            return await self._registers.delete(call, bucket, key)
        options = parameters.write_options(call.query, parameters.DELETE)
        command = write_command(options, bucket, key)
        properties = self.bucket(bucket)
        call.level = write_quorum(properties, command).level
        self._conditions(call, command, properties)
        deadline = self.deadline(call, self.timeout_s(options.timeout_s))
        outcome = await self.write(command, deadline, call.trace)
        return Answer(204, {}, b"", self._written(call, command, outcome, decode(outcome.record)))

    def read_level(self, bucket: str, options: parameters.ReadOptions) -> str:
        """The word that a read is counted under. Raises InvalidParameter, as the node would."""
        return read_quorum(self.bucket(bucket), read_command(options, bucket, b"")).level

    def write_level(self, bucket: str, options: parameters.WriteOptions) -> str:
        """The same of a write."""
        return write_quorum(self.bucket(bucket), write_command(options, bucket, b"")).level

    async def read(self, command: ReadCommand, deadline: float, trace: str) -> ReadOutcome:
        """Raises DynamoError."""
        pending: Pending[ReadOutcome] = Pending()
        self._node.read(command, deadline, trace, pending.done)
        return await pending

    async def write(self, command: WriteCommand, deadline: float, trace: str) -> WriteOutcome:
        """Raises DynamoError."""
        pending: Pending[WriteOutcome] = Pending()
        self._node.write(command, deadline, trace, pending.done)
        return await pending

    def _plan(self, properties: BucketProperties, bucket: str, query: str) -> _Plan:
        """What the reads of a bucket with that query are about. Raises InvalidParameter."""
        plan = self._plans.get((bucket, query))
        if plan is None or plan.properties is not properties:
            options = parameters.read_options(query)
            is_settled = properties.mode is Mode.LINEARIZABLE and not reads_weaker(options)
            level = LEVEL if is_settled else self.read_level(bucket, options)
            plan = _Plan(properties, options, level, self.timeout_s(options.timeout_s), is_settled)
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            self._plans[bucket, query] = plan
        return plan

    def _begin(self, call: Call, plan: _Plan, bucket: str, key: bytes) -> Pending[ReadOutcome]:
        """Begin a quorum read. Raises BadContext, Overloaded."""
        call.level = plan.level
        command = read_command(plan.options, bucket, key)
        if not call.is_bare and _CONTEXT in call.request.headers:
            context = wire.context_of(call.request, bucket, key)
            assert context is not None, "its field is there"
            command.context, command.context_hybrid = context.clock, context.hybrid
            command.context_wrote = context.wrote
        pending: Pending[ReadOutcome] = Pending()
        self._node.read(command, self.deadline(call, plan.timeout_s), call.trace, pending.done)
        return pending

    async def _store(self, call: Call, bucket: str, key: bytes) -> Answer:
        options = parameters.write_options(call.query)
        properties = self.bucket(bucket)
        command = write_command(options, bucket, key)
        call.level = write_quorum(properties, command).level
        timeout_s = self.timeout_s(options.timeout_s)
        self._conditions(call, command, properties)
        command.content_type = wire.content_type_of(call.request)
        command.meta = wire.meta_of(call.request)
        command.value = await self.body(call, self.value_limit(properties))
        deadline = self.deadline(call, timeout_s)
        outcome = await self.write(command, deadline, call.trace)
        record = decode(outcome.record)
        written = Answer(204, {}, b"", self._written(call, command, outcome, record))
        if wire.return_representation(call.request):
            return await self._returned(call, command, record, deadline, outcome) or written
        return written

    def _conditions(self, call: Call, command: WriteCommand, properties: BucketProperties) -> None:
        """What a write's header fields say of the version it builds on, and of its identity."""
        wire.refuse_conditions(call.request, properties)
        context = wire.context_of(call.request, command.bucket, command.key)
        wire.require_context(properties, context)
        if context is not None:
            command.context, command.context_hybrid = context.superseded, context.hybrid
        command.request = wire.identity(command.bucket, command.key, wire.idempotency_key(call.request))

    def _shown(self, call: Call, shown: Shown, wanted: str) -> Answer:
        fields = self.base_fields(call)
        fields[CONTEXT] = shown.context()
        if shown.version is not None:
            fields[VERSION] = str(shown.version)
        if not shown.live:
            if shown.deleted:
                fields[DELETED] = "true"
                if shown.version is not None:
                    fields["ETag"] = f'"{shown.tag()}"'
            raise Refusal(missing(shown), fields)
        tag = shown.tag()
        fields["ETag"] = f'"{tag}"'
        headers = call.request.headers
        wanted_tags, known_tags = headers.get(_IF_MATCH), headers.get(_IF_NONE_MATCH)
        if wanted_tags is not None and not names_tag(wanted_tags, tag):
            raise Refusal(PreconditionFailed("the key's versions are others", current_etag=tag), fields)
        if known_tags is not None and names_tag(known_tags, tag):
            return Answer(304, fields)
        if len(shown.live) == 1:
            return one_value(shown, shown.live[0], fields)
        if wanted == "lww":
            return one_value(shown, shown.newest(), fields)
        if wanted == "fail":
            count = len(shown.live)
            fields[SIBLINGS] = str(count)
            raise Refusal(SiblingsPresent(f"the key has {count} concurrent values", siblings=count), fields)
        return several_values(shown, fields, headers.get(_ACCEPT, ""))

    def _written(self, call: Call, command: WriteCommand, outcome: WriteOutcome, record: Record) -> bytes:
        """The header fields of the answer to a write."""
        shown = Shown(command.bucket, command.key, record, now_ms())
        text = (
            f"{REQUEST_ID}: {call.trace}\r\n{place_lines(outcome.coordinator, self._node.ring.epoch)}"
            f'{CONTEXT}: {shown.context_of_write(command)}\r\nETag: "{shown.tag()}"\r\n'
            f"{SIBLINGS}: {len(shown.live)}\r\n{ACKS}: {_acks(outcome)}\r\n"
        )
        return text.encode()

    async def _returned(
        self, call: Call, command: WriteCommand, record: Record, deadline: float, written: WriteOutcome
    ) -> Answer | None:
        """The object after the write. It is a preference: None where it cannot be read in time."""
        read = ReadCommand(bucket=command.bucket, key=command.key, context=record.clock)
        try:
            outcome = await self.read(read, deadline, call.trace)
            answer = self._shown(call, Shown(command.bucket, command.key, outcome.record, now_ms()), "all")
        except (DynamoError, Refusal):
            return None
        answer.fields[ACKS] = _acks(written)
        answer.fields["Preference-Applied"] = "return=representation"
        return answer


def read_command(options: parameters.ReadOptions, bucket: str, key: bytes) -> ReadCommand:
    """The command of a read's options."""
    return ReadCommand(
        bucket=bucket, key=key, consistency=options.consistency, r=options.r, pr=options.pr, sloppy=options.sloppy
    )


def write_command(options: parameters.WriteOptions, bucket: str, key: bytes) -> WriteCommand:
    """The command of a write's options: a delete, until it gets a value; without an identity yet."""
    return WriteCommand(
        bucket=bucket,
        key=key,
        value=None,
        request=b"",
        consistency=options.consistency,
        w=options.w,
        dw=options.dw,
        pw=options.pw,
        sloppy=options.sloppy,
        ttl_ms=options.ttl_ms,
    )


def made_key() -> str:
    """A fresh UUID version 7 (RFC 9562): 48 bits of milliseconds, so that keys sort by the time they were made."""
    bits = int.from_bytes(os.urandom(16), "big") & ((1 << 80) - 1) | (now_ms() << 80)
    return _uuid(bits, version=7)


def key_from(bucket: str, named: str) -> str:
    """The UUID version 8 of a bucket and an Idempotency-Key: a repeated POST meets the key it made."""
    return _uuid(int.from_bytes(xxh3_128_digest(bucket.encode() + b"\0" + named.encode()), "big"), version=8)


def _uuid(bits: int, version: int) -> str:
    bits = bits & ~(0xF << 76) | (version << 76)
    bits = bits & ~(0x3 << 62) | (0x2 << 62)
    text = f"{bits:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def missing(shown: Shown) -> KeyNotFound:
    """Why there is nothing to show."""
    if shown.deleted:
        return KeyNotFound("the key was deleted or has expired", deleted=True)
    return KeyNotFound("the key was never written, or its delete is forgotten", deleted=False)


def _acks(outcome: WriteOutcome) -> str:
    return f"primaries={outcome.primaries} fallbacks={outcome.fallbacks}"


def _has_conditions(call: Call) -> bool:
    headers = call.request.headers
    return _IF_MATCH in headers or _IF_NONE_MATCH in headers


def names_tag(header: str, tag: str) -> bool:
    """Whether a list of entity tags names this one, or any."""
    return any(part.strip().removeprefix("W/") in ("*", f'"{tag}"') for part in header.split(","))
