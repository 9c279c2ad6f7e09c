import asyncio
import itertools

from dynamo.api.cooling import BURST_S, PAUSE_MAX_S, REFUSALS_PER_S, Cooling, Slots


class FakeTransport:
    def __init__(self, *, closing: bool = False) -> None:
        self.paused = 0
        self.resumed = 0
        self._closing = closing

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.resumed += 1

    def is_closing(self) -> bool:
        return self._closing


def test_a_few_refusals_rest_nobody():
    """As many as the rate allows, and a burst more."""
    slots = Slots()
    assert not any(slots.pause_s(100.0 + number / REFUSALS_PER_S) for number in range(2000))
    assert not any(slots.pause_s(200.0) for _ in range(int(BURST_S * REFUSALS_PER_S) - 1))
    assert [slots.pause_s(200.0) for _ in range(2)][1] > 0


def test_above_the_rate_each_waits_for_its_slot():
    """Pauses grow in steps of a slot, to the longest one, and end in the order in which they were given."""
    slots = Slots()
    pauses = [slots.pause_s(100.0) for _ in range(2000)]
    assert pauses == sorted(pauses)
    assert max(pauses) == PAUSE_MAX_S
    steps = [b - a for a, b in itertools.pairwise(pauses[60:400])]
    assert all(abs(step - 1 / REFUSALS_PER_S) < 1e-9 for step in steps)


def test_the_pause_is_over_before_a_client_was_asked_to_come_back():
    """So nobody who obeys Retry-After notices it."""
    assert PAUSE_MAX_S < 1


async def test_a_connection_rests_and_is_read_from_again():
    """Each one that was paused is resumed, once, unless it has ended meanwhile."""
    cooling = Cooling(asyncio.get_running_loop())
    transports = [FakeTransport(closing=number % 100 == 99) for number in range(200)]
    for transport in transports:
        cooling.refused(transport)  # type: ignore[arg-type]
    rested = [transport for transport in transports if transport.paused]
    assert 100 < len(rested) < 200
    async with asyncio.timeout(5):
        while sum(each.resumed for each in rested) < sum(not each.is_closing() for each in rested):
            await asyncio.sleep(0.005)
    assert all(each.resumed == (not each.is_closing()) for each in rested)
    assert not cooling._resting
