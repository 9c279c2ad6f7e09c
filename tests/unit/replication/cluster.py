"""Replicas of one key and a network that does what it likes: what the machines are driven against in property tests.

Whatever a machine sends is under way until a draw decides that it arrives (and is acted on), is refused, or that its
sender hears of a failure; of one that was lost or timed out another draw decides whether it was acted on. Everyone gets
exactly one answer, at the latest after the deadline, as the Peers port promises; some answers come twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from dynamo.errors import Applied, ClockDrift, CorruptValue, StorageFull, WriteTimeout
from dynamo.protocol.effects import Effect, Effects, Finish, Machine, PeerError, PeerFailure, Send, WakeAt
from dynamo.protocol.messages import Fetch, Fetched, Message, Store, Stored
from dynamo.replication.read_repair import Resolve, keep_siblings
from dynamo.versioning.record import Record, decode, encode
from dynamo.versioning.siblings import EMPTY

DEADLINE = 2.0
EVENTS = st.sampled_from(["answer", "answer", "answer", "wait"])
REFUSALS = st.sampled_from([StorageFull("full"), CorruptValue("damaged"), WriteTimeout("perhaps")])
NODES = ("a", "b", "c", "d", "e")


@dataclass
class Replica:
    """What one node has on disk."""

    data: bytes = b""
    hints: dict[str, bytes] = field(default_factory=dict)
    """Records kept for other nodes."""
    stamp_max: int | None = None
    """What it is sent with a later stamp lies too far ahead of its clock."""

    def refuses(self, message: Message) -> bool:
        """Whether it would not store this."""
        if self.stamp_max is None or not isinstance(message, Store):
            return False
        return decode(message.record).hybrid_max() > self.stamp_max

    @property
    def record(self) -> Record:
        return decode(self.data) if self.data else EMPTY

    def handle(self, message: Message, resolve: Resolve) -> Message:
        """Act on a message, as `node.replica` does."""
        if isinstance(message, Fetch):
            return Fetched(self.hints.get(message.hint_for, b"") if message.hint_for else self.data)
        assert isinstance(message, Store)
        if message.hint_for:
            kept = self.hints.get(message.hint_for)
            both = resolve(decode(kept) if kept else EMPTY, decode(message.record))
            self.hints[message.hint_for] = encode(both)
        else:
            self.data = encode(resolve(self.record, decode(message.record)))
        return Stored()


class Cluster:
    """Runs one machine at a time, in virtual time, choosing by draws."""

    def __init__(self, data: st.DataObject, replicas: dict[str, Replica], resolve: Resolve = keep_siblings) -> None:
        self.data = data
        self.replicas = replicas
        self.resolve = resolve
        self.now = 0.0
        self.outcome: object = None
        self.at_finish: Callable[[object], None] = lambda _: None
        """Called at the moment of the decision."""
        self.failures = st.sampled_from(["arrives"] * 4 + [failure.value for failure in PeerFailure])
        self.refusals = REFUSALS
        self.repeats = True
        """Some answers come twice; the Peers port promises that they do not."""
        self.late_replies: tuple[Message, ...] = (Fetched(b""), Stored())
        """What might still come after the end."""
        self._under_way: list[Send] = []
        self._wakeups: list[float] = []
        self._finished = 0

    def run(
        self,
        machine: Machine[object],
        *,
        own_share: tuple[Send, ...] = (),
        noise: Callable[[], None] = lambda: None,
    ) -> object:
        """Start a machine and go on until it is drained.

        `own_share` is under way from the start, as a coordinator's own storing is. `noise` happens between any two
        events.
        """
        self._under_way, self._wakeups, self._finished, self.outcome = list(own_share), [], 0, None
        draw = self.data.draw
        self._take(machine, machine.start(self.now))
        while self._under_way or machine.outcome is None:
            noise()
            if self._under_way and (self.now >= DEADLINE or draw(EVENTS) == "answer"):
                self._answer(machine, self._under_way.pop(draw(st.integers(0, len(self._under_way) - 1))))
            else:
                self._wait(machine)
        assert machine.drained, "everything was answered"
        self._probe_drained(machine)
        return self.outcome

    def _answer(self, machine: Machine[object], send: Send) -> None:
        draw = self.data.draw
        how = draw(self.failures)
        refusal = draw(self.refusals) if how == "refused" else None
        replica = self.replicas[send.to]
        if how == "arrives" and replica.refuses(send.message):
            how, refusal = "refused", ClockDrift("too far ahead")
        may_act = how in ("lost", "timeout") or (refusal is not None and refusal.applied is Applied.UNKNOWN)
        if how == "arrives" or (may_act and draw(st.booleans())):
            reply = replica.handle(send.message, self.resolve)
        if how == "arrives":
            self._take(machine, machine.on_reply(send.to, reply, self.now))
            if self.repeats and draw(st.integers(0, 9)) == 9:
                self._take(machine, machine.on_reply(send.to, reply, self.now))
            return
        self._take(machine, machine.on_failure(send.to, PeerError(PeerFailure(how), refusal), self.now))

    def _wait(self, machine: Machine[object]) -> None:
        """Time passes: to the next wake-up."""
        due = [when for when in self._wakeups if when > self.now]
        assert due or machine.outcome is not None, "a machine that is not woken any more has decided"
        self.now = min(due, default=DEADLINE)
        self._take(machine, machine.on_wakeup(self.now))

    def _take(self, machine: Machine[object], effects: Effects) -> None:
        for effect in effects:
            self._perform(effect)
        assert (machine.outcome is not None) == (self._finished == 1), "exactly one decision, and the machine shows it"

    def _perform(self, effect: Effect) -> None:
        if isinstance(effect, Send):
            self._under_way.append(effect)
        elif isinstance(effect, WakeAt):
            self._wakeups.append(effect.when)
        else:
            assert isinstance(effect, Finish)
            self._finished += 1
            assert self.now <= DEADLINE, "by the deadline"
            self.outcome = effect.outcome
            self.at_finish(effect.outcome)

    def _probe_drained(self, machine: Machine[object]) -> None:
        """A drained machine emits nothing, whatever still comes."""
        for name in self.replicas:
            for reply in self.late_replies:
                assert machine.on_reply(name, reply, self.now) == []
            assert machine.on_failure(name, PeerError(PeerFailure.LOST), self.now) == []
        assert machine.on_wakeup(self.now + 1) == []
