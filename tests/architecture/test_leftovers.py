"""Nothing half done, and nothing of the machine it was written on, is left in any file."""

import re
from pathlib import Path

import pytest

from tests.architecture import tree

NOTES = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.~*<>\[\]})-])/(?:work|root|home|Users)(?![\w-])")
REGISTRIES = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|crates\.io|proxy\.golang\.org|repo1?\.maven\.(?:org|apache\.org)"
    r"|(?:deb|security|archive)\.(?:debian\.org|ubuntu\.com)|conda\.anaconda\.org)\b"
    r"|--(?:extra-)?index-url\b|--find-links\b"
)
RULES = {"unfinished": NOTES, "path of a machine": MACHINE_PATHS, "registry address": REGISTRIES}
# Its own examples are what it looks for.
THIS = "tests/architecture/test_leftovers.py"


def leftovers(root: Path) -> list[str]:
    """Lines of tracked text files that match a rule."""
    return [
        f"{name}:{number}: {rule}"
        for name, lines in tree.texts(root)
        if name != THIS
        for number, line in enumerate(lines, 1)
        for rule, pattern in RULES.items()
        if pattern.search(line)
    ]


def test_nothing_is_left_over():
    """No tracked file holds an unfinished note, a machine's path or a registry's address."""
    assert leftovers(tree.ROOT) == []


@pytest.mark.parametrize(
    "line",
    [
        "# TODO: later",
        "// FIXME",
        "XXX",
        "path = '/work/main'",
        "see /root/.cache",
        "/home/user/data",
        "/Users/me",
        "--index-url https://example.org",
        "--find-links wheels",
        "https://pypi.org/simple",
        "https://files.pythonhosted.org/packages",
        "registry.npmjs.org",
        "https://index.crates.io/",
        "deb http://deb.debian.org/debian bookworm main",
    ],
)
def test_a_leftover_is_caught(plant, line: str):
    """One finding for each kind, in any text file."""
    assert len(leftovers(plant({"docs/notes.md": f"first\n{line}\n"}))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "mktemp XXXXXX",
        "/workload",
        "dynamo/workload",
        "PUT /v1/kv/users/home",
        "[/root]",
        "/homepage",
        "--no-emit-index-url",
    ],
)
def test_an_innocent_line_passes(plant, line: str):
    """Words that only resemble one."""
    assert leftovers(plant({"docs/notes.md": line})) == []


def test_a_binary_file_is_not_read(plant):
    """Golden bytes may hold any bytes."""
    root = plant({})
    (root / "golden.bin").write_bytes(b"\0TODO")
    assert leftovers(root) == []
