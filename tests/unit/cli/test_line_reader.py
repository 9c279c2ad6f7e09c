import asyncio
import io
import os

import pytest

from dynamo.cli import line_reader
from dynamo.cli.line_reader import lines_of

TEXTS = [b"", b"\n", b"a", b"a\n", b"a\nb", b"\n\na\r\nb\n", b"x" * 100 + b"\n" + b"y" * 7]


@pytest.mark.parametrize("chunk_bytes", [1, 3, 2**18])
@pytest.mark.parametrize("text", TEXTS)
async def test_lines_are_those_of_the_file(tmp_path, monkeypatch, text: bytes, chunk_bytes: int):
    """However they fall into chunks, from memory as from a file."""
    monkeypatch.setattr(line_reader, "CHUNK_BYTES", chunk_bytes)
    file = tmp_path / "f"
    file.write_bytes(text)
    expected = list(io.BytesIO(text))
    with file.open("rb") as source:
        assert [line async for line in lines_of(source)] == expected
    assert [line async for line in lines_of(io.BytesIO(text))] == expected


async def test_the_loop_goes_on_while_a_pipe_is_silent():
    """A line is there when it was written, and until then others work."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source:
        lines = lines_of(source)
        waiting = asyncio.ensure_future(anext(lines))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        os.write(write_end, b"one\ntw")
        assert await waiting == b"one\n"
        waiting = asyncio.ensure_future(anext(lines))
        os.write(write_end, b"o\nend")
        assert await waiting == b"two\n"
        os.close(write_end)
        assert [line async for line in lines] == [b"end"]


async def test_waiting_for_a_line_can_be_given_up():
    """By Ctrl-C, or because a write failed; the pipe is let go."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb"):
        waiting = asyncio.ensure_future(anext(lines_of(source)))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not asyncio.get_running_loop().remove_reader(read_end)
