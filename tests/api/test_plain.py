"""An opinion on a request is the parser's own: aiohttp's judges where it ends, and what it says."""

import asyncio
from unittest import mock

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import example, given
from hypothesis import strategies as st

from dynamo.api.connection import HEADERS_MAX, LINE_BYTES_MAX
from dynamo.api.early_refusal import EarlyRefusal
from dynamo.api.plain import HEAD_BYTES_MAX, blocks, plain, request_bytes
from dynamo.node.admission import Admission
from dynamo.telemetry.exposition import Cell

NEXT = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

_FRAGMENTS = st.sampled_from(
    [
        *(b"Host: x", b"Content-Length: 3", b"content-length:3", b"Content-Length: 0", b"Content-Length: 03"),
        *(
            b"Content-Length : 3",
            b"Content-Length: 3, 3",
            b"Content-Length: -3",
            b"Content-Length:",
            b"X-Content-Length: 9",
        ),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b"Expect: 100-continue", b"Upgrade: h2c"),
        *(b"Connection: close", b"Connection: keep-alive", b"Connection: keep-alive, close", b"Connection: upgrade"),
        *(b" folded: 1", b"\tfolded", b"X: \x80", b"X: a\rb", b"X: a\nContent-Length: 3", b"X\x00: 1", b": none", b"X"),
        *(b"Dynamo-Context: a", b"Dynamo-Context: ", b"Dynamo-Context:  b \t", b"Dynamo-Context: \x80"),
        *(b"Dynamo-Context: a\rb", b"dynamo-context: c"),
        *(b"Idempotency-Key: a", b"Idempotency-Key: a\rb", b"Idempotency-Key: \x01", b"idempotency-key: \xff"),
        *(b"Content-Length: 3\n", b"Accept: */*", b"X: \x7f", b"Proxy-Connection: close", b"Content-Length: 3 "),
    ]
)
_TARGETS = st.sampled_from([b"/v1/kv/b/k", b"/v1/kv/b/k?r=2", b"/", b"*", b"http://x/v1", b"/a b", b"/\xff", b""])
_METHODS = st.sampled_from([b"GET", b"PUT", b"HEAD", b"DELETE", b"POST", b"get", b"CONNECT", b"PRI", b"M-SEARCH"])
_VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b""])
_ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r"])


@st.composite
def _streams(draw: st.DrawFn) -> bytes:
    end = draw(_ENDS)
    host = draw(st.sampled_from([[], [b"Host: x"], [b"Host: x"], [b"Host: x"]]))
    lines = [
        b" ".join((draw(_METHODS), draw(_TARGETS), draw(_VERSIONS))),
        *host,
        *draw(st.lists(_FRAGMENTS, max_size=4)),
    ]
    return draw(st.sampled_from([b"", b"", b"\r\n"])) + end.join(lines) + end + end + draw(st.binary(max_size=6))


@given(_streams())
@example(b"GET / HTTP/1.1\r\nHost: x\r\nX: a\nContent-Length: 3\r\n\r\nabc")
@example(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc")
@example(b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nhost:x\t\r\nX:\t a b \t\r\n\r\nabc")
def test_an_opinion_is_the_parsers_own(data: bytes):
    """Wherever there is an opinion, the parser sees one request of that length in the same words, or an error."""
    request = plain(data)
    if request is None:
        return
    whole = data.ljust(request.size_bytes, b"v")[: request.size_bytes]
    loop = asyncio.new_event_loop()
    try:
        parser = HttpRequestParser(
            mock.Mock(),
            loop,
            2**16,
            max_line_size=LINE_BYTES_MAX,
            max_headers=HEADERS_MAX,
            max_field_size=LINE_BYTES_MAX,
            auto_decompress=False,
        )
        try:
            messages, upgraded, _ = parser.feed_data(whole)
        except HttpProcessingError:
            # The connection ends, which is beyond doubt; but it is neither refused as overload nor carried out.
            assert EarlyRefusal(Admission(1), Cell()).answer(request) is None
            assert not request.block.is_distinct or not request.raw_path.startswith("/")
            return
        [(message, body)] = messages
        assert not upgraded
        assert not message.should_close
        assert body.is_eof(), "the body is whole"
        assert len(parser.feed_data(NEXT)[0]) == 1, "and the next request begins there"
        request.arrive(mock.Mock(), whole)
        assert (request.method, request.raw_path) == (message.method, message.path)
        assert lowered(request.headers) == lowered(message.headers)
        assert request.body == body.read_nowait()
        assert request.body_exists == bool(request.body)
        assert (request.keep_alive, request.version) == (True, message.version)
    finally:
        loop.close()


def lowered(headers) -> list[tuple[str, str]]:
    """In the order of names: that of fields with different names means nothing."""
    return sorted(((name.lower(), text) for name, text in headers.items()), key=lambda field: field[0])


@pytest.mark.parametrize("extra", [0, 1])
def test_large_heads_are_left_to_the_parser(extra: int):
    """There is an opinion up to HEAD_BYTES_MAX."""
    frame = len(b"GET / HTTP/1.1\r\nHost: \r\n\r\n")
    data = b"GET / HTTP/1.1\r\nHost: %s\r\n\r\n" % (b"x" * (HEAD_BYTES_MAX - frame + extra))
    assert request_bytes(data) == (0 if extra else len(data))


def test_what_is_remembered_of_one_request_is_not_shown_to_another():
    """Equal header fields are parsed once; lines and bodies are each request's own."""
    first, second = (plain(b"PUT /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d" % (n, n)) for n in (1, 2))
    assert first is not None
    assert second is not None
    for request, digit in ((first, b"1"), (second, b"2")):
        request.arrive(mock.Mock(), b"PUT /%b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%b" % (digit, digit))
    assert (first.raw_path, first.body, second.raw_path, second.body) == ("/1", b"1", "/2", b"2")


@pytest.mark.parametrize("name", ["Dynamo-Context", "Idempotency-Key"])
def test_what_is_new_with_each_request_is_not_remembered(name: str):
    """It would push out what is not; and it is each request's own."""
    requests = [b"PUT / HTTP/1.1\r\nHost: x\r\n%s: %d\r\nX: y\r\n\r\n" % (name.encode(), n) for n in range(5)]
    plain(requests[0])
    remembered = len(blocks)
    assert [plain(each).headers[name] for each in requests] == ["0", "1", "2", "3", "4"]
    assert len(blocks) == remembered
    assert not plain(requests[0].replace(b"X: y", b"%s: 9" % name.encode())).block.is_distinct


def test_a_context_is_something_to_look_at_for_a_read():
    assert plain(b"GET / HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\r\n\r\n").block.is_bare
    assert not plain(b"GET / HTTP/1.1\r\nHost: x\r\nDynamo-Context: a\r\n\r\n").block.is_bare


def test_what_is_remembered_is_bounded():
    for n in range(3000):
        plain(b"GET / HTTP/1.1\r\nHost: x\r\nX-%d: y\r\n\r\n" % n)
    assert len(blocks) <= 1024
