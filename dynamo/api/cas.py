"""POST of a compare-and-set, and of the question what became of one.

    {"if": {"version": 3}, "then": {"set": "new value"}}
    {"if": {"absent": true}, "then": {"set_b64": "AAE=", "content_type": "image/png"}}
    {"then": {"add": -5}}

One condition at most, one action, both looked at in one step. Bytes are text, or base64 under the name with `_b64`, as
everywhere in JSON. That a condition does not hold is 412, with what was there instead.

The question has a path of its own. It may also be asked below the change's path, at `.../resolve`; as a key may end in
that, too, the body decides: it is a question if it is nothing else.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from dynamo.api import parameters, wire
from dynamo.api.answer import JSON_TYPE, Answer, json_answer, lines_of
from dynamo.api.call import Call
from dynamo.api.conditions import bare_tag
from dynamo.api.facade import Node
from dynamo.api.json_values import bytes_json, either, meta_of, value_type
from dynamo.api.problems import Refusal
from dynamo.api.register_lines import Told, lines_of_change
from dynamo.api.registers import LEVEL, Registers, not_met, shown_of
from dynamo.api.representation import Shown, described
from dynamo.errors import BadRequest, ModeConflict
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition

_NUMBER_MAX = 2**63 - 1
RESOLVE_BYTES_MAX = 4096
_RESOLVE = "/resolve"
_SET, _DELETE, _ADD = Action.SET, Action.DELETE, Action.ADD


class If(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    """A condition: exactly one of these."""

    absent: bool | None = None
    """True: the key has no value. False: it has one."""
    etag: str | None = None
    version: Annotated[int, msgspec.Meta(ge=0, le=_NUMBER_MAX)] | None = None
    value: str | None = None
    value_b64: str | None = None


class Then(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    """An action: exactly one of set, set_b64, delete and add."""

    set: str | None = None
    set_b64: str | None = None
    delete: Literal[True] | None = None
    add: Annotated[int, msgspec.Meta(ge=-_NUMBER_MAX, le=_NUMBER_MAX)] | None = None
    content_type: str | None = None
    """Of what is set."""
    meta: dict[str, str] | None = None


class Cas(msgspec.Struct, gc=False, forbid_unknown_fields=True, kw_only=True):
    """The body of a compare-and-set. Without a condition the action is carried out in any case."""

    condition: If | msgspec.UnsetType = msgspec.field(name="if", default=msgspec.UNSET)
    then: Then


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a resolve."""

    idempotency_key: str


class Made(msgspec.Struct, gc=False):
    """The body of the answer to a change that was made."""

    applied: Literal["yes"]
    version: int
    etag: str
    exists: bool
    value: str | msgspec.UnsetType
    """Of a sum: what it is now, if that is known."""
    coordinator: str
    repeated: bool


_ACTIONS = ("set", "set_b64", "delete", "add")
_CONDITIONS = ("absent", "etag", "version", "value", "value_b64")
_JSON_LINE = lines_of({"Content-Type": JSON_TYPE})
_encoder = msgspec.json.Encoder()
_cas = msgspec.json.Decoder(Cas)
_question = msgspec.json.Decoder(Question)


class CompareAndSet:
    """The handlers."""

    def __init__(self, node: Node, registers: Registers) -> None:
        self._node = node
        self._registers = registers
        self._limits = node.config.limits

    async def post(self, call: Call) -> Answer:
        """POST of a compare-and-set; or of a resolve of the key before `/resolve`."""
        bucket, key, timeout_s = self._place(call)
        wire.require_json(call.request)
        name, born = wire.idempotency_key(call.request), self._registers.born(call)
        properties = self._linearizable(bucket)
        body = await self._registers.body(call, self._limits.object_bytes_max)
        if call.key_segment.endswith(_RESOLVE) and _is_question(body):
            return await self._resolved(
                call, bucket, wire.key_of(call.key_segment.removesuffix(_RESOLVE)), timeout_s, body
            )
        command = command_of(wire.from_json(_cas, body, "compare-and-set"), bucket, key, name)
        command.repeated, command.born = born > 0, born
        wire.refuse_large(len(command.value), self._registers.value_limit(properties))
        outcome = await self._registers.change(command, self._registers.deadline(call, timeout_s), call.trace)
        if outcome.applied:
            told = Told(bucket, key, outcome)
            lines = _JSON_LINE + lines_of_change(told, outcome, call.trace, self._node.ring.epoch)
            return Answer(200, {}, _encoder.encode(_made(command, told, outcome)), lines)
        shown = shown_of(bucket, key, outcome)
        fields = self._registers.fields(call, shown, outcome)
        error = not_met(command.condition, shown, outcome)
        error.members.update(_seen(shown))
        raise Refusal(error, fields)

    async def resolve(self, call: Call) -> Answer:
        """POST of a resolve: what became of the change with that Idempotency-Key, for good."""
        bucket, key, timeout_s = self._place(call)
        wire.require_json(call.request)
        self._linearizable(bucket)
        return await self._resolved(call, bucket, key, timeout_s, await self._registers.body(call, RESOLVE_BYTES_MAX))

    async def _resolved(self, call: Call, bucket: str, key: bytes, timeout_s: float, body: bytes) -> Answer:
        request = wire.identity(bucket, key, wire.idempotency_key(call.request))
        named = wire.from_json(_question, body, "question after a change").idempotency_key
        target = wire.identity(bucket, key, wire.checked_idempotency_key("idempotency_key", named))
        command = ChangeCommand(bucket=bucket, key=key, action=Action.RESOLVE, request=request, target=target)
        outcome = await self._registers.change(command, self._registers.deadline(call, timeout_s), call.trace)
        shown = shown_of(bucket, key, outcome)
        content: dict[str, object] = {"applied": "yes" if outcome.applied else "no", **_version(shown, outcome)}
        return json_answer(200, content, self._registers.fields(call, shown, outcome))

    def _place(self, call: Call) -> tuple[str, bytes, float]:
        """Bucket, key and seconds. Raises InvalidParameter."""
        bucket, key = wire.bucket_of(call.bucket_segment), wire.key_of(call.key_segment)
        call.level = LEVEL
        return bucket, key, self._registers.timeout_s(parameters.only_timeout_s(call.query))

    def _linearizable(self, bucket: str) -> BucketProperties:
        """The bucket's properties. Raises ModeConflict, and NotReady while this node cannot tell."""
        properties = self._node.buckets.existing(bucket) or self._registers.defaults
        if properties.mode is not Mode.LINEARIZABLE:
            raise ModeConflict(
                f"{bucket} is no linearizable bucket; make one with PUT /v1/buckets/{{bucket}} and "
                '{"mode": "linearizable"}',
                mode=properties.mode.value,
            )
        return properties


def _is_question(body: bytes) -> bool:
    try:
        _question.decode(body)
    except msgspec.DecodeError:
        return False
    return True


def command_of(body: Cas, bucket: str, key: bytes, name: str | None) -> ChangeCommand:
    """What a compare-and-set with this Idempotency-Key asks for. Raises BadRequest."""
    then = body.then
    if (then.set, then.set_b64, then.delete, then.add).count(None) != len(_ACTIONS) - 1:
        raise _not_one(then, _ACTIONS, "then")
    action = _SET if then.add is None and then.delete is None else _DELETE if then.add is None else _ADD
    identity = wire.identity(bucket, key, name)
    command = ChangeCommand(bucket=bucket, key=key, action=action, request=identity, named=name is not None)
    if body.condition is not msgspec.UNSET:
        command.condition = _condition(body.condition)
    if action is not _SET:
        if then.content_type is not None or then.meta is not None:
            raise BadRequest(f"content_type and meta go with set, not with {action.value}")
        command.amount = then.add or 0
        return command
    command.value = either("set", then.set, then.set_b64)
    command.content_type = value_type(then.set, then.content_type)
    command.meta = meta_of(then.meta)
    return command


def _condition(given: If) -> Condition:
    conditions = (given.absent, given.etag, given.version, given.value, given.value_b64)
    if conditions.count(None) != len(_CONDITIONS) - 1:
        raise _not_one(given, _CONDITIONS, "if")
    if given.version is not None:
        return Condition(version=given.version)
    if given.absent is not None:
        return Condition(exists=not given.absent)
    if given.etag is not None:
        return Condition(etags=[bare_tag(given.etag)])
    return Condition(value=either("value", given.value, given.value_b64))


def _not_one(given: msgspec.Struct, names: tuple[str, ...], member: str) -> BadRequest:
    """Why none and several of the names are refused."""
    found = [name for name in names if getattr(given, name) is not None]
    said = f"not {' and '.join(found)}" if found else "and it has none"
    return BadRequest(f"{member} has exactly one of {', '.join(names)}, {said}")


def _made(command: ChangeCommand, told: Told, outcome: ChangeOutcome) -> Made:
    value: str | msgspec.UnsetType = msgspec.UNSET
    if command.action is Action.ADD and told.shown is not None:
        value = (told.shown.value or b"").decode("ascii")
    return Made("yes", told.version, told.tag, told.exists, value, outcome.coordinator, outcome.repeated)


def _version(shown: Shown, outcome: ChangeOutcome) -> dict[str, object]:
    """Which version, its tag (null for a key that was never written), and whether it is a value."""
    tag = None if shown.record is None else shown.tag()
    return {"version": outcome.version, "etag": tag, "exists": bool(shown.live)}


def _seen(shown: Shown) -> dict[str, object]:
    """The value that stood against a condition."""
    if not shown.live or not shown.is_whole:
        return {}
    value = shown.live[0]
    return {**bytes_json("value", value.value or b""), **described(value)}
