"""Byte strings here are written by hand from ZooKeeper's zookeeper.jute and ZooDefs, not by the code under test."""

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.workload import jute
from dynamo.workload.connection import BrokenAnswer

ZXID = "0000000100000007"
VALUE = bytes.fromhex("00000003") + b"abc"
STAT = bytes.fromhex(
    "0000000100000002 0000000100000003 0000000000000004 0000000000000005 00000009 00000000 00000000 "
    "0000000000000000 00000003 00000000 0000000100000002"
)
READ = bytes.fromhex(f"0000005b 00000002 {ZXID} 00000000") + VALUE + STAT
SYNCED = bytes.fromhex(f"00000016 00000001 {ZXID} 00000000 00000002") + b"/k"
REFUSED = bytes.fromhex(f"00000010 00000001 {ZXID} ffffff99")
GRANTED = bytes.fromhex("00000025 00000000 00009c40 0100000000000001 00000010" + "ab" * 16 + "00")


def test_a_session_is_asked_for_without_one():
    """ConnectRequest: version, zxid, time-out of 40,000 ms, session, password of sixteen bytes, read-only."""
    body = "00000000 0000000000000000 00009c40 0000000000000000 00000010" + "00" * 16 + "00"
    assert jute.connect() == bytes.fromhex("0000002d" + body)
    assert len(bytes.fromhex(body)) == 0x2D


def test_a_node_is_created_for_everybody():
    """CreateRequest: path, data, one ACL (all five permissions of world:anyone), no flags."""
    record = b"\x00\x00\x00\x02/k\x00\x00\x00\x03abc\x00\x00\x00\x01\x00\x00\x00\x1f"
    record += b"\x00\x00\x00\x05world\x00\x00\x00\x06anyone\x00\x00\x00\x00"
    assert jute.create("/k", b"abc") == bytes.fromhex("00000034 00000002 00000001") + record
    assert len(record) + 8 == 0x34


def test_a_read_sets_no_watch():
    """GetDataRequest: path, false."""
    assert jute.get_data("/k") == bytes.fromhex("0000000f 00000002 00000004 00000002") + b"/k\x00"


def test_a_write_names_a_version_or_none():
    """SetDataRequest: path, data, version; -1 is any."""
    head, data = bytes.fromhex("00000019 00000002 00000005 00000002") + b"/k", VALUE
    assert jute.set_data("/k", b"abc") == head + data + b"\xff\xff\xff\xff"
    assert jute.set_data("/k", b"abc", 258) == head + data + b"\x00\x00\x01\x02"
    assert jute.set_data("/k", b"abc", 0, jute.MORE)[4:8] == b"\x00\x00\x00\x01"


def test_a_sync_and_a_farewell():
    """SyncRequest: path. The request that ends a session has no record."""
    assert jute.sync("/k", jute.MORE) == bytes.fromhex("0000000e 00000001 00000009 00000002") + b"/k"
    assert jute.close() == bytes.fromhex("00000008 00000002 fffffff5")
    assert jute.JUTE.farewell == jute.close()


def test_an_answer_is_all_replies_up_to_the_last():
    """Their records behind each other, and the first error of them."""
    assert jute.parse(READ) == (0, b"", VALUE + STAT)
    assert jute.parse(SYNCED + READ) == (0, b"", b"\x00\x00\x00\x02/k" + VALUE + STAT)
    assert jute.parse(REFUSED + READ) == (jute.BAD_VERSION, b"", VALUE + STAT)


def test_a_stat_has_its_version_and_length_where_it_should():
    """Of 68 bytes."""
    assert len(STAT) == jute.STAT_BYTES
    assert (jute.number_at(STAT, jute.VERSION_AT), jute.number_at(STAT, jute.LENGTH_AT)) == (9, 3)
    for at in (-1, 65, 68):
        with pytest.raises(ValueError, match="no number"):
            jute.number_at(STAT, at)


@given(st.integers(0, len(SYNCED + READ) - 1))
def test_an_answer_in_pieces_says_how_much_is_missing(cut: int):
    """The end of the frame that has begun, or of the length that says where it ends."""
    second = len(SYNCED)
    ends = [4, second, second + 4, second + len(READ)]
    assert jute.parse((SYNCED + READ)[:cut]) == next(end for end in ends if end > cut)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (READ + b"x", "1 bytes came after"),
        (b"HTTP/1.1 200 OK", "begins with"),
        (bytes.fromhex("0000000f 00000002"), "begins with"),
        (bytes.fromhex("ffffffff 00000002"), "begins with"),
        (bytes.fromhex(f"00000010 fffffffe {ZXID} 00000000"), "request -2, which was not made"),
    ],
    ids=["too much", "another protocol", "no whole header", "a length below nothing", "a ping's reply"],
)
def test_what_is_no_answer_is_broken(data: bytes, words: str):
    with pytest.raises(BrokenAnswer, match=words):
        jute.parse(data)


def told(use, *pieces: bytes):
    """What `use` makes of a connection whose other end reads once, says these pieces, and hangs up."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs:
            theirs.recv(100)
            for piece in pieces:
                theirs.sendall(piece)

    thread = threading.Thread(target=serve)
    with ours:
        ours.settimeout(10)
        thread.start()
        try:
            return use(ours)
        finally:
            thread.join(10)


def test_a_session_that_is_granted_opens_the_connection():
    """However the network cuts the answer."""
    assert told(jute.greet, GRANTED[:2], GRANTED[2:9], GRANTED[9:]) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed"),
        (GRANTED[:20], "closed"),
        (b"HTTP/1.1 400 Bad Request", "answered with 1213486160 bytes"),
        (GRANTED[:8] + bytes(4) + GRANTED[12:], "granted no session"),
    ],
    ids=["not serving", "cut off", "another protocol", "expired"],
)
def test_a_session_that_is_not_granted_is_refused(answer: bytes, words: str):
    with pytest.raises(jute.Refused, match=words):
        told(jute.greet, answer)


def test_a_question_has_the_records_of_its_answer():
    """An error is raised with its number and name, and so is what is no answer."""

    def ask(connection: socket.socket) -> bytes:
        return jute.ask(connection, jute.get_data("/k"))

    assert told(ask, READ[:3], READ[3:30], READ[30:]) == VALUE + STAT
    with pytest.raises(jute.Refused, match="error -110 NodeExists"):
        told(ask, bytes.fromhex(f"00000010 00000002 {ZXID} ffffff92"))
    with pytest.raises(jute.Refused, match="begins with"):
        told(ask, b"HTTP/1.1 400 Bad Request")
    with pytest.raises(jute.Refused, match="closed"):
        told(ask, READ[:40])


def test_an_error_without_a_name_is_its_number():
    assert jute.described(-999) == "error -999"
