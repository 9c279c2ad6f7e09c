"""The version is said in two places; they say the same."""

import tomllib
from pathlib import Path

from dynamo.version import VERSION

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_package_and_the_project_file_name_the_same_version() -> None:
    """`dynamo.version.VERSION` equals `project.version`."""
    assert tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"] == VERSION
