import pytest

from dynamo.workload.keys import KeySpace
from dynamo.workload.mixed import DRAWS, DrawnKeys, Mixed

KEYS = KeySpace(5, 1000, 4)


class Named:
    """An operation that says what it was asked."""

    def __init__(self, name: str) -> None:
        self.name, self.keys = name, KEYS

    def request(self, position: int) -> bytes:
        return f"{self.name} {position}".encode()

    def fault(self, position: int, status: int, head: bytes, body: bytes) -> str:
        return f"{self.name} {position} {status}"


@pytest.mark.parametrize(("mix", "writes"), [("a", 0.5), ("b", 0.05), ("c", 0.0)])
def test_writes_have_their_share(mix: str, writes: float):
    """As YCSB has it, over all connections."""
    lists = DrawnKeys(KEYS, mix, 1).shares(8)
    drawn = [position for each in lists for position in each]
    assert len(drawn) == 8 * DRAWS
    assert sum(position >= len(KEYS) for position in drawn) / len(drawn) == pytest.approx(writes, abs=0.02)


def test_some_keys_are_hot_whether_read_or_written():
    """Scrambled zipfian: the hottest of a thousand keys has about a twenty-fifth of all, not a thousandth."""
    drawn = [position % len(KEYS) for each in DrawnKeys(KEYS, "a", 1).shares(8) for position in each]
    hottest = max(set(drawn), key=drawn.count)
    assert 0.03 < drawn.count(hottest) / len(drawn) < 0.06


def test_every_system_gets_the_same_lists():
    """Equal seeds, equal lists, also where there are more connections; another seed, others."""
    lists = DrawnKeys(KEYS, "b", 1).shares(3)
    assert DrawnKeys(KeySpace(5, 1000, 4), "b", 1).shares(4)[:3] == lists
    assert DrawnKeys(KEYS, "b", 2).shares(3) != lists


def test_a_position_is_a_read_or_a_write():
    """Above the number of keys it is a write, of the key so far above it; answers go back the same way."""
    mixed = Mixed("a", 1, Named("read"), Named("write"))
    assert mixed.name == "YCSB A"
    assert (mixed.request(7), mixed.request(1007)) == (b"read 7", b"write 7")
    assert (mixed.fault(7, 1, b"", b""), mixed.fault(1999, 2, b"", b"")) == ("read 7 1", "write 999 2")
