"""Changes of a key, and what they make of its register. Evaluated once, by the coordinator, to a value.

Replicas agree on values, never on functions: a function that every replica ran anew, or that asked a local clock, would
give several answers. What time it is say the ballots, and what was decided before: `moment`, about milliseconds since
1970, which never falls along the versions of a key.

A change takes effect at most once. The register holds an entry for each of the last requests; one that is there gets
its result. Entries leave in order (`requests.remembered`), and the register keeps up to which version they did, and up
to which moment. So a coordinator that has sent a change and finds no entry for it knows: it was not applied, unless
entries of such versions have been dropped, and its own is so old that it may be among them. Then nobody can know any
more. One that knows of another attempt judges by the moment at which the request was born. That goes along with it, and
no entry of it is older.

Research note, sections 1.3 (step 4) and 1.6.
"""

from __future__ import annotations

from math import inf

import msgspec
from xxhash import xxh3_64_intdigest

from dynamo.consensus.condition import holds
from dynamo.consensus.requests import covers, find, is_kept, may_last, remembered
from dynamo.errors import CalledOff, DynamoError, IdempotencyMismatch, NotAnInteger, OutcomeForgotten
from dynamo.layout.register import (
    ABSENT,
    UNNAMED,
    Done,
    Register,
    decode,
    encode,
    is_unwritten,
    last_counter,
)
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome
from dynamo.versioning.ballot import Ballot

INTEGER_DIGITS_MAX = 19
INTEGER_MAX = 2**63 - 1
INTEGER_MIN = -(2**63)
_encoder = msgspec.msgpack.Encoder(order="sorted")
Result = ChangeOutcome | DynamoError


class Change:
    """One client's change while a coordinator works on it."""

    __slots__ = ("command", "deadline", "doubtful", "fingerprint", "proposed", "since")

    def __init__(self, command: ChangeCommand, deadline: float = inf, *, doubtful: bool = False) -> None:
        self.command = command
        self.deadline = deadline
        """Until when it may be proposed (seconds, monotonic)."""
        self.doubtful = doubtful or command.repeated
        """Whether another attempt was begun before, which may have been made or may still be."""
        self.proposed = 0
        """Lowest version at which an Accept with this change was sent; 0 if none was. From then on it may take effect
        without this coordinator, so its outcome is unknown until it is seen to be decided.
        """
        self.since = 0
        """An entry of it is of this moment or later; 0 if that is not known."""
        self.fingerprint = fingerprint(command) if command.named else UNNAMED

    def sent(self, result: Result, moment: int) -> None:
        """An Accept is about to leave, with the register that was evaluated together with this result, then.

        If it holds the change, also as one that was there before: from now on this coordinator may be the cause that
        it takes effect.
        """
        if not isinstance(result, ChangeOutcome):
            return
        if result.applied or (self.command.action is Action.RESOLVE and not result.repeated):
            version = max(1, result.version)
            if result.repeated:
                self.since = 0
            elif not self.proposed:
                self.since = moment
            self.proposed = min(self.proposed or version, version)

    def may_surface(self, result: Result) -> bool:
        """Whether the result says "not applied", and yet an Accept of an earlier ballot could still be taken up.

        Such a result stands only once a later ballot was accepted by a majority: that the state is settled does not
        suffice, as a minority may hold the change in a ballot above it.
        """
        applied = isinstance(result, ChangeOutcome) and result.applied
        return self.proposed > 0 and not applied


def fingerprint(command: ChangeCommand) -> int:
    """64-bit hash of what a request asks for, never UNNAMED: one name with two payloads is a client's mistake."""
    asked = (command.action, command.condition, command.value, command.content_type, command.meta, command.amount)
    return xxh3_64_intdigest(_encoder.encode(asked)) or 1


def moment_of(register: Register, ballot: Ballot) -> int:
    """When a change of this register is decided by a coordinator that has this ballot."""
    return max(ballot[0], _latest(register), last_counter(register.done) if register.done else 0)


def _latest(register: Register) -> int:
    """When something was last decided; what was called off made no version."""
    return max(register.counter, last_counter(register.lasting)) if register.lasting else register.counter


def evaluate(register: Register, changes: list[Change], moment: int) -> tuple[Register, list[Result], bool]:
    """The register after all changes, one after the other, the result of each, and whether anything was changed.

    Results name no coordinator yet. They hold once the register is chosen; without a change, once the one before is.
    """
    after = register
    results: list[Result] = []
    for change in changes:
        moment = max(moment, _latest(after))
        after, result = _evaluate(after, change, moment)
        results.append(result)
    return after, results, after is not register


def bare(register: Register) -> bytes:
    """The byte form without the list of requests: what an outcome shows."""
    if register.done or register.dropped or register.lasting:
        register = Register(
            register.version,
            register.value,
            register.content_type,
            register.meta,
            register.counter,
            register.request,
        )
    return encode(register)


def seen(register: Register) -> ChangeOutcome:
    """The outcome of a change that did nothing: the state that it saw.

    Of a key of which nothing is known but a floor that is nothing, version 0: replicas have different floors, and two
    readers must not be shown different versions.
    """
    if is_unwritten(register):
        register = ABSENT
    return ChangeOutcome(False, register.version, bare(register), "", deleted=_is_deletion(register))


def read_outcome(data: bytes) -> ChangeOutcome:
    """The outcome of a read that found a register in this byte form. Raises CorruptValue."""
    return seen(decode(data))


def _is_deletion(register: Register) -> bool:
    return register.value is None and register.version > 0


def _evaluate(register: Register, change: Change, moment: int) -> tuple[Register, Result]:
    command = change.command
    if command.action is Action.READ:
        return register, seen(register)
    if command.action is Action.RESOLVE:
        return _resolved(register, command, moment)
    entry = find(register, command.request)
    if entry is not None:
        return register, _repeat(register, entry, change)
    if change.proposed and register.dropped >= change.proposed and not is_kept(register, change.since, moment):
        return register, _not_known("entries of that age were dropped")
    if change.doubtful and not (covers(register, command.born, moment) and may_last(register, moment)):
        return register, _not_known("there was another attempt, and too many changes came since")
    if command.condition is not None and not holds(command.condition, register):
        return register, seen(register)
    return _applied(register, change, moment)


def _applied(register: Register, change: Change, moment: int) -> tuple[Register, Result]:
    command = change.command
    version, deleted = register.version + 1, command.action is Action.DELETE
    value, content_type, meta = _content(register, command)
    if value is None and not deleted:
        return register, NotAnInteger(
            "only a decimal integer can be added to, and the sum must fit 64 bits; nothing was changed",
            version=register.version,
        )
    moment = max(moment, command.born)
    entry = Done(command.request, change.fingerprint, version, moment, deleted)
    memory = remembered(register, entry, lasts=change.doubtful)
    after = Register(version, value, content_type, meta, moment, command.request, *memory)
    return after, ChangeOutcome(True, version, bare(after), "", deleted=deleted)


def _content(register: Register, command: ChangeCommand) -> tuple[bytes | None, str, dict[str, str]]:
    """Value, content type and metadata after the change; no value where there is none to be."""
    if command.action is Action.SET:
        return command.value, command.content_type, command.meta
    if command.action is Action.DELETE:
        return None, "", {}
    if register.value is None:
        return _sum(b"0", command.amount), command.content_type or "text/plain", command.meta
    return _sum(register.value, command.amount), register.content_type, register.meta


def _sum(value: bytes, amount: int) -> bytes | None:
    digits = value[1:] if value.startswith(b"-") else value
    if not digits.isdigit() or len(digits) > INTEGER_DIGITS_MAX:
        return None
    total = int(value) + amount
    return b"%d" % total if INTEGER_MIN <= total <= INTEGER_MAX else None


def _repeat(register: Register, entry: Done, change: Change) -> Result:
    """What became of a request that was decided before."""
    if entry.version == 0:
        return CalledOff("this request was called off before it took effect; nothing was or will be changed by it")
    if entry.fingerprint != change.fingerprint:
        return IdempotencyMismatch("this request id was used for another change of this key; use a new one")
    return _done(register, entry)


def _resolved(register: Register, command: ChangeCommand, moment: int) -> tuple[Register, Result]:
    """The fate of another request: what it did, or that it never will do anything."""
    entry = find(register, command.target)
    if entry is not None:
        return register, _done(register, entry)
    if not (covers(register, command.born, moment) and may_last(register, moment)):
        return register, _not_known("so many changes came since that it may have been one of them")
    memory = remembered(register, Done(command.target, 0, 0, max(moment, command.born)), lasts=True)
    return msgspec.structs.replace(register, **memory._asdict()), seen(register)


def _done(register: Register, entry: Done) -> ChangeOutcome:
    if entry.version == 0:
        outcome = seen(register)
        outcome.repeated = True
        return outcome
    shown = bare(register) if register.version == entry.version else b""
    return ChangeOutcome(True, entry.version, shown, "", repeated=True, deleted=entry.deleted)


def _not_known(why: str) -> OutcomeForgotten:
    return OutcomeForgotten(f"whether this request was applied is not known any more: {why}")
