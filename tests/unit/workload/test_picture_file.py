"""The picture of a history becomes one file."""

import pytest

from dynamo.checker.visualize import PARTS, draw
from dynamo.workload import picture_file
from tests.unit.checker.stale_read import stale_read


def test_the_parts_are_there():
    """In the package, each with something in it."""
    assert all(picture_file.parts()[name].strip() for name in PARTS)


def test_one_file_is_written(tmp_path):
    """With all of the page in it."""
    picture_file.write(tmp_path / "out.html", draw("h.jsonl", [stale_read()]))
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "</html>" in text


def test_a_folder_that_is_not_there(tmp_path):
    """Is the caller's to say."""
    with pytest.raises(FileNotFoundError):
        picture_file.write(tmp_path / "no" / "out.html", draw("h.jsonl", []))
