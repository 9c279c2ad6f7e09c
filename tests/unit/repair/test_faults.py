import pytest

from dynamo.layout import ballot, hint, register
from dynamo.layout.ballot import AcceptorState
from dynamo.layout.hint import Hint
from dynamo.layout.keyspaces import hint_key, record_key
from dynamo.layout.register import Register
from dynamo.repair.faults import hint_fault, record_fault, state_fault
from dynamo.ring.token import partition_of, token
from dynamo.versioning.record import Record, Sibling, encode

PARTITIONS = 8
HERE = partition_of(token("b", b"k"), PARTITIONS)
STORED = record_key(HERE, "b", b"k")


def of(*dots: tuple[str, int], **clock: int) -> bytes:
    """A record with these dots under this clock."""
    return encode(Record(clock, [Sibling(actor, counter, 1, b"v") for actor, counter in dots]))


SOUND = of(("a", 1), ("b", 2), a=1, b=3)


def test_a_sound_record_has_no_fault():
    """Nor has one whose values are all superseded."""
    assert record_fault(STORED, SOUND, PARTITIONS) == ""
    assert record_fault(STORED, of(a=1), PARTITIONS) == ""


def test_every_flipped_bit_is_found():
    """In a record, and in the record of a hint."""
    kept = hint.encode(Hint(SOUND, 1, 2))
    assert hint_fault(hint_key("node2", STORED), kept, PARTITIONS) == ""
    for judge, stored, data in ((record_fault, STORED, SOUND), (hint_fault, hint_key("node2", STORED), kept)):
        for bit in range(8 * len(data)):
            bad = bytearray(data)
            bad[bit // 8] ^= 1 << (bit % 8)
            assert judge(stored, bytes(bad), PARTITIONS), bit


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (of(("a", 2), a=1), "clock does not cover"),
        (of(("b", 1), ("a", 1), a=1, b=1), "order of their dots"),
        (of(("a", 1), ("a", 1), a=1), "order of their dots"),
        (of(a=0), "counts below one"),
        (b"", "unknown format"),
    ],
)
def test_a_record_that_no_merge_makes_is_a_fault(data, fault):
    """Though its checksum is right."""
    assert fault in record_fault(STORED, data, PARTITIONS)


@pytest.mark.parametrize("stored", [record_key((HERE + 1) % PARTITIONS, "b", b"k"), STORED[:2] + b"\xff\0k", b"\0"])
def test_a_record_in_a_wrong_place_is_a_fault(stored):
    """No reader would look for it there."""
    assert record_fault(stored, SOUND, PARTITIONS)


def test_a_state_of_an_acceptor_is_judged_with_its_register():
    """Every flipped bit is found; a promise alone is sound; a register that is none, and a wrong place, are not."""
    at = (5, "node1~1", 1)
    sound = ballot.encode(AcceptorState(at, at, register.encode(Register(version=1, value=b"v"))))
    assert state_fault(STORED, sound, PARTITIONS) == ""
    assert state_fault(STORED, ballot.encode(AcceptorState(at)), PARTITIONS) == ""
    for bit in range(8 * len(sound)):
        bad = bytearray(sound)
        bad[bit // 8] ^= 1 << (bit % 8)
        assert state_fault(STORED, bytes(bad), PARTITIONS), bit
    assert state_fault(STORED, ballot.encode(AcceptorState(at, at, b"no register")), PARTITIONS)
    elsewhere = record_key((HERE + 1) % PARTITIONS, "b", b"k")
    assert state_fault(elsewhere, sound, PARTITIONS) == "it lies in a partition that is not its own"
