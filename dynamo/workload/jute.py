"""ZooKeeper's client protocol, as much as a benchmark needs: whole requests as bytes, and what came back.

A frame is a length of four bytes and as many bytes; all numbers are big-endian, texts and buffers begin with their
length. A connection begins with ConnectRequest, which opens a session. A request is a header (an xid of the client's
choice, and its kind) and a record; a reply is a header (that xid, the state it was answered in, an error) and, where
there is no error, a record. A session's requests are done in order, so several can be sent at once: here the xid says
whether another one follows, and an answer is all replies up to the last one. Source: ZooKeeper's own zookeeper.jute.
"""

from __future__ import annotations

import socket
import struct

from dynamo.workload.connection import BrokenAnswer
from dynamo.workload.wire import Wire

PACKET_BYTES = 2**21
"""No frame is longer; servers are told the same."""
SESSION_MS = 40_000
"""The longest that a server grants, as it comes: no connection of a run is silent for so long, so nobody pings."""

MORE, LAST = 1, 2
"""Xids: of a request that another one follows at once, and of the last or only one."""
# Kinds of request (ZooDefs.OpCode).
CREATE, GET_DATA, SET_DATA, SYNC, CLOSE = 1, 4, 5, 9, -11
# Errors (KeeperException.Code).
OK, BAD_VERSION = 0, -103
ERRORS = {-4: "ConnectionLoss", -101: "NoNode", -103: "BadVersion", -110: "NodeExists", -112: "SessionExpired"}
ANY_VERSION = -1
STAT_BYTES = 68
"""A Stat: times and transactions, then the version at VERSION_AT and the length of the data at LENGTH_AT."""
VERSION_AT, LENGTH_AT = 32, 52

_LENGTH = struct.Struct(">i")
_REPLY = struct.Struct(">iqi")
_REQUEST = struct.Struct(">ii")
_EVERYTHING = 31
"""Permissions."""


class Refused(OSError):
    """A node does not serve this connection, or answered with an error."""


def frame(content: bytes) -> bytes:
    """Content behind its length."""
    return _LENGTH.pack(len(content)) + content


def text(words: str) -> bytes:
    """A ustring."""
    return frame(words.encode())


def connect() -> bytes:
    """ConnectRequest: version 0, nothing seen, a new session, no password, and not read-only."""
    return frame(struct.pack(">iqiq", 0, 0, SESSION_MS, 0) + frame(bytes(16)) + b"\x00")


def request(kind: int, record: bytes, xid: int = LAST) -> bytes:
    """A whole request."""
    return frame(_REQUEST.pack(xid, kind) + record)


def create(path: str, data: bytes) -> bytes:
    """CreateRequest of a node that stays, with which everybody may do everything."""
    acl = struct.pack(">ii", 1, _EVERYTHING) + text("world") + text("anyone")
    return request(CREATE, text(path) + frame(data) + acl + bytes(4))


def get_data(path: str) -> bytes:
    """GetDataRequest, without a watch."""
    return request(GET_DATA, text(path) + b"\x00")


def set_data(path: str, data: bytes, version: int = ANY_VERSION, xid: int = LAST) -> bytes:
    """SetDataRequest of a node that has this version; or any."""
    return request(SET_DATA, text(path) + frame(data) + _LENGTH.pack(version), xid)


def sync(path: str, xid: int = LAST) -> bytes:
    """SyncRequest: what this session asks next is answered when its node has all that the leader had by then."""
    return request(SYNC, text(path), xid)


def close() -> bytes:
    """Ends the session; otherwise it would end later, by a transaction in somebody else's measurement."""
    return request(CLOSE, b"")


def number_at(body: bytes, at: int) -> int:
    """The number of four bytes at this place. Raises ValueError where there is none."""
    if not 0 <= at <= len(body) - _LENGTH.size:
        raise ValueError(f"no number at {at} of {len(body)} bytes")
    return int(_LENGTH.unpack_from(body, at)[0])


def parse(data: bytes) -> tuple[int, bytes, bytes] | int:
    """A whole answer; or how many bytes there must be before it is worth looking again.

    Its parts are the first error of all its replies, nothing for a header, and their records one behind the other.
    Raises BrokenAnswer for bytes that will not become exactly one answer.
    """
    at, status, records = 0, OK, b""
    while True:
        begin = at + _LENGTH.size
        if len(data) < begin:
            return begin
        length = number_at(data, at)
        if not _REPLY.size <= length <= PACKET_BYTES:
            raise BrokenAnswer(f"a reply begins with {data[at : at + 20]!r}")
        at = begin + length
        if len(data) < at:
            return at
        xid, _, error = _REPLY.unpack_from(data, begin)
        status = status or error
        records += data[begin + _REPLY.size : at]
        if xid == LAST:
            break
        if xid != MORE:
            raise BrokenAnswer(f"a reply to request {xid}, which was not made")
    if len(data) > at:
        raise BrokenAnswer(f"{len(data) - at} bytes came after the answer")
    return status, b"", records


def greet(connection: socket.socket) -> None:
    """Open a session. Raises OSError where the node does not serve, or has not granted it."""
    connection.sendall(connect())
    length = number_at(_exactly(connection, _LENGTH.size), 0)
    if not 20 <= length <= 64:
        raise Refused(f"ConnectRequest was answered with {length} bytes")
    granted_ms = number_at(_exactly(connection, length), 4)
    if granted_ms <= 0:
        raise Refused("the node granted no session")


def ask(connection: socket.socket, asked: bytes) -> bytes:
    """The records of the answer to one request, on a connection that was greeted. Raises Refused, and OSError."""
    connection.sendall(asked)
    data = b""
    try:
        while isinstance(parsed := parse(data), int):
            data += _exactly(connection, parsed - len(data))
    except BrokenAnswer as problem:
        raise Refused(str(problem)) from problem
    status, _, records = parsed
    if status != OK:
        raise Refused(described(status))
    return records


def described(status: int) -> str:
    """An error as ZooKeeper's documents call it."""
    return f"error {status} {ERRORS.get(status, '')}".rstrip()


JUTE = Wire(parse, greet, close())


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise Refused("the node closed the connection")
        data += more
    return data
