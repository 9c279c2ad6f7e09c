"""What is chosen, by looking at all disks at once, and whether what clients were told agrees with it."""

from __future__ import annotations

from dataclasses import dataclass

from dynamo.layout.ballot import AcceptorState
from dynamo.layout.register import Done, Register, decode
from dynamo.protocol.commands import Action, ChangeCommand, ChangeOutcome
from dynamo.protocol.messages import Message
from dynamo.protocol.paxos import Accept
from dynamo.versioning.ballot import ZERO, Ballot


@dataclass
class Operation:
    """What a client did, and what it was told."""

    command: ChangeCommand
    called: float
    returned: float = float("inf")
    outcome: str = "pending"
    """ok, failed: definitely not applied, called-off, unknown"""
    result: ChangeOutcome | None = None
    attempts: int = 0


class Chain:
    """What is chosen, by looking at all disks at once: of each ballot what it carries and who has it durably."""

    def __init__(self, needed: int) -> None:
        self.needed = needed
        self.carried: dict[Ballot, bytes] = {}
        self.holders: dict[Ballot, set[str]] = {}
        self.chosen: dict[Ballot, Register] = {}
        self.version = 0
        """Highest that is chosen."""
        self.wrong: list[str] = []

    def sent(self, message: Message) -> None:
        if isinstance(message, Accept):
            before = self.carried.setdefault(message.ballot, message.register)
            if before != message.register:
                self.wrong.append(f"ballot {message.ballot} carries two registers")

    def durable(self, node: str, state: AcceptorState) -> None:
        if state.accepted == ZERO or state.value is None:
            return
        holders = self.holders.setdefault(state.accepted, set())
        holders.add(node)
        if len(holders) >= self.needed and state.accepted not in self.chosen:
            register = decode(state.value)
            self.chosen[state.accepted] = register
            self.version = max(self.version, register.version)

    def newest(self) -> Register:
        return self.chosen[max(self.chosen)] if self.chosen else Register()


def verdict(chain: Chain, operations: list[Operation]) -> list[str]:
    """Everything that is wrong with a finished run, in words."""
    wrong = [*chain.wrong, *_chain(chain)]
    entries = {entry.request: entry for entry in chain.newest().entries}
    makers = {entry.version: entry.request for entry in chain.newest().entries if entry.version}
    shown = {register.version: register for _, register in sorted(chain.chosen.items())}
    for op in operations:
        entry = entries.get(op.command.request)
        applied = entry is not None and entry.version > 0
        if op.outcome in ("failed", "called-off") and applied:
            wrong.append(f"{op.command.action} was told {op.outcome}, and took effect")
        if op.outcome == "ok":
            wrong += _told_truly(op, entries, shown)
    return [*wrong, *_in_time(operations, makers)]


def _chain(chain: Chain) -> list[str]:
    """Each chosen register goes on from the one before: same entries as far as it goes, versions one by one."""
    wrong: list[str] = []
    before = Register()
    for ballot, register in sorted(chain.chosen.items()):
        versions = sorted(entry.version for entry in register.entries if entry.version)
        requests = [entry.request for entry in register.entries]
        if versions != list(range(1, register.version + 1)):
            wrong.append(f"versions of {ballot} do not grow by one: {versions}")
        if len(requests) != len(set(requests)):
            wrong.append(f"{ballot} has applied a request twice")
        if not (register.done.startswith(before.done) and register.lasting.startswith(before.lasting)):
            wrong.append(f"{ballot} does not go on from what was chosen before")
        if register.version == before.version and register.value != before.value:
            wrong.append(f"{ballot} changed the value of a version")
        before = register
    return wrong


def _told_truly(op: Operation, entries: dict[bytes, Done], shown: dict[int, Register]) -> list[str]:
    """Whether an answer agrees with what was chosen, at the end."""
    result, action = op.result, op.command.action
    assert result is not None
    entry = entries.get(op.command.target if action is Action.RESOLVE else op.command.request)
    made = None if entry is None else entry.version
    wrong: list[str] = []
    if result.applied and made != result.version:
        wrong.append(f"{action} was told that it made version {result.version}, and made {made}")
    if not result.applied and made:
        wrong.append(f"{action} was told that it was not applied, and made version {made}")
    if not result.applied and action is Action.RESOLVE and made is None:
        wrong.append("what was called off is not in the register")
    chosen = shown.get(result.version)
    if chosen is not None and result.register and decode(result.register).value != chosen.value:
        wrong.append(f"{action} was shown another value of version {result.version} than was chosen")
    return wrong


def _in_time(operations: list[Operation], makers: dict[int, bytes]) -> list[str]:
    """The version witness: whoever was called after version v was told of sees v at least, and makes a later one."""
    wrong: list[str] = []
    called = {op.command.request: op.called for op in operations}
    told = sorted((op for op in operations if op.outcome == "ok"), key=lambda op: op.returned)
    for op in operations:
        if op.outcome != "ok" or op.result is None:
            continue
        # A resolved request says when that one took effect, which may be long ago.
        if op.command.action is Action.RESOLVE and op.result.applied:
            continue
        before = max((_seen(one) for one in told if one.returned < op.called), default=0)
        needed = before + 1 if op.result.applied else before
        if op.result.version < needed:
            wrong.append(f"{op.command.action} saw version {op.result.version} after {before} had been told of")
        maker = makers.get(op.result.version)
        if maker is not None and called[maker] > op.returned:
            wrong.append(f"{op.command.action} saw version {op.result.version} before anybody asked for it")
    return wrong


def _seen(op: Operation) -> int:
    return op.result.version if op.result is not None else 0
