"""Plain requests: those of which it is sure where they begin and end, told by their bytes alone.

HTTP is full of ways to say where a request ends, and two opinions about that on one connection are a security hole. So
this file has an opinion on the plain case only, and gives none on everything else, which is left to aiohttp's parser:
HTTP/1.1, one of five methods, a head of regular fields with CRLF line ends, exactly one Host, at most one
Content-Length, and no other say about body, protocol or connection. Where there is an opinion it is the parser's own;
tests/api/test_plain.py lets the parser judge it.

A program sends the same header fields with each of its requests, or nearly. They are parsed once and remembered by
their bytes; what is left for each request is its first line, and with writes the one or two fields that are always new.
"""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from aiohttp.http import HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy, istr

from dynamo.protocol.http_fields import CONTEXT, IDEMPOTENCY_KEY, RETRY_AGE

if TYPE_CHECKING:
    from aiohttp.web import RequestHandler

HEAD_BYTES_MAX = 4096
"""Larger heads go the ordinary way, which has limits of its own."""
_BLOCKS_MAX = 1024
_FIELDS_MAX = 4096
_NAMES_MAX = 100
_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})
_LINE = re.compile(rb"((?!connection)[!#$%&'*+.^_`|~0-9a-z-]+|connection(?=:\ *keep-alive$)):([\t -~]*)", re.IGNORECASE)
_LENGTH = re.compile(rb" *[0-9]{1,12}")
_OTHERWISE = ("transfer-encoding", "expect", "upgrade", "proxy-", "sec-")
"""Fields that may change what a request is."""
_OF_READS = ("dynamo-context", "if-match", "if-none-match")
"""Fields that a read of one value looks at."""


_ALWAYS_NEW = (istr(CONTEXT), istr(IDEMPOTENCY_KEY), istr(RETRY_AGE))
"""Fields that are new with each write: what is remembered is the block without them. In the spelling of most clients;
in another one they are fields like all others."""
_MARKS = tuple((f"\r\n{name}: ".encode(), name) for name in _ALWAYS_NEW)


class Block:
    """The header fields of a plain request."""

    __slots__ = ("body_bytes", "content_length", "headers", "is_bare", "is_distinct", "is_named")

    def __init__(self, headers: CIMultiDictProxy[str], content_length: int | None, *, is_distinct: bool) -> None:
        self.headers = headers
        self.is_named = "request-id" in headers or "traceparent" in headers
        """Whether the client may have named the request."""
        self.is_bare = not any(name in headers for name in _OF_READS)
        """Whether a read has nothing to look at here."""
        self.content_length = content_length
        self.body_bytes = content_length or 0
        self.is_distinct = is_distinct
        """Whether no field is there twice, which some may not be, and they are not too many."""

    def joined(self, name: istr, text: str) -> Block:
        """This block and one field more, which it has not yet."""
        headers = CIMultiDict(self.headers)
        headers[name] = text
        whole = Block.__new__(Block)
        whole.headers = CIMultiDictProxy(headers)
        whole.is_named = self.is_named
        whole.is_bare = self.is_bare and name is not _ALWAYS_NEW[0]
        whole.content_length, whole.body_bytes = self.content_length, self.body_bytes
        whole.is_distinct = self.is_distinct
        return whole


blocks: dict[bytes, Block | None] = {}
"""Those that were met, by their bytes; None for one that is not plain."""


def block_of(data: bytes) -> Block | None:
    """What follows a request's first line, up to the empty line; None if it is not plain."""
    if data in blocks:
        return blocks[data]
    for mark, name in _MARKS:
        start = data.find(mark)
        if start >= 0:
            return _with_new(data, start, start + len(mark), name)
    if len(blocks) >= _BLOCKS_MAX:
        blocks.clear()
    block = blocks[data] = _parsed(data)
    return block


def _with_new(data: bytes, start: int, begin: int, name: istr) -> Block | None:
    """The block of `data` which has a field of that name at `start`, whose text begins at `begin`."""
    end = data.find(b"\r\n", begin)
    text = data[begin:end] if end >= 0 else data[begin:]
    if not text.isascii():
        return None
    rest = block_of(data[:start] + data[end:] if end >= 0 else data[:start])
    if rest is None:
        return None
    said = text.decode("ascii")
    if not (said.isprintable() and rest.is_distinct and len(rest.headers) < _NAMES_MAX) or name in rest.headers:
        return _parsed(data)
    return rest.joined(name, said.strip(" "))


def _parsed(data: bytes) -> Block | None:
    fields: list[tuple[str, str]] = []
    names: dict[str, None] = {}
    hosts = 0
    length = None
    for line in data.split(b"\r\n")[1:]:
        known = _field(line)
        if known is None:
            return None
        field, name = known
        fields.append(field)
        names[name] = None
        if name == "host":
            hosts += 1
        elif name == "content-length":
            if length is not None:
                return None
            length = int(field[1])
    if hosts != 1:
        return None
    is_distinct = len(names) == len(fields) <= _NAMES_MAX
    return Block(CIMultiDictProxy(CIMultiDict(fields)), length, is_distinct=is_distinct)


@lru_cache(maxsize=_FIELDS_MAX)
def _field(line: bytes) -> tuple[tuple[str, str], str] | None:
    """Name and text of a field, and the name in lower case; None if it is not plain."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    name = found[1].decode("ascii")
    lowered = name.lower()
    if lowered.startswith(_OTHERWISE) or (lowered == "content-length" and not _LENGTH.fullmatch(found[2])):
        return None
    return (name, found[2].decode("ascii").strip(" \t")), lowered


class PlainRequest:
    """One plain request: of a `web.BaseRequest` what handlers use (`api/request.py`), and how long it is."""

    __slots__ = ("block", "body", "headers", "method", "protocol", "raw_path", "size_bytes")

    keep_alive = True
    version = HttpVersion11

    def __init__(self, method: str, raw_path: str, block: Block, head_bytes: int) -> None:
        self.method = method
        self.raw_path = raw_path
        self.block = block
        self.headers = block.headers
        self.size_bytes = head_bytes + block.body_bytes
        """Of the whole request, body included, be that here yet or not."""

    def arrive(self, protocol: RequestHandler, data: bytes) -> None:
        """It is whole: `data`, which came on that connection."""
        self.protocol = protocol
        self.body = data[-self.block.body_bytes :] if self.block.body_bytes else b""

    @property
    def body_exists(self) -> bool:
        return self.block.body_bytes > 0

    @property
    def content_length(self) -> int | None:
        return self.block.content_length

    @property
    def transport(self) -> asyncio.Transport | None:
        return self.protocol.transport

    @property
    def content(self) -> PlainRequest:
        """The body is read from the request itself: it is there."""
        return self

    def is_eof(self) -> bool:
        return True

    def at_eof(self) -> bool:
        return True

    def read_nowait(self) -> bytes:
        return self.body

    async def readany(self) -> bytes:
        return self.body


def plain(data: bytes) -> PlainRequest | None:
    """The request that `data` begins with, its body not yet taken; None for no opinion."""
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
    if end < 0:
        return None
    first = data.find(b"\r\n")
    block = block_of(data[first:end])
    if block is None:
        return None
    try:
        method, raw_path, version = data[:first].decode("ascii").split(" ")
    except ValueError:
        return None
    if version != "HTTP/1.1" or method not in _METHODS or not raw_path or not raw_path.isprintable():
        return None
    return PlainRequest(method, raw_path, block, end + 4)


def request_bytes(data: bytes) -> int:
    """Length in bytes of the request that `data` begins with, body included; 0 for no opinion.

    It may be more than there is of it yet, or less.
    """
    request = plain(data)
    return 0 if request is None else request.size_bytes
