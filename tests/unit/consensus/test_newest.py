import pytest

from dynamo.consensus.newest import newest, sound
from dynamo.errors import CorruptValue
from dynamo.layout.register import ABSENT, Register, encode
from dynamo.protocol.paxos import Promised
from dynamo.versioning.ballot import ZERO, Ballot

OLD, NEW = Register(1, b"old"), Register(2, b"new")


def shows(counter: int, register: Register | None) -> Promised:
    accepted: Ballot = (counter, "a", 0) if counter else ZERO
    return Promised((9, "p", 0), accepted, b"" if register is None else encode(register))


def test_the_highest_ballot_is_the_newest_and_settled_only_if_all_show_it():
    """By ballot, not by version: an older attempt may have counted further."""
    high = Register(1, b"later ballot")
    assert newest({"a": shows(3, NEW), "b": shows(5, high)}) == (high, encode(high), False)
    assert newest({"a": shows(5, NEW), "b": shows(5, NEW)}) == (NEW, encode(NEW), True)


def test_a_key_that_nobody_accepted_anything_for_is_settled():
    """Its version goes on from the highest floor that is shown."""
    assert newest({"a": shows(0, None), "b": shows(0, None)}) == (ABSENT, b"", True)
    floor = Register(version=7, dropped=7)
    assert newest({"a": shows(0, None), "b": shows(0, floor)}) == (floor, encode(floor), True)
    assert newest({"a": shows(0, floor), "b": shows(1, OLD)}) == (OLD, encode(OLD), False)


def test_damage_is_named_and_never_taken_for_absence():
    """A reply whose register does not pass its checksum, or is missing, is no reply (row 20)."""
    damaged = shows(5, NEW)
    damaged.register = damaged.register[:-1] + b"?"
    for reply in (damaged, Promised((9, "p", 0), (5, "a", 0), b"")):
        with pytest.raises(CorruptValue) as raised:
            newest({"a": shows(3, OLD), "b": reply})
        assert raised.value.members["replica"] == "b"


def test_only_the_newest_is_read():
    """What is older need not be decoded: it will not be used."""
    damaged = shows(3, OLD)
    damaged.register = b"?"
    assert newest({"a": damaged, "b": shows(5, NEW)})[0] == NEW


def test_sound_is_a_register_where_something_was_accepted():
    assert sound(shows(0, None)) == b""
    with pytest.raises(CorruptValue):
        sound(Promised((9, "p", 0), (5, "a", 0), b""))
