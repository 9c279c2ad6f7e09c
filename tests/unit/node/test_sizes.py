import pytest

from dynamo.config import LimitsSection
from dynamo.errors import TooManySiblings, ValueTooLarge
from dynamo.node.sizes import QUIET_S, Sizes
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.record import Record, Sibling
from tests.unit.node.lone import Lone, of, theirs
from tests.unit.node.world import ManualClock

LIMITS = LimitsSection(siblings_warn=2, siblings_max=4, object_bytes_warn=100, object_bytes_max=200)


class Gauge:
    """The limits, what they counted, and what was logged."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics([], "test")
        self.sizes = Sizes(LIMITS, self.clock, self.metrics)

    def write(self, siblings: int, size_bytes: int = 10) -> None:
        self.sizes.written("b", _record(siblings), bytes(size_bytes))

    def merge(self, siblings: int, size_bytes: int = 10) -> None:
        self.sizes.merged(_record(siblings), bytes(size_bytes))

    def counts(self, name: str) -> tuple[float, float]:
        cells = getattr(self.metrics, name)
        return cells["siblings"].value, cells["object_bytes"].value


def _record(siblings: int) -> Record:
    return Record({}, [Sibling("a", n + 1, 1, b"secret") for n in range(siblings)])


@pytest.fixture
def gauge() -> Gauge:
    return Gauge()


def test_a_write_at_a_limit_passes_and_one_above_it_does_not(gauge):
    """By either limit, each with its own error and count."""
    gauge.write(4)
    gauge.write(1, 200)
    with pytest.raises(TooManySiblings, match="has 4 concurrent values, 4 are allowed"):
        gauge.write(5)
    with pytest.raises(ValueTooLarge, match="would take 201 bytes, 200 are allowed"):
        gauge.write(1, 201)
    assert gauge.counts("limit_refusals") == (1, 1)


def test_writes_are_warned_of_above_the_mark(gauge, caplog):
    """All are counted; of many in a row one is logged, which names no key and no value."""
    gauge.write(2, 100)
    assert gauge.counts("limit_warnings") == (0, 0)
    for _ in range(3):
        gauge.write(3)
        gauge.write(1, 101)
    assert gauge.counts("limit_warnings") == (3, 3)
    assert len(caplog.records) == 1
    assert "secret" not in str(vars(caplog.records[0]))
    gauge.clock.turn(QUIET_S)
    gauge.write(3)
    assert len(caplog.records) == 2


def test_siblings_at_write_are_counted(gauge):
    """What was stored, not what was refused."""
    for count in (1, 1, 3):
        gauge.write(count)
    with pytest.raises(TooManySiblings):
        gauge.write(5)
    assert gauge.metrics.write_siblings.sum == 5


def test_a_merge_is_counted_and_never_refused(gauge):
    """Replicas must converge."""
    gauge.merge(4, 200)
    assert gauge.counts("limit_overruns") == (0, 0)
    gauge.merge(5, 201)
    assert gauge.counts("limit_overruns") == (1, 1)


def test_a_replica_stores_more_than_a_client_may_write():
    """And the next client's write resolves it, if it has seen all."""
    lone = Lone(limits=LimitsSection(siblings_max=3))
    for n in range(3):
        lone.write(b"k", b"%d" % n)
    assert lone.store(b"k", of(theirs())) is None
    assert len(lone.record(b"k").siblings) == 4
    assert lone.metrics.limit_overruns["siblings"].value == 1
    with pytest.raises(TooManySiblings):
        lone.begin(b"k", b"one more")
    lone.write(b"k", b"merged", context=lone.record(b"k").clock)
    assert lone.values(b"k") == [b"merged"]
