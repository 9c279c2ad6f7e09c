"""Valid histories of one key, for property tests: what replicas and clients of a real cluster could have done.

Replicas mint, merge what arrives (any earlier state, late, twice, in any order), and lose a batch whose record has
already left them; clients read and write with and without what they have read. Beside every record runs a model that
keeps the *set* of events seen instead of a clock: what a version vector must be able to stand in for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from dynamo.versioning.clock import Clock, Dot, merge
from dynamo.versioning.hybrid_time import HybridClock
from dynamo.versioning.record import Record, Sibling
from dynamo.versioning.siblings import EMPTY, living, merged, newest_only, written

REPLICAS = 3
CLIENTS = 3
START_MS = 1_700_000_000_000
TTL_MS = 50


@dataclass(frozen=True)
class State:
    """A record that existed somewhere, and the model's view of it."""

    record: Record = EMPTY
    seen: frozenset[Dot] = frozenset()
    """Every event that is in its past."""
    standing: frozenset[Dot] = frozenset()
    """Those that no event in its past has superseded."""


@dataclass
class Seen:
    """What a client carries."""

    clock: Clock = field(default_factory=dict)
    hybrid: int = 0
    seen: frozenset[Dot] = frozenset()


@dataclass
class Replica:
    name: str
    skew_ms: int
    hybrid: HybridClock
    state: State = field(default_factory=State)
    incarnation: int = 0
    counter: int = 0


@dataclass
class History:
    """All states that ever were, all siblings ever minted, and the time at which it ended."""

    lww: bool
    states: list[State] = field(default_factory=lambda: [State()])
    minted: dict[Dot, Sibling] = field(default_factory=dict)
    now_ms: int = START_MS
    replicas: list[Replica] = field(default_factory=list)
    clients: list[Seen] = field(default_factory=list)

    def joined(self, left: State, right: State) -> State:
        """What a replica holds after a merge."""
        record = merged(left.record, right.record)
        if self.lww:
            record, _ = newest_only(record)
        kept = (left.standing & right.standing) | (left.standing - right.seen) | (right.standing - left.seen)
        return State(record, left.seen | right.seen, kept)

    def write(self, at: int, by: int, *, delete: bool, knowing: bool, expiring: bool, lost: bool) -> None:
        """One write. `knowing`: with what the client has read. `lost`: sent to others, but not kept here."""
        replica = self.replicas[at]
        client = self.clients[by] if knowing else Seen()
        base = replica.state
        replica.counter += 1
        dot = (f"{replica.name}.{replica.incarnation}", replica.counter)
        above = max(base.record.hybrid_max(), client.hybrid)
        new = Sibling(
            *dot,
            hybrid=replica.hybrid.tick(self.now_ms + replica.skew_ms, above),
            value=None if delete else f"{dot[0]}:{dot[1]}".encode(),
            expires_ms=self.now_ms + TTL_MS if expiring and not delete else 0,
            request=f"{len(self.minted):016d}".encode(),
        )
        self.minted[dot] = new
        context, superseded = client.clock, client.seen
        if self.lww or (delete and not knowing):
            context, superseded = merge(base.record.clock, context), base.seen | superseded
        alive = living(base.record, self.now_ms)
        kept = {d for d in base.standing if self.minted[d].is_live(self.now_ms)} - superseded
        after = State(written(alive, context, new), base.seen | client.seen | {dot}, frozenset(kept | {dot}))
        self.states.append(after)
        if lost:
            replica.incarnation += 1
            replica.counter = 0
        else:
            replica.state = after

    def read(self, by: int, at: int) -> None:
        """A client takes in what a replica holds."""
        client, state = self.clients[by], self.replicas[at].state
        client.clock = merge(client.clock, state.record.clock)
        client.hybrid = max(client.hybrid, state.record.hybrid_max())
        client.seen |= state.seen

    def deliver(self, which: int, at: int) -> None:
        """A replica merges a state of some other time and place."""
        replica = self.replicas[at]
        replica.state = self.joined(replica.state, self.states[which % len(self.states)])
        self.states.append(replica.state)


_step = st.one_of(
    st.tuples(
        st.just("write"),
        st.integers(0, REPLICAS - 1),
        st.integers(0, CLIENTS - 1),
        st.fixed_dictionaries(
            {
                "delete": st.booleans(),
                "knowing": st.booleans(),
                "expiring": st.booleans(),
                "lost": st.sampled_from([False, False, False, True]),
            }
        ),
    ),
    st.tuples(st.just("read"), st.integers(0, CLIENTS - 1), st.integers(0, REPLICAS - 1), st.just({})),
    st.tuples(st.just("deliver"), st.integers(0, 99), st.integers(0, REPLICAS - 1), st.just({})),
    st.tuples(st.just("wait"), st.integers(0, 40), st.just(0), st.just({})),
)


@st.composite
def histories(draw: st.DrawFn, *, lww: bool | None = None, steps_max: int = 25) -> History:
    """A history of up to `steps_max` steps, of a siblings or (half of them) an lww bucket."""
    history = History(lww=draw(st.booleans()) if lww is None else lww)
    skews = draw(st.lists(st.integers(-2000, 2000), min_size=REPLICAS, max_size=REPLICAS))
    history.replicas = [Replica(f"n{i}", skew, HybridClock(10_000)) for i, skew in enumerate(skews)]
    history.clients = [Seen() for _ in range(CLIENTS)]
    for kind, first, second, options in draw(st.lists(_step, min_size=1, max_size=steps_max)):
        if kind == "wait":
            history.now_ms += first
        else:
            getattr(history, kind)(first, second, **options)
    return history
