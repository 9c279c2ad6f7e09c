import io
from pathlib import Path

import pytest

from dynamo.cli.import_state import BadEntry, ImportState

LINES = [b"one\n", b"two\n", b"three\n", b"four\n"]


def state(path: Path | None, bucket: str = "b") -> ImportState:
    return ImportState(path, bucket, "id")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "f.progress"


@pytest.mark.parametrize("other", [{"replace": True}, {"idempotency_key": "again"}])
def test_a_command_with_another_promise_begins_again(path, other):
    """In both directions; the one that made the state goes on from it."""
    for first, second in (({}, other), (other, {})):
        made = ImportState(path, "b", "id", **first)
        made.opened(1, LINES[0])
        made.closed(1, imported=True)
        made.save()
        again, source = ImportState(path, "b", "id", **second), io.BytesIO(b"".join(LINES))
        again.resume(source)
        assert again.settled.lines == source.tell() == 0
        assert "--replace" in again.not_resumed
        same = ImportState(path, "b", "id", **first)
        same.resume(io.BytesIO(b"".join(LINES)))
        assert same.settled.lines == 1


def opened(path: Path | None) -> ImportState:
    made = state(path)
    for number, raw in enumerate(LINES, 1):
        made.opened(number, raw)
    return made


def test_only_lines_without_a_gap_count(path):
    """The third is written, the second is not: after a stop, the second must be sent again."""
    made = opened(path)
    made.closed(1, imported=True)
    made.closed(3, imported=True)
    assert (made.settled.lines, made.settled.offset) == (1, 4)
    made.closed(2, imported=True)
    assert (made.settled.lines, made.settled.offset) == (3, 14)


def test_a_saved_state_is_gone_on_with(path):
    """At the byte where the next line begins."""
    made = opened(path)
    made.closed(1, imported=True)
    made.closed(2, bad=BadEntry(2, 4, "why"))
    made.save()
    again, source = state(path), io.BytesIO(b"".join(LINES))
    again.resume(source)
    assert again.settled == made.settled
    assert source.read() == b"three\nfour\n"
    assert again.settled.bad == [BadEntry(2, 4, "why")]
    again.opened(3, b"three\n")
    again.closed(3, imported=True)
    again.save()
    third = state(path)
    third.resume(io.BytesIO(b"".join(LINES)))
    assert third.settled.lines == 3


def test_a_file_that_grew_is_gone_on_with(path):
    """What was appended is what is left."""
    made = opened(path)
    for number in range(1, 5):
        made.closed(number, imported=True)
    made.save()
    again, source = state(path), io.BytesIO(b"".join(LINES) + b"five\n")
    again.resume(source)
    assert source.read() == b"five\n"


@pytest.mark.parametrize("content", [b"ONE\ntwo\nthree\n", b"on"])
def test_a_file_that_changed_is_begun_again(path, content: bytes):
    """And the reader is told."""
    made = opened(path)
    made.closed(1, imported=True)
    made.save()
    again, source = state(path), io.BytesIO(content)
    again.resume(source)
    assert (again.settled.lines, source.tell()) == (0, 0)
    assert "changed" in again.not_resumed


def test_a_state_of_another_import_is_not_gone_on_with(path):
    """Nor one that cannot be read."""
    opened(path).save()
    other = state(path, "other")
    other.resume(io.BytesIO(b""))
    assert "another bucket" in other.not_resumed
    path.write_bytes(b"{")
    broken = state(path)
    broken.resume(io.BytesIO(b""))
    assert "cannot be read" in broken.not_resumed


def test_a_state_is_replaced_whole(path):
    """No half of it is ever under its name."""
    made = opened(path)
    made.save()
    before = path.read_bytes()
    made.closed(1, imported=True)
    made.save()
    assert path.read_bytes() != before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    made.remove()
    made.remove()
    assert not path.exists()


def test_standard_input_has_no_file():
    """Saving does nothing."""
    made = opened(None)
    made.closed(1, imported=True)
    made.save()
    made.resume(io.BytesIO(b""))
    made.remove()
    assert made.settled.lines == 1
