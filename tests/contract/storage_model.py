"""The model that a store is compared with: one dictionary of what was acknowledged, and a queue of what was not yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dynamo.errors import StorageFull
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import Change
from tests.contract.storage_rig import Outcome, StorageRig, step, wait, write

RECORDS, META = Keyspace.RECORDS, Keyspace.META
SPACES = [RECORDS, META]
KEYS = [b"a", b"b", b"c", b"d"]
CHANGES = st.lists(
    st.tuples(st.sampled_from(SPACES), st.sampled_from(KEYS), st.none() | st.binary(max_size=3)), max_size=5
)
State = dict[tuple[Keyspace, bytes], bytes]


def applied(state: State, changes: Sequence[Change]) -> State:
    after = dict(state)
    for space, key, value in changes:
        if value is None:
            after.pop((space, key), None)
        else:
            after[space, key] = value
    return after


class StorageModel(RuleBasedStateMachine):
    """`durable` is what was acknowledged; `pending` is what was handed over since, in order."""

    make_rig: Callable[[], StorageRig]

    @initialize()
    def open(self) -> None:
        self.rig = self.make_rig()
        self.durable: State = {}
        self.pending: list[tuple[Sequence[Change], Outcome]] = []
        self.full = False

    def teardown(self) -> None:
        if hasattr(self, "rig"):
            wait(self.rig, *[outcome for _, outcome in self.pending])
            self.rig.close()

    @rule(changes=CHANGES, durable=st.booleans())
    def hand_over(self, changes: Sequence[Change], durable: bool) -> None:
        self.pending.append((changes, write(self.rig, *changes, durable=durable)))

    @rule()
    def run_what_is_due(self) -> None:
        step(self.rig)
        self.take_notice()

    # No precondition looks at `pending`: how far a real disk has come must not steer which rules are drawn.
    @rule()
    def wait_for_the_oldest(self) -> None:
        wait(self.rig, *[outcome for _, outcome in self.pending[:1]])
        self.take_notice()

    @rule(full=st.booleans())
    def change_room(self, full: bool) -> None:
        self.full = full
        if full:
            self.rig.fill()
        else:
            self.rig.make_room()

    @precondition(lambda self: not self.full)
    @rule()
    def reopen(self) -> None:
        wait(self.rig, *[outcome for _, outcome in self.pending])
        self.take_notice()
        self.rig.reopen()

    def take_notice(self) -> None:
        """Acknowledged batches form a prefix; if one failed, all behind it did."""
        failed = False
        while self.pending and not self.pending[0][1].pending:
            changes, outcome = self.pending.pop(0)
            if outcome.error is None:
                assert not failed, "nothing is acknowledged behind a failure"
                self.durable = applied(self.durable, changes)
            else:
                assert isinstance(outcome.error, StorageFull)
                failed = True
        assert not (failed and self.pending), "nothing waits behind a failure"
        assert all(outcome.pending for _, outcome in self.pending), "waiters are told in order"

    @invariant()
    def latest_is_everything_handed_over(self) -> None:
        if hasattr(self, "rig"):
            expected = self.durable
            for changes, _ in self.pending:
                expected = applied(expected, changes)
            assert self.observed(self.rig.storage.latest) == expected

    @invariant()
    def reads_show_a_moment_between_acknowledged_and_handed_over(self) -> None:
        """A store may show a batch just before its waiter is told, but never half of one."""
        if hasattr(self, "rig"):
            moments = [self.durable]
            for changes, _ in self.pending:
                moments.append(applied(moments[-1], changes))
            seen = self.observed(self.rig.storage.read)
            assert seen in moments
            scanned = {(s, key): value for s in SPACES for key, value in self.rig.storage.scan(s, b"", None, 100)}
            assert scanned == seen

    def observed(self, look: Callable[[Keyspace, bytes], bytes | None]) -> State:
        found = {(space, key): look(space, key) for space in SPACES for key in KEYS}
        return {place: value for place, value in found.items() if value is not None}
