import asyncio
import sys

import pytest

from dynamo.cli.processes import TAIL_LINES, ending, first_of, tail


@pytest.mark.parametrize(("code", "words"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "signal SIGKILL")])
def test_an_end_is_told_in_words(code, words):
    """A negative code is a signal."""
    assert ending(code) == words


def test_the_tail_is_the_end_of_the_file(tmp_path):
    """Of a long one, of a short one, of none, and of one that is no text."""
    file = tmp_path / "log"
    assert tail(file) == []
    file.write_text("a\nb\n")
    assert tail(file) == ["a", "b"]
    file.write_text("".join(f"line {n} {'x' * 100}\n" for n in range(10_000)))
    assert [line.split()[1] for line in tail(file)] == [str(n) for n in range(10_000 - TAIL_LINES, 10_000)]
    file.write_bytes(b"\xff\n")
    assert tail(file) == ["\N{REPLACEMENT CHARACTER}"]


async def test_the_wait_ends_with_the_event_the_child_or_the_time():
    """Whichever is first."""

    class Childlike:
        def __init__(self, task: asyncio.Task) -> None:
            self.ended = task

    event = asyncio.Event()
    waiting = asyncio.create_task(event.wait())
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    child = Childlike(asyncio.create_task(process.wait()))
    await first_of(waiting, [child], 0.01)
    assert not waiting.done()
    assert not child.ended.done()
    await process.communicate(b"\n")
    await first_of(waiting, [child], 10)
    assert child.ended.done()
    event.set()
    await first_of(waiting, [], 10)
    assert waiting.done()
