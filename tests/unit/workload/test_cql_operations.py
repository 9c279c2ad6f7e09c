import struct

from dynamo.workload import cql
from dynamo.workload.cql_operations import (
    STATEMENTS,
    CqlCas,
    CqlCreate,
    CqlOneKeyCas,
    CqlRead,
    CqlWrite,
)
from dynamo.workload.keys import KeySpace

KEYS = KeySpace(3, 4, 20)
ID = b"\x01" * 16
VOID = struct.pack(">i", 1)
FLAGS = struct.pack(">ii", 2, 4)
APPLIED = FLAGS + cql.one_row([b"\x01"])
OVERLOADED = struct.pack(">iH", 0x1001, 4) + b"busy"
UNKNOWN = struct.pack(">iH", 0x1700, 4) + b"hmmm"
TIMED_OUT = struct.pack(">iH", 0x1100, 4) + b"late"


def refused(version: int) -> bytes:
    return FLAGS + cql.one_row([b"\x00", cql.bigint(version)])


def test_statements_name_the_keyspace_they_are_given():
    """And nothing else is left to be put in."""
    for statement in STATEMENTS:
        assert "bench." in statement.format(keyspace="bench")


def test_a_write_has_key_and_value_and_is_answered_with_nothing():
    write = CqlWrite("w", KEYS, ID, cql.QUORUM)
    assert write.request(1) == cql.execute(ID, cql.QUORUM, (b"key-00000001", KEYS.values[1]))
    assert write.fault(1, cql.RESULT, b"", VOID) == ""
    assert write.fault(1, cql.RESULT, b"", APPLIED).startswith("opcode 8")
    assert write.fault(1, cql.ERROR, b"", OVERLOADED) == "error 0x1001: busy"


def test_a_read_knows_the_value():
    """Whatever flags say that the metadata is left out; another value is a fault, and so is none."""
    read = CqlRead("r", KEYS, ID, cql.ONE)
    assert read.request(2) == cql.execute(ID, cql.ONE, (b"key-00000002",))
    row = cql.one_row([KEYS.values[2]])
    assert read.fault(2, cql.RESULT, b"", FLAGS + row) == ""
    assert read.fault(2, cql.RESULT, b"", struct.pack(">ii", 2, 5) + row) == ""
    wrong = "SELECT gave another value than was written"
    assert read.fault(1, cql.RESULT, b"", FLAGS + row) == wrong
    assert read.fault(2, cql.RESULT, b"", FLAGS + struct.pack(">ii", 1, 0)) == wrong
    assert read.fault(2, cql.ERROR, b"", OVERLOADED) == "error 0x1001: busy"


def test_a_key_is_created_once():
    create = CqlCreate(KEYS, ID)
    assert create.fault(0, cql.RESULT, b"", APPLIED) == ""
    assert create.fault(0, cql.RESULT, b"", refused(0)).startswith("opcode 8")


def test_a_change_names_the_version_that_the_last_one_made():
    """Each key its own; a refusal is a fault, and so is not knowing."""
    cas = CqlCas(KEYS, ID)
    values = (KEYS.values[1], cql.bigint(1), b"key-00000001", cql.bigint(0))
    assert cas.request(1) == cql.execute(ID, cql.QUORUM, values)
    assert cas.fault(1, cql.RESULT, b"", APPLIED) == ""
    assert cas.request(1).count(cql.value(cql.bigint(1))) == 1
    assert cas.request(1).count(cql.value(cql.bigint(2))) == 1
    assert cas.request(0).count(cql.value(cql.bigint(0))) == 1
    assert cas.fault(1, cql.RESULT, b"", refused(7)).startswith("opcode 8")
    assert cas.request(1).count(cql.value(cql.bigint(7))) == 1
    assert cas.fault(1, cql.ERROR, b"", UNKNOWN) == "error 0x1700: hmmm"


def named(operation: CqlOneKeyCas, position: int) -> int:
    """The version that the next request is conditional on: the last of its values, before SERIAL."""
    return int.from_bytes(operation.request(position)[-10:-2], "big")


def test_on_one_key_refusals_and_timeouts_are_answers():
    """A refusal tells the version to go on from; what is applied makes the one after that which it named."""
    cas = CqlOneKeyCas(KEYS, ID, ID)
    assert named(cas, 0) == 0
    assert cas.fault(0, cql.RESULT, b"", refused(9)) == ""
    assert (named(cas, 1), named(cas, 2)) == (9, 9)
    assert cas.fault(2, cql.RESULT, b"", refused(10)) == ""
    # Overtaken by the refusal that it caused: it takes nothing back, and adds nothing.
    assert cas.fault(1, cql.RESULT, b"", APPLIED) == ""
    assert named(cas, 3) == 10
    assert cas.fault(3, cql.ERROR, b"", UNKNOWN) == ""
    assert cas.fault(3, cql.ERROR, b"", TIMED_OUT) == ""
    assert (cas.answers, cas.made, cas.unknown) == (5, 1, 2)
    assert cas.fault(3, cql.ERROR, b"", OVERLOADED) == "error 0x1001: busy"
