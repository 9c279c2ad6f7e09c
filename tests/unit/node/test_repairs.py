from dynamo.node.rebuilding import Rebuilding
from dynamo.node.repairs import RepairBoard, Tally
from tests.unit.node.world import Agenda, ManualClock, MemoryStorage


def board() -> tuple[RepairBoard, ManualClock]:
    clock = ManualClock()
    return RepairBoard(clock, Rebuilding(4, 2, clock, MemoryStorage(Agenda().later)), enabled=True), clock


def test_a_request_that_waits_is_not_doubled():
    """Another scope is another run; one that has begun is past."""
    made, _ = board()
    first = made.request("", -1)
    assert made.request("", -1) is first
    second = made.request("carts", -1)
    assert (first.number, second.number) == (1, 2)
    assert made.latest is second
    made.requested.clear()
    assert made.request("", -1).number == 3


def test_tallies_add_up():
    """Field by field."""
    total = Tally(exchanges=1, keys_repaired=2)
    total.add(Tally(exchanges=3, failed=1, bytes_sent=10))
    assert total == Tally(exchanges=4, failed=1, keys_repaired=2, bytes_sent=10)


def test_the_age_of_the_last_sweep():
    """None before the first."""
    made, clock = board()
    assert made.status().last_full_sweep_age_s is None
    made.swept()
    clock.turn(5)
    assert made.status().last_full_sweep_age_s == 5
