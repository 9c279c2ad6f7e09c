import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from dynamo.consensus.requests import (
    KEEP_MAX,
    KEEP_MIN,
    LASTING_MAX,
    UNNAMED_MS,
    WINDOW_MS,
    covers,
    find,
    may_last,
    remembered,
)
from dynamo.layout.register import UNNAMED, Done, Register, packed, unpacked


def name(number: int) -> bytes:
    return b"%016d" % number


def grown(
    steps: list[tuple[int, bool]],
    unnamed: Callable[[int], bool] = lambda _: False,
    lasts: Callable[[int], bool] = lambda _: False,
) -> list[Register]:
    """Registers after decisions so many milliseconds apart, each an applied change or a request called off; which of
    those that were applied had no name, and of which an older attempt was known.
    """
    register, counter = Register(), 1_790_000_000_000
    history = [register]
    for number, (pause_ms, applied) in enumerate(steps):
        counter += pause_ms
        version = register.version + 1 if applied else 0
        fingerprint = UNNAMED if not applied or unnamed(number) else 1
        memory = remembered(register, Done(name(number), fingerprint, version, counter), lasts=lasts(number))
        register = Register(max(register.version, version), b"v", "", {}, counter, name(number), *memory)
        history.append(register)
    return history


STEPS = st.lists(
    st.tuples(st.sampled_from([1, WINDOW_MS // 20, WINDOW_MS // 3, WINDOW_MS, 2 * WINDOW_MS]), st.booleans()),
    max_size=60,
)


@given(STEPS)
def test_the_newest_are_kept_and_the_window(steps):
    """In order; never fewer than the minimum; all of the window, and of what is older only the minimum."""
    history = grown(steps)
    for number, register in enumerate(history):
        kept = [int(entry.request) for entry in register.entries]
        assert kept == list(range(number - len(kept), number)), "the oldest leave first"
        assert len(kept) >= min(number, KEEP_MIN)
        if kept:
            limit = register.entries[-1].counter - WINDOW_MS
            assert all(entry.counter >= limit for entry in register.entries[:-KEEP_MIN])
            missing = {entry.request: entry.counter for past in history[:number] for entry in past.entries}
            assert all(find(register, one) or counter < limit for one, counter in missing.items())


@given(STEPS, st.sets(st.integers(0, 59)))
def test_nothing_is_missing_above_the_dropped_version(steps, unnamed):
    """A request that was decided above `dropped` is there: whoever does not find it knows that it was not applied."""
    history = grown(steps, unnamed.__contains__)
    decided = {entry.request: entry for register in history for entry in register.entries}
    for register in history:
        for request, entry in decided.items():
            if register.dropped < entry.version <= register.version:
                assert find(register, request) == entry
    for before, after in itertools.pairwise(history):
        assert after.dropped >= before.dropped
    for register in history[1:]:
        limit = register.entries[-1].counter - UNNAMED_MS
        assert all(entry.counter >= limit for entry in register.entries if entry.version and not entry.fingerprint)


def test_never_more_than_the_maximum():
    """Also of a key that is changed a thousand times a second. Then it says that it does not cover the window."""
    register = grown([(1, True)] * (KEEP_MAX + 40))[-1]
    assert len(register.entries) == KEEP_MAX
    assert register.dropped == 40
    newest_gone = register.entries[0].counter - 1
    assert not covers(register, 0, register.counter + 1)
    assert not covers(register, newest_gone, register.counter + 1)
    assert covers(register, newest_gone + 1, register.counter + 1)
    assert covers(register, 0, newest_gone + WINDOW_MS)


def test_what_was_dropped_stays_dropped_when_others_grow_old():
    """The table has room again, and yet nobody may say that a request of then never came."""
    register = grown([(1, True)] * (KEEP_MAX + 1) + [(UNNAMED_MS + 1, True)], lambda number: 0 < number <= KEEP_MAX)[-1]
    assert len(register.entries) == 1
    assert not covers(register, 0, register.counter)
    assert not covers(register, register.cut, register.counter)


@given(STEPS, st.sets(st.integers(0, 59)))
def test_what_lasts_stays_for_the_window(steps, lasting):
    """However many changes come; when it leaves, it counts as any other that did."""
    history = grown(steps, lasts=lasting.__contains__)
    for number, register in enumerate(history[1:], 1):
        kept = [(int(entry.request), entry.counter) for entry in unpacked(register.lasting)]
        moment = register.counter
        made = [(each, history[each + 1].counter) for each in range(number) if each in lasting]
        assert kept == [(each, counter) for each, counter in made if counter >= moment - WINDOW_MS]
        gone = made[: len(made) - len(kept)]
        assert register.dropped >= max((history[each + 1].version for each, _ in gone), default=0)
        assert register.cut >= max((counter for _, counter in gone), default=0)


def test_there_is_room_for_so_many_that_last():
    """And again when they have grown old."""
    register = grown([(1, True)] * LASTING_MAX, lasts=lambda _: True)[-1]
    assert not may_last(register, register.counter)
    assert may_last(register, unpacked(register.lasting)[0].counter + WINDOW_MS + 1)
    assert may_last(Register(), 5)


def test_entries_that_grew_old_leave_the_window_covered():
    """Somebody whose request is older cannot know."""
    register = grown([(WINDOW_MS // 10, True)] * 100)[-1]
    assert register.dropped > 0
    assert covers(register, 0, register.counter + 1)
    assert not covers(register, register.cut, register.counter)
    assert covers(register, register.cut + 1, register.counter)
    assert covers(Register(), 0, WINDOW_MS)


def test_a_dropped_request_that_was_called_off_makes_earlier_ones_unknown():
    """It has no version; whoever sent it may have had any version in mind up to that of the key."""
    register = grown([(1, True)] * 3 + [(1, False)] + [(2 * WINDOW_MS, True)] * (KEEP_MIN + 2))[-1]
    assert find(register, name(3)) is None
    assert register.dropped >= 4


def test_unnamed_ones_leave_early_and_named_ones_stay():
    """Also those called off, which have no fingerprint either. The newest entries may all be unnamed."""
    steps = [(1, True), (1, True), (1, False), (1, True), (UNNAMED_MS + 1, True), (1, True)]
    register = grown(steps, lambda number: number in (0, 3, 4))[-1]
    assert [int(entry.request) for entry in register.entries] == [1, 2, 4, 5]
    assert register.dropped == 3
    assert covers(register, 0, register.counter + 1)
    alone = grown([(UNNAMED_MS // 4, True)] * 100, lambda _: True)[-1]
    assert len(alone.entries) == 5
    assert alone.dropped == 95


def test_find_takes_the_entry_of_the_request():
    """And not the same bytes by chance elsewhere."""
    register = grown([(1, True)] * 3)[-1]
    found = find(register, name(1))
    assert found is not None
    assert found.version == 2
    assert find(register, name(7)) is None
    across = register.done[8:24]
    assert find(register, across) is None
    named_so = Register(4, done=register.done + packed(Done(across, 1, 4, 9)))
    assert find(named_so, across) == Done(across, 1, 4, 9)
