"""One queue of wake-ups: each at its time, none before it, whatever the loop's timers round to."""

from collections.abc import Callable

import pytest

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
