"""Changes wait here for their key's turn: a node runs one round at a time for a key.

All that waits when a round begins is folded into it, one change after the other, and each gets its own result. So the
clients of one node never fight each other, and a busy key makes larger rounds instead of more (measured: 30 times the
throughput of one change a round). Rounds of other nodes may still interfere; `consensus/proposer.py` sees to that.

A round ends at the earliest deadline of its changes. Those that have time left go into the next one as they are: a
change knows what was sent of it. Whoever's time is over is answered: not applied, if it was never sent, else unknown.

Source: research note, sections 1.3, 1.4 and 1.7.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from dynamo.consensus.change import Change, Result
from dynamo.consensus.proposer import Proposer, Round
from dynamo.errors import DynamoError, Overloaded, QuorumUnavailable, ReadTimeout, WriteTimeout
from dynamo.node.ballots import Ballots
from dynamo.node.driver import Driver
from dynamo.node.leads import Leads, Place
from dynamo.node.round_pace import RoundPace
from dynamo.node.store_ages import StoreAgeBook
from dynamo.node.tidings import Tidings
from dynamo.node.wakeups import Wakeup
from dynamo.ports import Randomness
from dynamo.protocol.commands import ChangeOutcome
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.ballot import ZERO

WAITING_MAX = 512
"""Changes that may wait for one key; above it they are refused: nothing was done."""
FOLDED_MAX = 64
"""Changes in one round. The register remembers four times as many (`consensus/requests.py`)."""
SHORT_S = 0.05
"""However long rounds take, a change that has more time left is begun: they may take less than they did."""

ChangeDone = Callable[[ChangeOutcome | DynamoError], None]
Applied = Callable[[str, bytes, int], None]
"""Told bucket, key and version of each change that this node acknowledges as the one who made it."""


class _Waiting:
    """One change, until it is answered."""

    __slots__ = ("change", "done", "in_round", "trace", "wakeup")

    def __init__(self, change: Change, trace: str, done: ChangeDone) -> None:
        self.change = change
        self.trace = trace
        self.done = done
        self.in_round = False
        self.wakeup: Wakeup | None = None
        """At its deadline, if it has to wait for its turn; a round looks at the time by itself."""


class _Queue:
    """What waits for one key."""

    __slots__ = ("busy", "waiting")

    def __init__(self) -> None:
        self.busy = False
        """Whether a round is under way."""
        self.waiting: deque[_Waiting] = deque()


class KeyQueues:
    """One per node."""

    def __init__(
        self,
        driver: Driver,
        ballots: Ballots,
        ages: StoreAgeBook,
        randomness: Randomness,
        tidings: Tidings,
        applied: Applied,
        metrics: Metrics,
    ) -> None:
        self._driver = driver
        self._ballots = ballots
        self._ages = ages
        self._randomness = randomness
        self._tidings = tidings
        self._applied = applied
        self._metrics = metrics
        self._queues: dict[Place, _Queue] = {}
        self._leads = Leads()
        self.pace = RoundPace()

    def __len__(self) -> int:
        """Changes that wait, those in a round not counted."""
        return sum(len(queue.waiting) for queue in self._queues.values())

    @property
    def now_ms(self) -> int:
        """What time it is by this node's ballots."""
        return self._ballots.now_ms

    def add(self, place: Place, change: Change, trace: str, done: ChangeDone) -> None:
        """Carry a change out in its turn; `done` is called once. Raises Overloaded: then nothing was done."""
        queue = self._queues.get(place)
        if queue is None:
            queue = self._queues[place] = _Queue()
        elif len(queue.waiting) >= WAITING_MAX:
            self._metrics.shed_requests["key-queue"].value += 1
            raise _too_many()
        waiting = _Waiting(change, trace, done)
        queue.waiting.append(waiting)
        if queue.busy:
            waiting.wakeup = self._driver.wakeups.at(change.deadline, lambda: self._expire(place, waiting))
        else:
            self._begin(place, queue)

    def _begin(self, place: Place, queue: _Queue) -> None:
        """The next round of the key, if anything waits for it."""
        now = self._driver.clock.monotonic()
        folded = self._next(queue, now)
        if not folded:
            del self._queues[place]
            return
        queue.busy = True
        self._tidings.before_round(place, now)
        _, primaries = place
        command = folded[0].change.command
        lead = self._leads.take(place, self._ages.stores)
        deadline = min(waiting.change.deadline for waiting in folded)
        machine = Proposer(
            self._driver.node,
            primaries,
            command.bucket,
            command.key,
            [waiting.change for waiting in folded],
            self._ballots,
            deadline,
            lead=lead,
            draw=self._randomness.random,
            pace=self.pace,
        )

        def ended(outcome: Round | DynamoError) -> None:
            now_ended = self._driver.clock.monotonic()
            if isinstance(outcome, DynamoError):
                outcome = Round([outcome] * len(folded))
            self._count(outcome, now_ended - now, led=lead is not None)
            if outcome.lead is not None:
                self._leads.keep(place, outcome.lead)
            if outcome.chosen != ZERO:
                self._tidings.add(place, outcome.chosen, now_ended)
            self._settle(queue, folded, outcome.results, now_ended, over=now_ended >= deadline)
            queue.busy = False
            if queue.waiting:
                self._begin(place, queue)
            else:
                del self._queues[place]

        self._driver.run(machine, deadline, folded[0].trace, ended)

    def _next(self, queue: _Queue, now: float) -> list[_Waiting]:
        """The changes of the next round. One that has less time than a round takes would only cut it short."""
        folded: list[_Waiting] = []
        while queue.waiting and len(folded) < FOLDED_MAX:
            waiting = queue.waiting.popleft()
            if waiting.change.deadline - now < min(self.pace.p50_s, SHORT_S):
                self._finish(waiting, _too_late(waiting.change))
            else:
                waiting.in_round = True
                folded.append(waiting)
        return folded

    def _settle(self, queue: _Queue, folded: list[_Waiting], results: list[Result], now: float, *, over: bool) -> None:
        """Answer the changes of a round that has ended, but those that have time for another one."""
        again: list[_Waiting] = []
        for waiting, result in zip(folded, results, strict=True):
            waiting.in_round = False
            if over and _is_open(result) and now < waiting.change.deadline:
                again.append(waiting)
            else:
                self._finish(waiting, result)
        if again:
            queue.waiting.extendleft(reversed(again))

    def _expire(self, place: Place, waiting: _Waiting) -> None:
        """Its time is over. If it is in a round, that ends now."""
        queue = self._queues.get(place)
        if not waiting.in_round and queue is not None and waiting in queue.waiting:
            queue.waiting.remove(waiting)
            self._finish(waiting, _too_late(waiting.change))

    def _finish(self, waiting: _Waiting, result: Result) -> None:
        if waiting.wakeup is not None:
            waiting.wakeup.cancel()
        if isinstance(result, ChangeOutcome) and result.applied:
            command = waiting.change.command
            self._applied(command.bucket, command.key, result.version)
        self._metrics.paxos.changes[_word(result)].value += 1
        waiting.done(result)

    def _count(self, ended: Round, seconds: float, *, led: bool) -> None:
        series = self._metrics.paxos
        undisturbed = ended.rounds == 1 and ended.refusals == 0
        if undisturbed and ended.chosen != ZERO:
            self.pace.took(seconds)
        kind = "contended" if not undisturbed else "lead" if led else "full"
        series.rounds[kind].value += 1
        series.round_trips.observe(ended.trips)
        series.round_changes.observe(len(ended.results))
        if ended.rounds > 1:
            series.backoffs.value += ended.rounds - 1
        if led:
            series.leads["used" if undisturbed else "lost"].value += 1


def _is_open(result: Result) -> bool:
    """Whether a round ended without having decided this change."""
    return isinstance(result, (WriteTimeout, QuorumUnavailable, ReadTimeout))


def _too_late(change: Change) -> DynamoError:
    if change.proposed:
        return WriteTimeout(
            "the change was sent to replicas and its time is over; it may still be made. Repeating it with the same "
            "Idempotency-Key (and, if the key is busy, a Dynamo-Retry-Age) is safe, and resolving it gives a definite "
            "answer"
        )
    return Overloaded(
        "the time of this change was over before the changes of its key that came earlier had ended; nothing was "
        "changed",
        reason="key-queue",
    )


def _too_many() -> Overloaded:
    return Overloaded(
        f"{WAITING_MAX} changes wait for this key already; nothing was changed, try again later",
        reason="key-queue",
        limit=WAITING_MAX,
    )


def _word(result: Result) -> str:
    """The label under which a change is counted."""
    if isinstance(result, DynamoError):
        return "unknown" if isinstance(result, WriteTimeout) else "refused"
    if result.repeated:
        return "repeated"
    return "applied" if result.applied else "unchanged"
