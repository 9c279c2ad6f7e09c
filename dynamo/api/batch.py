"""POST of several operations at once: saves round trips, and is no transaction. Each stands alone; the answer says so.

All operations are started together, so an operation must not rely on another one of its batch.
"""

from __future__ import annotations

import time
from typing import Literal

import msgspec

from dynamo.api import parameters, problems, wire
from dynamo.api.answer import Answer, json_answer
from dynamo.api.call import Call, Pending
from dynamo.api.conditions import version_of
from dynamo.api.desk import now_ms
from dynamo.api.facade import Node
from dynamo.api.json_values import either, meta_of, value_type
from dynamo.api.parameters import ReadOptions, WriteOptions
from dynamo.api.records import Records, missing, read_command, write_command
from dynamo.api.registers import (
    LEVEL,
    not_met,
    reads_weaker,
    refuse_ttl,
    refuse_write_options,
    shown_of,
)
from dynamo.api.representation import Shown, sibling_json
from dynamo.errors import BadRequest, DynamoError, ValueTooLarge
from dynamo.node.admission import shed_reason
from dynamo.protocol.bucket import BucketProperties, Mode, check_name
from dynamo.protocol.commands import (
    Action,
    ChangeCommand,
    ChangeOutcome,
    Condition,
    ReadCommand,
    ReadOutcome,
    WriteCommand,
    WriteOutcome,
)
from dynamo.protocol.http_fields import BATCH_MAX, REQUEST_ID
from dynamo.ring.token import key_hash
from dynamo.versioning.context import Context, from_token
from dynamo.versioning.record import decode

WINDOW = 10
"""Operations under way at a time: with `ANSWER_BYTES_MAX` it bounds what one batch holds in memory."""
ANSWER_BYTES_MAX = 16 * 2**20
"""Values that one answer carries; reads beyond get an error of their own."""


class Operation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One operation. Exactly one of `key` and `key_b64`; a put has exactly one of `value` (text) and `value_b64`."""

    op: Literal["get", "put", "delete"]
    bucket: str
    key: str | None = None
    key_b64: str | None = None
    value: str | None = None
    value_b64: str | None = None
    content_type: str | None = None
    meta: dict[str, str] | None = None
    context: str | None = None
    ttl: str | None = None


class Operations(msgspec.Struct, forbid_unknown_fields=True):
    """A batch."""

    operations: list[Operation]


Outcome = ReadOutcome | WriteOutcome | ChangeOutcome
_decoder = msgspec.json.Decoder(Operations)
_VALUE_FIELDS = ("value", "value_b64", "content_type", "meta", "ttl")


class _Item:
    """One operation between its start and its result. Counted in admission and metrics like a request of its own."""

    def __init__(self, node: Node, call: Call, operation: Operation, born: int) -> None:
        self._node = node
        self.call = call
        self.born = born
        """See `Desk.born`."""
        self._entered = False
        self.operation = operation
        self.key = b""
        self.command: WriteCommand | ChangeCommand | None = None
        """Of a write."""
        self.level = "none"
        self.size_bytes = 0
        """Values that the result carries."""
        self.pending: Pending[Outcome] = Pending()

    def enter(self) -> None:
        """Raises Overloaded or Draining."""
        refused = self._node.admission.enter(arrived=self.call.started)
        if refused is not None:
            self._node.metrics.shed_requests[shed_reason(refused)].value += 1
            raise refused
        self._entered = True

    def settle(self, outcome: Outcome | DynamoError) -> None:
        """It has its outcome: what the node calls back."""
        if self._entered:
            self._node.admission.leave()
            word = problems.outcome_of(outcome) if isinstance(outcome, DynamoError) else "ok"
            series = self._node.metrics.requests[self.operation.op, self.level]
            series.finished(word, time.monotonic() - self.call.started)
        self.pending.done(outcome)

    async def result(self) -> dict[str, object]:
        """The operation's place in the answer."""
        try:
            return self._shown(await self.pending)
        except DynamoError as error:
            return self.refused(error)

    def _shown(self, outcome: Outcome) -> dict[str, object]:
        bucket = self.operation.bucket
        if isinstance(outcome, ChangeOutcome):
            shown = shown_of(bucket, self.key, outcome)
            self.size_bytes = sum(len(s.value or b"") for s in shown.live)
            if self.operation.op == "get":
                return _found(shown)
            assert isinstance(self.command, ChangeCommand), "a change's outcome is a change command's"
            return _changed(shown, outcome, self.command)
        if isinstance(outcome, ReadOutcome):
            record = outcome.record
            self.size_bytes = 0 if record is None else sum(len(s.value or b"") for s in record.siblings)
            shown = Shown(bucket, self.key, outcome.record, now_ms())
            self._node.metrics.read_siblings.observe(len(shown.live))
            return _found(shown)
        assert isinstance(self.command, WriteCommand), "a write's outcome is a write command's"
        return _written(Shown(bucket, self.key, decode(outcome.record), now_ms()), outcome, self.command)

    def refused(self, error: DynamoError) -> dict[str, object]:
        """The result of an operation that failed."""
        method = "GET" if self.operation.op == "get" else "PUT"
        return problems.body(error, self.call.trace, method)


class Batch:
    """The handler of batches."""

    def __init__(self, node: Node, records: Records) -> None:
        self._node = node
        self._records = records
        self._limits = node.config.limits

    async def post(self, call: Call) -> Answer:
        reading = parameters.read_options(call.query, parameters.BATCH)
        writing = parameters.write_options(call.query, parameters.BATCH)
        timeout_s = self._records.timeout_s(reading.timeout_s)
        named, born = wire.idempotency_key(call.request), self._records.born(call)
        wire.require_json(call.request)
        body_bytes = wire.announced_bytes(call.request, self._limits.object_bytes_max)
        if refused := self._node.admission.reserve(body_bytes):
            self._node.metrics.shed_requests[shed_reason(refused)].value += 1
            raise refused
        try:
            return await self._carried_out(call, reading, writing, timeout_s, named, born)
        finally:
            self._node.admission.free(body_bytes)

    async def _carried_out(
        self, call: Call, reading: ReadOptions, writing: WriteOptions, timeout_s: float, named: str | None, born: int
    ) -> Answer:
        body = await wire.body_of(call.request, self._limits.object_bytes_max, self._limits.body_timeout_s)
        operations = _operations(body)
        call.started = time.monotonic()
        results: list[dict[str, object]] = []
        room_bytes = ANSWER_BYTES_MAX
        for first in range(0, len(operations), WINDOW):
            items = [_Item(self._node, call, operation, born) for operation in operations[first : first + WINDOW]]
            for index, item in enumerate(items, first):
                if room_bytes <= 0 and item.operation.op == "get":
                    item.settle(_no_room())
                else:
                    self._start(item, reading, writing, call.started + timeout_s, named and f"{named}#{index}")
            for item in items:
                result = await item.result()
                room_bytes -= item.size_bytes
                if room_bytes < 0 and item.size_bytes:
                    result = item.refused(_no_room())
                results.append(result)
        return json_answer(200, {"atomic": False, "results": results}, {REQUEST_ID: call.trace})

    def _start(
        self, item: _Item, reading: ReadOptions, writing: WriteOptions, deadline: float, named: str | None
    ) -> None:
        """Hand one operation to the node. What is wrong with it is its own result, not the batch's."""
        try:
            item.enter()
            bucket = check_name(item.operation.bucket)
            item.key = _key(item.operation)
            token = item.operation.context
            context = None if token is None else from_token(token, key_hash(bucket, item.key))
            if self._records.bucket(bucket).mode is Mode.LINEARIZABLE:
                self._start_linearizable(item, reading, writing, context, deadline, named)
            elif item.operation.op == "get":
                item.level = self._records.read_level(bucket, reading)
                self._node.read(_read(item, reading, context), deadline, item.call.trace, item.settle)
            else:
                item.level = self._records.write_level(bucket, writing)
                command = self._write(item, writing, context, named)
                self._node.write(command, deadline, item.call.trace, item.settle)
        except DynamoError as error:
            item.settle(error)

    def _start_linearizable(
        self,
        item: _Item,
        reading: ReadOptions,
        writing: WriteOptions,
        context: Context | None,
        deadline: float,
        named: str | None,
    ) -> None:
        """The same for a key of a linearizable bucket: a change of its own, or a read. Raises DynamoError."""
        operation, trace = item.operation, item.call.trace
        item.level = LEVEL
        if operation.op != "get":
            refuse_write_options(writing)
            self._node.change(self._change(item, context, named), deadline, trace, item.settle)
        elif reads_weaker(reading):
            item.level = self._records.read_level(operation.bucket, reading)
            self._node.read(_read(item, reading, context), deadline, trace, item.settle)
        else:
            _refuse(operation, _VALUE_FIELDS)
            self._node.read_register(operation.bucket, item.key, deadline, trace, item.settle)

    def _write(self, item: _Item, options: WriteOptions, context: Context | None, named: str | None) -> WriteCommand:
        operation = item.operation
        properties = self._records.bucket(operation.bucket)
        command = item.command = write_command(options, operation.bucket, item.key)
        command.request = wire.identity(operation.bucket, item.key, named)
        wire.require_context(properties, context)
        if context is not None:
            command.context, command.context_hybrid = context.superseded, context.hybrid
        if operation.op == "delete":
            _refuse(operation, _VALUE_FIELDS)
            return command
        self._put(command, operation, properties)
        command.ttl_ms = _ttl_ms(operation)
        return command

    def _change(self, item: _Item, context: Context | None, named: str | None) -> ChangeCommand:
        operation = item.operation
        properties = self._records.bucket(operation.bucket)
        command = item.command = ChangeCommand(
            bucket=operation.bucket,
            key=item.key,
            action=Action.DELETE if operation.op == "delete" else Action.SET,
            request=wire.identity(operation.bucket, item.key, named),
            named=named is not None,
            repeated=item.born > 0,
            born=item.born,
            condition=None if context is None else Condition(version=version_of(context)),
        )
        if operation.op == "delete":
            _refuse(operation, _VALUE_FIELDS)
        else:
            self._put(command, operation, properties)
            refuse_ttl(_ttl_ms(operation))
        return command

    def _put(self, command: WriteCommand | ChangeCommand, operation: Operation, properties: BucketProperties) -> None:
        command.value = either("value", operation.value, operation.value_b64)
        wire.refuse_large(len(command.value), self._records.value_limit(properties))
        command.content_type = value_type(operation.value, operation.content_type)
        command.meta = meta_of(operation.meta)


def _no_room() -> ValueTooLarge:
    return ValueTooLarge(
        f"the values before this one fill an answer's {ANSWER_BYTES_MAX} bytes; ask for it in another batch",
        limit=ANSWER_BYTES_MAX,
    )


def _read(item: _Item, options: ReadOptions, context: Context | None) -> ReadCommand:
    _refuse(item.operation, _VALUE_FIELDS)
    command = read_command(options, item.operation.bucket, item.key)
    if context is not None:
        command.context, command.context_hybrid = context.clock, context.hybrid
        command.context_wrote = context.wrote
    return command


def _operations(body: bytes) -> list[Operation]:
    operations = wire.from_json(_decoder, body, "batch").operations
    if not 1 <= len(operations) <= BATCH_MAX:
        raise BadRequest(f"a batch has 1 to {BATCH_MAX} operations, not {len(operations)}", limit=BATCH_MAX)
    return operations


def _key(operation: Operation) -> bytes:
    return wire.checked_key(either("key", operation.key, operation.key_b64))


def _refuse(operation: Operation, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(operation, name) is not None:
            raise BadRequest(f"a {operation.op} has no {name}")


def _found(shown: Shown) -> dict[str, object]:
    if not shown.live:
        error = missing(shown)
        error.members["context"] = shown.context()
        if shown.version is not None:
            error.members["version"] = shown.version
        raise error
    head: dict[str, object] = {"status": 200, "context": shown.context()}
    if shown.version is not None:
        head["version"] = shown.version
    if len(shown.live) == 1:
        return {**head, **sibling_json(shown.live[0]), "etag": shown.tag()}
    siblings = [sibling_json(sibling) for sibling in shown.live]
    return {**head, "status": 300, "etag": shown.tag(), "siblings": siblings}


def _written(shown: Shown, outcome: WriteOutcome, command: WriteCommand) -> dict[str, object]:
    return {
        "status": 204,
        "context": shown.context_of_write(command),
        "etag": shown.tag(),
        "siblings_count": len(shown.live),
        "acks": {"primaries": outcome.primaries, "fallbacks": outcome.fallbacks},
        "coordinator": outcome.coordinator,
    }


def _changed(shown: Shown, outcome: ChangeOutcome, command: ChangeCommand) -> dict[str, object]:
    if not outcome.applied:
        raise not_met(command.condition, shown, outcome)
    return {
        "status": 204,
        "context": shown.context(),
        "etag": shown.tag(),
        "version": outcome.version,
        "siblings_count": len(shown.live),
        "coordinator": outcome.coordinator,
        "repeated": outcome.repeated,
    }


def _ttl_ms(operation: Operation) -> int | None:
    return None if operation.ttl is None else parameters.ttl_ms(operation.ttl)
