"""Writes the picture of a checked history to a file: the checker says what is in it, and reads no files itself."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from dynamo.checker.picture import Picture
from dynamo.checker.visualize import PARTS, page


def parts() -> dict[str, str]:
    """The texts that every page is made of, by name."""
    folder = files("dynamo.checker") / "page"
    return {name: (folder / name).read_text(encoding="utf-8") for name in PARTS}


def write(path: Path, picture: Picture) -> None:
    """One self-contained HTML file. Raises OSError where it cannot be written."""
    path.write_text(page(picture, parts()), encoding="utf-8")
