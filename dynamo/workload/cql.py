"""Cassandra's native protocol, version 4, as much as a benchmark needs: whole frames as bytes, and what came back.

A frame is nine bytes of header (version, flags, stream, opcode, length of the body; all numbers big-endian) and a body.
One request is in flight on a connection, so the stream is always 0. Statements are prepared once and executed by their
id; results come without the description of their columns, which the one who asks knows. Source: Cassandra's
doc/native_protocol_v4.spec; the sections are named beside what they say.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence

from dynamo.workload.connection import BrokenAnswer
from dynamo.workload.wire import Wire

_HEADER = struct.Struct(">BBhBi")
_REQUEST, _RESPONSE = 0x04, 0x84
"""Version 4, and which way it goes (2.1)."""
_WARNING = 0x08
"""The body begins with warnings (2.2)."""

# Opcodes (2.4).
ERROR, STARTUP, READY, QUERY, RESULT, PREPARE, EXECUTE = 0x00, 0x01, 0x02, 0x07, 0x08, 0x09, 0x0A
# Consistencies (3).
ONE, QUORUM, ALL, SERIAL = 0x0001, 0x0004, 0x0005, 0x0008
# Kinds of result (4.2.5).
VOID, ROWS, PREPARED = 1, 2, 4

_VALUES, _SKIP_METADATA, _SERIAL_CONSISTENCY = 0x01, 0x02, 0x10
_GLOBAL_TABLE, _MORE_PAGES, _NO_METADATA = 0x0001, 0x0002, 0x0004


class CqlRefused(OSError):
    """A node answered with an error; the text is its own."""


def frame(opcode: int, body: bytes) -> bytes:
    """A whole request."""
    return _HEADER.pack(_REQUEST, 0, 0, opcode, len(body)) + body


def startup() -> bytes:
    """What each connection begins with (4.1.1)."""
    return frame(STARTUP, struct.pack(">H", 1) + _string("CQL_VERSION") + _string("3.0.0"))


def query(statement: str, consistency: int) -> bytes:
    """A statement without values, executed once (4.1.4)."""
    return frame(QUERY, _long_string(statement) + struct.pack(">HB", consistency, 0))


def prepare(statement: str) -> bytes:
    """A statement to be executed later (4.1.5)."""
    return frame(PREPARE, _long_string(statement))


def execute(statement: bytes, consistency: int, values: Sequence[bytes]) -> bytes:
    """A prepared statement with its values (4.1.6). Conditions are decided with SERIAL over all data centres."""
    body = struct.pack(">H", len(statement)) + statement
    body += struct.pack(">HBH", consistency, _VALUES | _SKIP_METADATA | _SERIAL_CONSISTENCY, len(values))
    return frame(EXECUTE, body + b"".join(map(value, values)) + struct.pack(">H", SERIAL))


def value(raw: bytes) -> bytes:
    """[bytes]: a length, and as many bytes (3)."""
    return struct.pack(">i", len(raw)) + raw


def bigint(number: int) -> bytes:
    """A number as a column of type bigint holds it (6.2)."""
    return struct.pack(">q", number)


FLAGS_END = 8
"""Kind and flags take so many bytes of a result. What follows is known beforehand where metadata was not asked for."""


def one_row(columns: Sequence[bytes]) -> bytes:
    """The body of a result that is one row of these values, from FLAGS_END on and without its metadata (4.2.5.2)."""
    return struct.pack(">ii", len(columns), 1) + b"".join(map(value, columns))


def row(body: bytes) -> list[bytes]:
    """The values of a result that is one row, with or without metadata. Raises ValueError for any other body.

    Columns are of plain types. What a condition came to is always sent with metadata, whatever was asked for.
    """
    try:
        return _row(body)
    except struct.error as problem:
        raise ValueError(f"a result of {len(body)} bytes is no whole row") from problem


def _row(body: bytes) -> list[bytes]:
    kind, flags, columns = struct.unpack_from(">iii", body)
    if kind != ROWS or flags & _MORE_PAGES:
        raise ValueError(f"not one row: kind {kind}, flags {flags}")
    at = 12 if flags & _NO_METADATA else _after_metadata(body, flags, columns)
    (rows,) = struct.unpack_from(">i", body, at)
    if rows != 1:
        raise ValueError(f"{rows} rows in place of one")
    at += 4
    found = []
    for _ in range(columns):
        (length,) = struct.unpack_from(">i", body, at)
        at += 4
        found.append(body[at : at + max(0, length)])
        at += max(0, length)
    return found


def prepared_id(body: bytes) -> bytes:
    """The id of a statement, from the answer to PREPARE (4.2.5.4). Raises ValueError for another answer."""
    kind, length = struct.unpack_from(">iH", body)
    if kind != PREPARED:
        raise ValueError(f"a statement was not prepared: kind {kind}")
    return body[6 : 6 + length]


def error(body: bytes) -> tuple[int, str]:
    """Code and text of an ERROR (4.2.1, 9)."""
    code, length = struct.unpack_from(">iH", body)
    return code, body[6 : 6 + length].decode("utf-8", "replace")


def parse(data: bytes) -> tuple[int, bytes, bytes] | int:
    """A whole answer as opcode, header and body; or how many bytes there must be before it is worth looking again.

    Raises BrokenAnswer for bytes that will not become exactly one answer.
    """
    if len(data) < _HEADER.size:
        return _HEADER.size
    header: tuple[int, int, int, int, int] = _HEADER.unpack_from(data)
    version, flags, stream, opcode, length = header
    if version != _RESPONSE or stream != 0 or length < 0:
        raise BrokenAnswer(f"an answer begins with {data[: _HEADER.size]!r}")
    whole = _HEADER.size + length
    if len(data) < whole:
        return whole
    if len(data) > whole:
        raise BrokenAnswer(f"{len(data) - whole} bytes came after the answer")
    body = data[_HEADER.size :]
    return opcode, data[: _HEADER.size], _after_warnings(body) if flags & _WARNING else body


def ask(connection: socket.socket, request: bytes) -> bytes:
    """The body of the answer to one request, on a connection that blocks. Raises CqlRefused, and OSError."""
    connection.sendall(request)
    data = b""
    try:
        while isinstance(parsed := parse(data), int):
            more = connection.recv(parsed - len(data))
            if not more:
                raise CqlRefused("the node closed the connection")
            data += more
    except BrokenAnswer as problem:
        raise CqlRefused(str(problem)) from problem
    opcode, _, body = parsed
    if opcode == ERROR:
        raise CqlRefused("{:#06x}: {}".format(*error(body)))
    return body


def greet(connection: socket.socket) -> None:
    """Begin a connection. Raises OSError where the node does not take it as it is (it may want to know who we are)."""
    if body := ask(connection, startup()):
        raise CqlRefused(f"STARTUP was answered with {body[:100]!r}")


CQL = Wire(parse, greet)


def _after_metadata(body: bytes, flags: int, columns: int) -> int:
    """Where the rows begin: behind the table, once or with each column, and name and type of each column (4.2.5.2)."""
    at = 12
    if flags & _GLOBAL_TABLE:
        at = _after_strings(body, at, 2)
    for _ in range(columns):
        at = _after_strings(body, at, 1 if flags & _GLOBAL_TABLE else 3) + 2
    return at


def _after_strings(body: bytes, at: int, count: int) -> int:
    for _ in range(count):
        (length,) = struct.unpack_from(">H", body, at)
        at += 2 + length
    return at


def _after_warnings(body: bytes) -> bytes:
    """The body without the [string list] before it."""
    (count,) = struct.unpack_from(">H", body)
    return body[_after_strings(body, 2, count) :]


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def _long_string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">i", len(raw)) + raw
