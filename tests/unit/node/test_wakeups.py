"""One queue of wake-ups: each at its time, none before it, whatever the loop's timers round to."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.node.wakeups import Wakeups


class EarlyClock:
    """A clock whose timers fire up to half a millisecond early, as those of a loop that rounds."""

    def __init__(self, early_s: float) -> None:
        self.now = 0.0
        self._early_s = early_s
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        self._timers.append((max(self.now + 1e-5, when - self._early_s), callback))

    def run(self) -> None:
        """Let time pass until no timer is left."""
        while self._timers:
            self._timers.sort(key=lambda timer: timer[0])
            self.now, callback = self._timers.pop(0)
            callback()


@pytest.mark.parametrize("early_s", [0.0, 0.0005])
def test_nobody_is_woken_early(early_s: float):
    """Entries half a millisecond apart are each woken at or after their own time, also when the timer fires early."""
    clock = EarlyClock(early_s)
    wakeups = Wakeups(clock)
    woken: dict[float, float] = {}
    for when in (2.0, 1.0005, 1.0, 1.001):
        wakeups.at(when, lambda when=when: woken.setdefault(when, clock.now))
    clock.run()
    assert sorted(woken) == [1.0, 1.0005, 1.001, 2.0]
    assert all(when <= at < when + 0.002 for when, at in woken.items())


def test_a_cancelled_entry_is_not_woken():
    """Cancelling holds also for an entry that is due together with the one that cancels it."""
    clock = EarlyClock(0.0)
    wakeups = Wakeups(clock)
    woken: list[str] = []
    second = wakeups.at(1.0, lambda: woken.append("second"))
    wakeups.at(0.5, second.cancel)
    wakeups.at(1.0, lambda: woken.append("third"))
    clock.run()
    assert woken == ["third"]


def test_a_callback_that_raises_does_not_keep_the_others_asleep():
    """Its bug is its own: whoever was due with it, or later, is still woken."""
    clock = EarlyClock(0.0)
    wakeups = Wakeups(clock)
    woken: list[str] = []

    def broken() -> None:
        raise RuntimeError("a bug")

    wakeups.at(1.0, broken)
    wakeups.at(1.0, lambda: woken.append("same time"))
    wakeups.at(2.0, lambda: woken.append("later"))
    with pytest.raises(RuntimeError):
        clock.run()
    clock.run()
    assert woken == ["same time", "later"]


def test_a_callback_may_ask_again():
    """For a time that is earlier than everybody else's, and for one that has come already."""
    clock = EarlyClock(0.0)
    wakeups = Wakeups(clock)
    woken: list[tuple[str, float]] = []
    wakeups.at(5.0, lambda: woken.append(("last", clock.now)))

    def again() -> None:
        wakeups.at(2.0, lambda: woken.append(("second", clock.now)))
        wakeups.at(0.5, lambda: woken.append(("overdue", clock.now)))

    wakeups.at(1.0, again)
    clock.run()
    assert [name for name, _ in woken] == ["overdue", "second", "last"]
    assert [at for _, at in woken] == pytest.approx([1.0, 2.0, 5.0], abs=1e-3)


def test_cancelled_entries_do_not_pile_up():
    """Of thousands of requests that end before their deadline a hundred or so are kept, and whoever still waits is."""
    clock = EarlyClock(0.0)
    wakeups = Wakeups(clock)
    woken: list[float] = []
    for number in range(5000):
        entry = wakeups.at(2.0 + number / 1000, lambda: woken.append(clock.now))
        if number % 1000:
            entry.cancel()
        assert len(wakeups) <= 210
    clock.run()
    assert woken == pytest.approx([2.0, 3.0, 4.0, 5.0, 6.0], abs=1e-3)


def test_an_entry_cancelled_twice_counts_once():
    """Else the queue would be tidied for nothing, again and again."""
    wakeups = Wakeups(EarlyClock(0.0))
    entries = [wakeups.at(1.0, lambda: None) for _ in range(150)]
    for _ in range(10):
        entries[0].cancel()
    entries[1].cancel()
    assert len(wakeups) == 150
    for entry in entries[:102]:
        entry.cancel()
    assert len(wakeups) == 49


def test_cancelled_entries_leave_the_queue():
    """At their time at the latest: a busy node does not collect them."""
    clock = EarlyClock(0.0)
    wakeups = Wakeups(clock)
    for number in range(100):
        wakeups.at(1.0 + number / 1000, lambda: None).cancel()
    assert len(wakeups) == 100
    clock.run()
    assert len(wakeups) == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=30), st.sampled_from([0.0, 0.0005]))
def test_everyone_is_woken_in_order(asked, early_s):
    """Of any number asked for in any order: those not cancelled, each once, in the order of their times."""
    clock = EarlyClock(early_s)
    wakeups = Wakeups(clock)
    woken: list[int] = []
    for when, cancelled in asked:
        entry = wakeups.at(when / 10, lambda when=when: woken.append(when))
        if cancelled:
            entry.cancel()
    clock.run()
    assert woken == sorted(when for when, cancelled in asked if not cancelled)
