from pathlib import Path

from dynamo.checker.history import Bucket, Remark, Return, from_lines
from tests.chaos.clients import name_of, padded
from tests.chaos.journal import Asked, Journal, by_place, only, seen_by


def call(op: int, bucket: str) -> Asked:
    return Asked(op, op, "c", "put", bucket, "k", 2, op + 2, value=f"{op}.0", seen=("a",), maybe=("b",))


def journal_of(file: Path) -> Journal:
    journal = Journal(file)
    for event in (Bucket("x", "siblings", 3), call(1, "x"), Return(1, 1.5, "ok"), call(2, "y"), Remark(3, "cut")):
        journal.add(event)
    journal.close()
    return journal


def test_the_file_is_a_history_that_the_checker_reads(tmp_path: Path):
    """What is told beyond the checker's format does not disturb it."""
    journal = journal_of(tmp_path / "h")
    read = from_lines((tmp_path / "h").read_text())
    assert len(read.events) == 5
    assert read.operations[1].outcome == "ok"
    assert read.operations[1].call.value == journal.history.operations[1].call.value


def test_a_part_of_a_history_has_whole_operations(tmp_path: Path):
    part = only(journal_of(tmp_path / "h").history, ("x",))
    assert list(part.operations) == [1]
    assert part.operations[1].outcome == "ok"
    assert list(by_place(part)) == [("x", "k")]


def test_what_a_context_may_stand_for_is_told_apart(tmp_path: Path):
    operation = journal_of(tmp_path / "h").history.operations[1]
    assert seen_by(operation, for_certain=True) == ("a",)
    assert seen_by(operation, for_certain=False) == ("a", "b")


def test_half_a_value_is_not_taken_for_a_whole_one():
    """A value names its write and its own length."""
    assert name_of(padded("7.30")) == "7.30"
    for spoilt in (padded("7.30")[:-1], padded("7.30") + b"x", b"\xff\xfe", b"", b"text"):
        assert name_of(spoilt).startswith("garbled")
