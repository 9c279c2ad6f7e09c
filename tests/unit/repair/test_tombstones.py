"""When a record counts as dead, who must agree, and how long it takes between two looks."""

from __future__ import annotations

import pytest

from dynamo.protocol.messages import DeadKey
from dynamo.repair.tombstones import Looks, dead_for_ms, settle_min_s, unanimous
from dynamo.versioning.hybrid_time import stamp
from dynamo.versioning.record import Record, Sibling

NOW_MS = 1_000_000


def sibling(value: bytes | None, at_ms: int, expires_ms: int = 0, counter: int = 1) -> Sibling:
    return Sibling("n1.a", counter, stamp(at_ms, 7), value, expires_ms=expires_ms)


def record(*siblings: Sibling) -> Record:
    return Record({"n1.a": 9}, list(siblings))


@pytest.mark.parametrize(
    ("siblings", "dead_for"),
    [
        ([sibling(None, NOW_MS - 500)], 500),
        ([sibling(b"v", NOW_MS - 500, expires_ms=NOW_MS - 20)], 20),
        ([sibling(b"v", NOW_MS - 500, expires_ms=NOW_MS)], 0),
        ([sibling(None, NOW_MS - 500), sibling(None, NOW_MS - 80, counter=2)], 80),
        ([sibling(None, NOW_MS - 10), sibling(b"v", NOW_MS - 500, expires_ms=NOW_MS - 30, counter=2)], 10),
    ],
)
def test_a_record_is_dead_since_its_last_sibling_died(siblings: list[Sibling], dead_for: int):
    """A tombstone from its stamp on, a value from its expiry on."""
    assert dead_for_ms(record(*siblings), NOW_MS) == dead_for


@pytest.mark.parametrize(
    "siblings",
    [
        [sibling(b"v", NOW_MS - 500)],
        [sibling(b"v", NOW_MS - 500, expires_ms=NOW_MS + 1)],
        [sibling(None, NOW_MS - 500), sibling(b"v", NOW_MS - 500, counter=2)],
        [sibling(None, NOW_MS + 100)],
        [],
    ],
)
def test_what_lives_or_died_in_future_is_not_dead(siblings: list[Sibling]):
    """One live sibling is enough; a stamp ahead of this clock proves nothing; a record without siblings is none."""
    assert dead_for_ms(record(*siblings), NOW_MS) < 0


def test_a_no_or_silence_of_one_node_is_a_no():
    """Every node that was asked must have said yes to a key, and have answered for all of them."""
    asked = ["n1", "n2", "n3"]
    assert unanimous({"n1": [True, True], "n2": [True, False], "n3": [True, True]}, asked, 2) == [True, False]
    assert unanimous({"n1": [True], "n2": [True]}, asked, 1) == [False]
    assert unanimous({"n1": [True], "n2": [True], "n3": None}, asked, 1) == [False]
    assert unanimous({"n1": [True, True], "n2": [True], "n3": [True, True]}, asked, 2) == [False, False]
    assert unanimous({"n1": [True], "n2": [True], "n3": [True], "n9": [False]}, asked, 1) == [True]


def test_the_looks_are_further_apart_than_anything_lives():
    """A request of a minute, then a hint offered to each of three nodes, then that message on its way."""
    assert settle_min_s(60.0, 0.5, 5.0, 3) == 60.0 + 0.5 + 15.0 + 5.0


def key(number: int) -> DeadKey:
    return DeadKey("b", b"%d" % number, number)


def test_a_key_waits_for_its_second_look():
    """Not before its time, in order, as many as wanted, and each once."""
    looks = Looks(settle_s=90.0, held_max=10)
    looks.agreed([key(1), key(2)], now=100.0)
    looks.agreed([key(3)], now=110.0)
    assert looks.take_due(189.9, 10) == []
    assert looks.take_due(190.0, 1) == [key(1)]
    assert not looks.knows("b", b"1")
    assert looks.knows("b", b"2")
    assert looks.take_due(205.0, 10) == [key(2), key(3)]
    assert len(looks) == 0


def test_room_is_bounded():
    """Who walks asks for room before it asks the others."""
    looks = Looks(settle_s=1.0, held_max=2)
    looks.agreed([key(1)], now=0.0)
    assert looks.room == 1
