"""Byte strings here are written by hand from Cassandra's doc/native_protocol_v4.spec, not by the code under test."""

import itertools
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.workload import cql
from dynamo.workload.connection import BrokenAnswer

READY = bytes.fromhex("84 00 0000 02 00000000")
VOID = bytes.fromhex("84 00 0000 08 00000004 00000001")


def test_startup_names_the_version_of_cql():
    """Section 4.1.1: a [string map] of one entry behind the nine bytes of section 2."""
    assert cql.startup() == bytes.fromhex("04 00 0000 01 00000016 0001 000b") + b"CQL_VERSION" + b"\x00\x05" + b"3.0.0"


def test_a_query_has_consistency_and_no_flags():
    """Section 4.1.4: [long string], [consistency], a byte of flags."""
    assert cql.query("USE x", cql.ONE) == bytes.fromhex("04 00 0000 07 0000000c 00000005") + b"USE x" + b"\x00\x01\x00"


def test_a_statement_is_prepared_as_its_text():
    """Section 4.1.5."""
    assert cql.prepare("USE x") == bytes.fromhex("04 00 0000 09 00000009 00000005") + b"USE x"


def test_execute_has_id_values_and_serial_consistency():
    """Section 4.1.6: [short bytes], QUORUM, flags 0x01 | 0x02 | 0x10, the values, and SERIAL at the end."""
    body = bytes.fromhex("0002 abcd 0004 13 0002 00000001 6b 00000000 0008")
    assert cql.execute(b"\xab\xcd", cql.QUORUM, (b"k", b"")) == bytes.fromhex("04 00 0000 0a 00000014") + body
    assert len(body) == 0x14


def test_numbers_are_of_eight_bytes():
    """Section 6.2: two's complement, the greatest byte first."""
    assert cql.bigint(258) == bytes.fromhex("0000000000000102")
    assert cql.bigint(-1) == b"\xff" * 8


def test_an_answer_comes_in_its_parts():
    """Opcode, header, body."""
    assert cql.parse(READY) == (cql.READY, READY, b"")
    assert cql.parse(VOID) == (cql.RESULT, VOID[:9], b"\x00\x00\x00\x01")


@given(st.lists(st.integers(1, len(VOID) - 1), max_size=4))
def test_an_answer_in_pieces_says_how_much_is_missing(cuts: list[int]):
    """Never less than there is, and never more than the whole."""
    for begin, end in itertools.pairwise([0, *sorted(set(cuts)), len(VOID)]):
        assert cql.parse(VOID[:begin]) in ((9,) if begin < 9 else (len(VOID),))
        assert end > begin


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (VOID + b"x", "1 bytes came after"),
        (b"HTTP/1.1 200 OK", "begins with"),
        (bytes.fromhex("85 00 0000 02 00000000"), "begins with"),
        (bytes.fromhex("84 00 0001 02 00000000"), "begins with"),
        (bytes.fromhex("84 00 0000 02 ffffffff"), "begins with"),
    ],
    ids=["too much", "another protocol", "another version", "another stream", "a length below nothing"],
)
def test_what_is_no_answer_is_broken(data: bytes, words: str):
    with pytest.raises(BrokenAnswer, match=words):
        cql.parse(data)


def test_warnings_before_the_body_are_passed_over():
    """Section 2.2, flag 0x08: a [string list] that nobody asked for."""
    warned = bytes.fromhex("84 08 0000 08 0000000b 0001 0003") + b"oho" + bytes.fromhex("00000001")
    assert cql.parse(warned) == (cql.RESULT, warned[:9], b"\x00\x00\x00\x01")


ONE_VALUE = bytes.fromhex("00000002 00000004 00000001 00000001 00000003") + b"abc"
DESCRIBED = (
    bytes.fromhex("00000002 00000001 00000002 0005")
    + b"bench\x00\x09registers"
    + b"\x00\x09[applied]\x00\x04"
    + b"\x00\x07version\x00\x02"
    + bytes.fromhex("00000001 00000001 00 00000008 0000000000000007")
)
EACH_ITS_TABLE = (
    bytes.fromhex("00000002 00000000 00000001 0001")
    + b"k\x00\x01t\x00\x01c\x00\x03"
    + bytes.fromhex("00000001 00000002")
    + b"ok"
)


def test_a_row_is_read_with_and_without_its_metadata():
    """Section 4.2.5.2: what a condition came to has it, a read that was told to skip it has not."""
    assert cql.row(ONE_VALUE) == [b"abc"]
    assert cql.row(DESCRIBED) == [b"\x00", b"\x00" * 7 + b"\x07"]
    assert cql.row(EACH_ITS_TABLE) == [b"ok"]
    assert ONE_VALUE[cql.FLAGS_END :] == cql.one_row([b"abc"])


def test_nothing_is_a_value_of_no_bytes():
    """A length below nothing is null."""
    assert cql.row(bytes.fromhex("00000002 00000004 00000001 00000001 ffffffff")) == [b""]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (bytes.fromhex("00000001"), "no whole row"),
        (bytes.fromhex("00000001 00000004 00000001 00000001"), "kind 1"),
        (bytes.fromhex("00000002 00000004 00000001 00000000"), "0 rows"),
        (bytes.fromhex("00000002 00000006 00000001 00000001"), "flags 6"),
    ],
    ids=["cut off", "another kind", "no row", "more pages"],
)
def test_what_is_no_row_is_refused(body: bytes, words: str):
    with pytest.raises(ValueError, match=words):
        cql.row(body)


def test_the_id_of_a_statement_is_its_short_bytes():
    """Section 4.2.5.4."""
    assert cql.prepared_id(bytes.fromhex("00000004 0002 abcd 00000000")) == b"\xab\xcd"
    with pytest.raises(ValueError, match="not prepared"):
        cql.prepared_id(bytes.fromhex("00000001 0000"))


def asked(*pieces: bytes) -> bytes:
    """What `ask` makes of an answer that comes in these pieces, and then the end."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        theirs.recv(100)
        for piece in pieces:
            theirs.sendall(piece)
        theirs.close()

    thread = threading.Thread(target=serve)
    with ours:
        ours.settimeout(10)
        thread.start()
        try:
            return cql.ask(ours, cql.startup())
        finally:
            thread.join(10)


def test_a_question_has_the_body_of_its_answer():
    """However the network cuts it."""
    assert asked(VOID[:3], VOID[3:10], VOID[10:]) == b"\x00\x00\x00\x01"


def test_an_error_is_raised_with_its_code_and_text():
    """Section 4.2.1."""
    with pytest.raises(cql.CqlRefused, match="0x1000: not enough"):
        asked(bytes.fromhex("84 00 0000 00 00000010 00001000 000a") + b"not enough")


def test_a_node_that_hangs_up_or_babbles_is_refused():
    with pytest.raises(cql.CqlRefused, match="closed"):
        asked(VOID[:5])
    with pytest.raises(cql.CqlRefused, match="begins with"):
        asked(b"HTTP/1.1 400 Bad Request")
