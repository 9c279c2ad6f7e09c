"""Keys of linearizable buckets: reads that are sure to be the latest, and writes, each of which is one change.

A change is agreed upon by a majority of the key's replicas, and its condition is looked at in the same step. There is
one value at a time, under a version that grows by one with each change: the key's fencing token.
"""

from __future__ import annotations

from dynamo.api import parameters, wire
from dynamo.api.answer import Answer
from dynamo.api.call import Call, Pending
from dynamo.api.conditions import condition_of
from dynamo.api.desk import Desk
from dynamo.api.parameters import ReadOptions, WriteOptions
from dynamo.api.problems import Refusal
from dynamo.api.register_lines import Told, lines_of_change, lines_of_value
from dynamo.api.representation import Shown, one_value
from dynamo.consensus.record import as_record
from dynamo.errors import InvalidParameter, PreconditionFailed
from dynamo.layout.register import Register, decode
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome, Condition, Consistency
from dynamo.protocol.http_fields import CONTEXT, COORDINATOR, EPOCH, REPEATED, REQUEST_ID, SIBLINGS, VERSION
from dynamo.versioning.record import Record

LEVEL = Consistency.LINEARIZABLE.value
"""What such requests are counted under."""


class Registers(Desk):
    """The handlers' part for keys of linearizable buckets."""

    def read(self, call: Call, bucket: str, key: bytes, timeout_s: float) -> Pending[ChangeOutcome]:
        """The key as it is. A context demands nothing here: no answer misses a change that was acknowledged.

        To be awaited. Raises BadContext, Overloaded, and DynamoError then.
        """
        call.level = LEVEL
        if not call.is_bare:
            wire.context_of(call.request, bucket, key)
        deadline = self.deadline(call, timeout_s)
        pending: Pending[ChangeOutcome] = Pending()
        self._node.read_register(bucket, key, deadline, call.trace, pending.done)
        return pending

    def plain_value(self, call: Call, bucket: str, key: bytes, outcome: ChangeOutcome) -> Answer | None:
        """The answer to a read without conditions that found a value, if that has no fields of its own."""
        if not outcome.register or not outcome.version or outcome.deleted:
            return None
        told = Told(bucket, key, outcome)
        lines = lines_of_value(told, self._node.id, call.trace, self._node.ring.epoch)
        if lines is None or told.shown is None or told.shown.value is None:
            return None
        return Answer(200, {}, told.shown.value, lines)

    async def store(self, call: Call, bucket: str, key: bytes, *, absent: bool = False) -> Answer:
        """PUT and POST. `absent`: only where there is no value."""
        options = parameters.write_options(call.query)
        properties = self.bucket(bucket)
        command = self._command(call, bucket, key, Action.SET, options, absent=absent)
        timeout_s = self.timeout_s(options.timeout_s)
        command.content_type = wire.content_type_of(call.request)
        command.meta = wire.meta_of(call.request)
        command.value = await self.body(call, self.value_limit(properties))
        outcome = await self.change(command, self.deadline(call, timeout_s), call.trace)
        if outcome.applied and not wire.return_representation(call.request):
            return self._made(call, command, outcome)
        shown, fields = self._shown(call, command, outcome)
        if shown.is_whole:
            fields["Preference-Applied"] = "return=representation"
            return one_value(shown, shown.live[0], fields)
        return Answer(204, fields)

    async def delete(self, call: Call, bucket: str, key: bytes) -> Answer:
        """DELETE: a change, whether there is a value or not, unless its condition says otherwise."""
        options = parameters.write_options(call.query, parameters.DELETE)
        command = self._command(call, bucket, key, Action.DELETE, options)
        deadline = self.deadline(call, self.timeout_s(options.timeout_s))
        outcome = await self.change(command, deadline, call.trace)
        if outcome.applied:
            return self._made(call, command, outcome)
        return Answer(204, self._shown(call, command, outcome)[1])

    def change(self, command: ChangeCommand, deadline: float, trace: str) -> Pending[ChangeOutcome]:
        """To be awaited. Raises DynamoError then."""
        pending: Pending[ChangeOutcome] = Pending()
        self._node.change(command, deadline, trace, pending.done)
        return pending

    def fields(self, call: Call, shown: Shown, outcome: ChangeOutcome) -> dict[str, str]:
        """Header fields of the answer to a change."""
        fields = {
            REQUEST_ID: call.trace,
            COORDINATOR: outcome.coordinator,
            EPOCH: str(self._node.ring.epoch),
            CONTEXT: shown.context(),
            VERSION: str(outcome.version),
            SIBLINGS: str(len(shown.live)),
        }
        if shown.record is not None:
            fields["ETag"] = f'"{shown.tag()}"'
        if outcome.repeated:
            fields[REPEATED] = "true"
        return fields

    def _command(
        self, call: Call, bucket: str, key: bytes, action: Action, options: WriteOptions, *, absent: bool = False
    ) -> ChangeCommand:
        call.level = LEVEL
        refuse_write_options(options)
        context = wire.context_of(call.request, bucket, key)
        name = wire.idempotency_key(call.request)
        born = self.born(call)
        return ChangeCommand(
            bucket=bucket,
            key=key,
            action=action,
            request=wire.identity(bucket, key, name),
            condition=condition_of(call.request.headers, context, absent=absent),
            named=name is not None,
            repeated=born > 0,
            born=born,
        )

    def _made(self, call: Call, command: ChangeCommand, outcome: ChangeOutcome) -> Answer:
        """The answer to a change that was made."""
        told = Told(command.bucket, command.key, outcome)
        return Answer(204, {}, b"", lines_of_change(told, outcome, call.trace, self._node.ring.epoch))

    def _shown(self, call: Call, command: ChangeCommand, outcome: ChangeOutcome) -> tuple[Shown, dict[str, str]]:
        """What the change left. Raises Refusal if its condition does not hold."""
        shown = shown_of(command.bucket, command.key, outcome)
        fields = self.fields(call, shown, outcome)
        if not outcome.applied:
            raise Refusal(not_met(command.condition, shown, outcome), fields)
        return shown, fields


def shown_of(bucket: str, key: bytes, outcome: ChangeOutcome) -> Shown:
    """The key as an outcome shows it."""
    return Shown(bucket, key, _record(outcome), 0, outcome.version, is_whole=bool(outcome.register))


def reads_weaker(options: ReadOptions) -> bool:
    """Whether a read asks for less than linearizability. Raises InvalidParameter for what goes with neither."""
    _refuse_sloppy(sloppy=options.sloppy)
    if options.consistency not in (None, Consistency.LINEARIZABLE):
        return True
    for name in ("r", "pr"):
        if getattr(options, name) is not None:
            raise InvalidParameter(
                f"a read of a linearizable bucket asks a majority; {name} goes with consistency=one, quorum or all",
                parameter=name,
            )
    return False


def refuse_write_options(options: WriteOptions) -> None:
    """Raises InvalidParameter for what a change cannot have: less than a majority, more, or an end of its life."""
    _refuse_sloppy(sloppy=options.sloppy)
    if options.consistency not in (None, Consistency.LINEARIZABLE):
        raise InvalidParameter(
            f"every write of a linearizable bucket is linearizable; consistency={options.consistency} is for its reads",
            parameter="consistency",
        )
    for name in ("w", "dw", "pw"):
        if getattr(options, name) is not None:
            raise InvalidParameter(
                f"every write of a linearizable bucket is on disk at a majority of its replicas; leave out {name}",
                parameter=name,
            )
    refuse_ttl(options.ttl_ms)


def refuse_ttl(ttl_ms: int | None) -> None:
    """Raises InvalidParameter unless the value is to live for ever."""
    if ttl_ms:
        raise InvalidParameter(
            "values of linearizable buckets do not expire: clocks would decide about them", parameter="ttl"
        )


def not_met(condition: Condition | None, shown: Shown, outcome: ChangeOutcome) -> PreconditionFailed:
    """Why a change was not made."""
    current = None if shown.record is None else shown.tag()
    state = "has a value" if shown.live else "was deleted" if shown.record is not None else "was never written"
    wanted = _wanted(condition)
    return PreconditionFailed(
        f"the condition does not hold{wanted}: the key {state}, its version is {outcome.version}",
        current_etag=current,
        version=outcome.version,
        exists=bool(shown.live),
    )


def _wanted(condition: Condition | None) -> str:
    if condition is None or condition.version is None:
        return ""
    return f" (version {condition.version} was wanted)"


def _refuse_sloppy(*, sloppy: bool | None) -> None:
    if sloppy:
        raise InvalidParameter(
            "only a key's own replicas vote and answer in a linearizable bucket; leave out sloppy", parameter="sloppy"
        )


def _record(outcome: ChangeOutcome) -> Record | None:
    """The chosen state as a record; of a version that was replaced since, all but its value."""
    if outcome.version == 0:
        return None
    if outcome.register:
        return as_record(decode(outcome.register))
    return as_record(Register(version=outcome.version, value=None if outcome.deleted else b""))
