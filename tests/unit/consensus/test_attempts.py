"""One request in several attempts: an old one may come after all others, however many changes lie between them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dynamo.consensus.change import Change, evaluate
from dynamo.consensus.requests import KEEP_MAX, LASTING_MAX, UNNAMED_MS, WINDOW_MS
from dynamo.errors import CalledOff, DynamoError, OutcomeForgotten
from dynamo.layout.register import ABSENT, Register
from dynamo.protocol.commands import Action, ChangeOutcome
from tests.unit.consensus.hand import command

BORN = 1_790_000_000_000
R, S = b"r" * 16, b"s" * 16


class Key:
    """A counter to which one request adds 1, and others 1000."""

    def __init__(self) -> None:
        self.register: Register = ABSENT
        self.moment = BORN
        self.others = 0
        self.called_off = False

    @property
    def effects(self) -> int:
        """How often the request took effect."""
        return int(self.register.value or b"0") % 1000

    def change(self, change: Change) -> ChangeOutcome | DynamoError:
        self.moment += 1
        self.register, (result,), _ = evaluate(self.register, [change], self.moment)
        return result

    def busy(self, count: int, *, named: bool = True) -> None:
        for _ in range(count):
            self.others += 1
            request = b"%016d" % self.others
            assert self.change(Change(command(Action.ADD, request, amount=1000, named=named))).applied is True

    def attempt(self, *, first: bool = False, born: int = BORN, repeated: bool = False) -> ChangeOutcome | DynamoError:
        """Of the request. The first one knows of no other."""
        asked = command(Action.ADD, R, amount=1, born=born, repeated=repeated)
        result = self.change(Change(asked, doubtful=not (first or repeated)))
        self.check(result)
        return result

    def resolve(self, born: int = BORN) -> ChangeOutcome | DynamoError:
        result = self.change(Change(command(Action.RESOLVE, b"%016d" % -self.moment, target=R, born=born)))
        self.called_off = self.called_off or (isinstance(result, ChangeOutcome) and not result.applied)
        self.check(result)
        return result

    def check(self, result: ChangeOutcome | DynamoError) -> None:
        """At most once, never after it was called off, and what is said is so."""
        assert self.effects <= (0 if self.called_off else 1)
        if isinstance(result, ChangeOutcome):
            assert self.effects == int(result.applied)
        else:
            assert isinstance(result, OutcomeForgotten) or (isinstance(result, CalledOff) and self.called_off)


STEPS = st.one_of(
    st.tuples(st.just(Key.busy), st.sampled_from((1, KEEP_MAX - 1, KEEP_MAX + 1))),
    st.tuples(st.just(lambda key, count: key.busy(count, named=False)), st.sampled_from((1, KEEP_MAX))),
    st.tuples(st.just(lambda key, ms: setattr(key, "moment", key.moment + ms)), st.sampled_from((1, UNNAMED_MS + 1))),
    st.tuples(st.just(lambda key, born: key.attempt(born=born)), st.sampled_from((0, BORN))),
    st.tuples(st.just(Key.resolve), st.sampled_from((0, BORN))),
)


@given(st.lists(STEPS, max_size=7), st.integers(0, 7))
@example([(lambda key, born: key.attempt(born=born), BORN), (Key.busy, KEEP_MAX + 1)], 2)
@example([(Key.resolve, BORN), (Key.busy, KEEP_MAX + 1)], 2)
@example([(Key.busy, KEEP_MAX), (Key.busy, 1), (lambda key, ms: setattr(key, "moment", key.moment + ms), 10_001)], 0)
def test_a_request_takes_effect_once(steps: list[tuple[Callable[[Key, int], object], int]], late: int):
    """Its first attempt arrives at any moment of the window, before or after the others."""
    key = Key()
    for number, (step, argument) in enumerate(steps):
        if number == late:
            key.attempt(first=True)
        step(key, argument)
    if late >= len(steps):
        key.attempt(first=True)


def test_another_attempt_is_made_while_nothing_was_dropped_since_its_birth():
    """On a key as busy as may be, that is known of what is young only."""
    key = Key()
    key.busy(KEEP_MAX + 10)
    old = key.register.cut
    assert isinstance(key.attempt(born=old), OutcomeForgotten)
    assert isinstance(key.resolve(born=old), OutcomeForgotten)
    assert key.attempt(born=old + 1).applied is True
    assert key.attempt(born=0).repeated is True


def test_an_entry_is_not_older_than_its_request():
    """The clock of whoever names it may be ahead of the one that carries it out; so what is cut covers its birth."""
    key = Key()
    key.attempt(first=True, born=BORN + 5000)
    assert key.register.counter == BORN + 5000
    key.busy(KEEP_MAX)
    assert isinstance(key.attempt(born=BORN + 5000), OutcomeForgotten)


def test_a_clock_that_jumps_ahead_makes_nothing_of_a_request_that_was_made():
    """One coordinator's is half an hour ahead: what was remembered is too old by it. Then nobody knows."""
    key = Key()
    key.attempt(first=True)
    key.moment += 3 * WINDOW_MS
    key.busy(20)
    assert isinstance(key.attempt(), OutcomeForgotten)
    assert isinstance(key.resolve(), OutcomeForgotten)


def test_ballots_that_are_ahead_make_nothing_unknown():
    """A clock was wrong once, by two hours. What nobody asks for was dropped since, and nothing else."""
    key = Key()
    key.moment += 12 * WINDOW_MS
    key.busy(3, named=False)
    key.moment += UNNAMED_MS + 1
    key.busy(1)
    assert key.register.dropped == 3
    assert key.attempt().applied is True


@pytest.mark.parametrize("resolves", [False, True])
def test_no_more_than_can_be_remembered(resolves):
    """Others that knew of older attempts have taken the room for ten minutes: it is neither made nor called off."""
    key = Key()
    for number in range(LASTING_MAX):
        key.change(Change(command(Action.DELETE, b"%016d" % number, repeated=True)))
    assert isinstance(key.resolve() if resolves else key.attempt(), OutcomeForgotten)
    key.moment += WINDOW_MS
    born = key.moment
    assert (key.resolve(born) if resolves else key.attempt(born=born)).applied is not resolves


def test_a_client_that_repeats_says_so():
    """As a node that takes over does."""
    key = Key()
    assert key.attempt(repeated=True).applied is True
    key.busy(KEEP_MAX + 1)
    assert key.attempt(first=True).repeated is True
