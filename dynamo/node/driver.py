"""Runs any machine: performs its effects, feeds back what comes of them, wakes it, hands on its decision.

The only place where machines meet the world, and the place that decides that a request has exactly one outcome:
`Finish` is passed on once, and every machine asks to be woken at its deadline. There is no task and no timer per
request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from dynamo.errors import DynamoError, Internal
from dynamo.node.accepts import Accepts
from dynamo.node.wakeups import Wakeup, Wakeups
from dynamo.ports import Clock, Peers
from dynamo.protocol.codec import refused_error
from dynamo.protocol.effects import Effects, Finish, Machine, PeerError, PeerFailure, Send, SendAll, WakeAt
from dynamo.protocol.messages import Message, Refused
from dynamo.protocol.paxos import Accept

Result = TypeVar("Result")


class Local(Protocol):
    """This node as a replica of its own requests: no socket is crossed."""

    def __call__(self, message: Message, respond: Callable[[Message], None]) -> None:
        """Handle a message; respond once, now or later."""


class Driver:
    """One per node."""

    def __init__(self, node: str, clock: Clock, peers: Peers, wakeups: Wakeups, local: Local) -> None:
        self.node = node
        self.clock = clock
        self.peers = peers
        self.wakeups = wakeups
        self.local = local
        self.accepts: Accepts | None = None
        """Where Accepts wait for others; without it each leaves alone."""

    def run(
        self,
        machine: Machine[Result],
        deadline: float,
        trace: str,
        done: Callable[[Result | DynamoError], None],
        drained: Callable[[], None] | None = None,
    ) -> Run[Result]:
        """Start a machine. `done` is called once with its decision, possibly before this returns.

        `drained` is called once, when nothing more can come of it.
        """
        run = Run(self, machine, deadline, trace, done, drained)
        run.perform(machine.start(self.clock.monotonic()))
        return run


class Run(Generic[Result]):
    """One machine being run; the `Receiver` of all that it sends."""

    __slots__ = ("_deadline", "_done", "_drained", "_driver", "_finished", "_is_over", "_machine", "_trace", "_wakeup")

    def __init__(
        self,
        driver: Driver,
        machine: Machine[Result],
        deadline: float,
        trace: str,
        done: Callable[[Result | DynamoError], None],
        drained: Callable[[], None] | None,
    ) -> None:
        self._driver = driver
        self._machine = machine
        self._deadline = deadline
        self._trace = trace
        self._done = done
        self._drained = drained
        self._finished = False
        self._is_over = False
        """Finished and drained."""
        self._wakeup: list[Wakeup] = []

    def on_reply(self, peer: str, message: Message) -> None:
        """An answer came."""
        effects = self._machine.on_reply(peer, message, self._driver.clock.monotonic())
        if effects or (self._finished and not self._is_over):
            self.perform(effects)

    def on_failure(self, peer: str, error: PeerError) -> None:
        """An answer will not come."""
        self.perform(self._machine.on_failure(peer, error, self._driver.clock.monotonic()))

    def perform(self, effects: Effects) -> None:
        """Carry out what the machine asked for."""
        for effect in effects:
            if type(effect) is Send:
                self._send(effect.to, effect.message, effect.deadline or self._deadline)
            elif type(effect) is SendAll:
                self._send_all(effect.to, effect.message)
            elif type(effect) is WakeAt:
                if not (self._finished and self._machine.drained):
                    self._wakeup.append(self._driver.wakeups.at(effect.when, self._wake))
            elif type(effect) is Finish:
                self._finish(effect.outcome)
        if self._finished and not self._is_over and self._machine.drained:
            self._release()

    def _send_all(self, to: tuple[str, ...], message: Message) -> None:
        accepts = self._driver.accepts
        if accepts is not None and type(message) is Accept:
            accepts.add(to, message, self._deadline, self._trace, self)
        else:
            for node in to:
                self._send(node, message, self._deadline)

    def _send(self, to: str, message: Message, deadline: float) -> None:
        if to != self._driver.node:
            self._driver.peers.send(to, message, deadline, self._trace, self)
        else:
            self._driver.local(message, self._on_local)

    def _on_local(self, message: Message) -> None:
        if isinstance(message, Refused):
            self.on_failure(self._driver.node, PeerError(PeerFailure.REFUSED, refused_error(message)))
        else:
            self.on_reply(self._driver.node, message)

    def _finish(self, outcome: object) -> None:
        assert not self._finished, "a request has exactly one outcome"
        self._finished = True
        # Whoever waits often knows this run, too: letting go of them here spares the collector a cycle per request.
        done, self._done = self._done, _nobody
        done(outcome)  # type: ignore[arg-type]  # the machine's own outcome type, erased by the effect list

    def _wake(self) -> None:
        self.perform(self._machine.on_wakeup(self._driver.clock.monotonic()))
        if not self._finished and self._driver.clock.monotonic() >= self._deadline:
            self._finish(Internal("a request passed its deadline without an outcome"))

    def _release(self) -> None:
        self._is_over = True
        for wakeup in self._wakeup:
            wakeup.cancel()
        self._wakeup = []
        if self._drained is not None:
            drained, self._drained = self._drained, None
            drained()


def _nobody(outcome: object) -> None:
    raise AssertionError("a request has exactly one outcome")
