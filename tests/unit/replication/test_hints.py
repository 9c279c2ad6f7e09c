"""What a hint holds, what hints come to, and what becomes of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.layout.hint import Hint
from dynamo.replication.hints import Fate, HintTotals, fate, kept
from dynamo.replication.read_repair import keep_newest, keep_siblings
from dynamo.versioning.record import Record, Sibling, decode, encode

AGE_MS = 10_000


def record(actor: str, counter: int, hybrid: int = 1) -> Record:
    return Record({actor: counter}, [Sibling(actor, counter, hybrid, b"%d" % counter)])


def added(held: Hint | None, new: Record, now_ms: int, resolve=keep_siblings) -> Hint:
    return kept(held, encode(new), new, resolve, now_ms=now_ms, age_max_ms=AGE_MS)


def test_a_first_hint_is_the_record_itself():
    """Byte for byte, and its age begins."""
    assert added(None, record("a", 1), 500) == Hint(encode(record("a", 1)), 500, 500 + AGE_MS)


def test_a_second_hint_is_merged_and_keeps_the_age_of_the_first():
    """Concurrent writes are both there; the older one decides when the hint expires."""
    both = added(added(None, record("a", 1), 500), record("b", 1), 900)
    assert [s.dot for s in decode(both.record).siblings] == [("a", 1), ("b", 1)]
    assert (both.first_failed_ms, both.expires_ms) == (500, 500 + AGE_MS)


def test_a_bucket_of_last_writes_keeps_the_newest():
    """As its target would."""
    both = added(added(None, record("a", 1, hybrid=9), 500), record("b", 1, hybrid=5), 900, keep_newest)
    assert [s.dot for s in decode(both.record).siblings] == [("a", 1)]


def test_a_repeat_or_an_older_record_changes_nothing():
    """So that the bytes that were acknowledged are still the bytes that are kept."""
    first = added(None, record("a", 2), 500)
    assert added(first, record("a", 2), 900) == first
    assert added(first, Record({"a": 1}, []), 900).record == first.record


def test_a_clock_that_was_set_back_makes_no_hint_younger():
    """The older of the two times counts."""
    assert added(added(None, record("a", 1), 500), record("b", 1), 100).expires_ms == 100 + AGE_MS


arrivals = st.lists(st.builds(record, st.sampled_from("abc"), st.integers(1, 4)), min_size=1, max_size=6)


@given(arrivals, st.randoms())
def test_the_order_of_arrival_does_not_matter(arrived, dice):
    """What is kept for a key is the merge of all that came."""
    shuffled = list(arrived)
    dice.shuffle(shuffled)
    ends = []
    for order in (arrived, shuffled):
        held = None
        for arrival in order:
            held = added(held, arrival, 500)
        ends.append(held)
    assert ends[0] == ends[1]


class TestTotals:
    def test_they_count_keys_and_stored_forms(self):
        """A new hint, a larger one in its place, and none."""
        one = HintTotals().changed(b"key", None, b"12345", 700)
        assert one == HintTotals(1, 8, 700)
        assert one.changed(b"key", b"12345", b"1234567", 700) == HintTotals(1, 10, 700)
        assert one.changed(b"key", b"12345", None) == HintTotals()

    def test_the_oldest_is_a_bound(self):
        """An older one lowers it; removing one does not raise it, since the others are not known here."""
        two = HintTotals().changed(b"a", None, b"1", 700).changed(b"b", None, b"1", 600)
        assert two.oldest_ms == 600
        assert two.changed(b"b", b"1", None).oldest_ms == 600

    def test_more_cannot_go_than_there_was(self):
        """Totals that do not fit their hints are a bug."""
        with pytest.raises(AssertionError):
            HintTotals().changed(b"a", b"1", None)


class TestFate:
    PRIMARIES = ("n1", "n2", "n3")

    def of(self, *alive: str, target: str = "n1", now_ms: int = 0, dropped: bool = False) -> Fate:
        return fate(Hint(b"", 0, AGE_MS), target, self.PRIMARIES, alive.__contains__, dropped=dropped, now_ms=now_ms)

    def test_it_goes_to_its_target_once_that_is_alive(self):
        """However old it is."""
        assert self.of("n1") is Fate.DELIVER
        assert self.of("n1", "n2", now_ms=AGE_MS) is Fate.DELIVER

    def test_it_waits_for_a_target_that_is_away(self):
        """Whoever else is there."""
        assert self.of("n2", "n3", now_ms=AGE_MS - 1) is Fate.WAIT

    def test_it_is_handed_over_when_it_is_too_old(self):
        """To a majority: it may be one of the copies that an acknowledgement stands for. Until then it waits."""
        assert self.of("n2", "n3", now_ms=AGE_MS) is Fate.HAND_OVER
        assert self.of("n3", now_ms=AGE_MS) is Fate.WAIT
        assert self.of(now_ms=AGE_MS) is Fate.WAIT

    @pytest.mark.parametrize(("replicas", "enough"), [(1, 1), (2, 1), (3, 2), (4, 3), (5, 3)])
    def test_how_many_take_over(self, replicas: int, enough: int):
        """A majority of the replicas, or all but the target where there are two; a sole replica is waited for."""
        primaries = tuple(f"n{number}" for number in range(1, replicas + 1))
        for count in range(replicas):
            alive = primaries[replicas - count :]
            decided = fate(Hint(b"", 0, AGE_MS), "n1", primaries, alive.__contains__, dropped=False, now_ms=AGE_MS)
            assert decided is (Fate.HAND_OVER if count >= enough else Fate.WAIT)

    def test_a_target_that_is_no_replica_any_more(self):
        """The hint goes to all who are; for too long, to any of them."""
        assert self.of("n1", "n2", "n3", "n9", target="n9") is Fate.SPREAD
        assert self.of("n1", "n2", "n9", target="n9") is Fate.WAIT
        assert self.of("n1", "n2", target="n9", now_ms=AGE_MS) is Fate.HAND_OVER
        assert self.of("n1", target="n9", now_ms=AGE_MS) is Fate.WAIT

    def test_a_bucket_that_was_dropped(self):
        """It takes its hints along."""
        assert self.of("n1", "n2", "n3", dropped=True) is Fate.DROP
