"""The map that a newcomer reads is the tree that a newcomer finds."""

import re
from pathlib import Path

import pytest

from tests.architecture import tree

DOCUMENTS = ("README.md", "ARCHITECTURE.md")
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
# A line of the map: perhaps a drawn branch, then a room's name with its slash, or a file's.
ENTRY = re.compile(r"^[\s│├└─]*(?P<name>[a-z_]+(?:/|\.py))(?:\s|$)")


def maps(text: str) -> list[list[str]]:
    """Entries of each fenced block whose first line names the package's folder."""
    blocks = [block.splitlines() for block in FENCE.findall(text)]
    return [
        [entry["name"] for line in block[1:] if (entry := ENTRY.match(line))]
        for block in blocks
        if block and block[0].startswith(f"{tree.PACKAGE}/")
    ]


def false_maps(root: Path) -> list[str]:
    """Missing documents, missing map, rooms that only the tree or only the map has."""
    found = [f"{name} is missing" for name in DOCUMENTS if not (root / name).is_file()]
    drawn = [
        (name, entries) for name in DOCUMENTS if (root / name).is_file() for entries in maps((root / name).read_text())
    ]
    if not drawn:
        found.append(f"neither {' nor '.join(DOCUMENTS)} has a fenced map that begins with `{tree.PACKAGE}/`")
    rooms = {f"{name}/" for name in tree.folders(root)}
    for name, entries in drawn:
        found += [f"{name}: the map lacks {room}" for room in sorted(rooms - set(entries))]
        found += [
            f"{name}: the map has {entry}, the tree has not"
            for entry in entries
            if entry not in rooms and not (root / tree.PACKAGE / entry.rstrip("/")).is_file()
        ]
    return found


def test_the_map_is_the_tree():
    """README.md and ARCHITECTURE.md exist, one of them draws the rooms, and no room is missing or invented."""
    assert false_maps(tree.ROOT) == []


GOOD = "```\ndynamo/\n  ring/     where\n  errors.py what\n```\n"


@pytest.mark.parametrize(
    ("readme", "findings"),
    [
        (GOOD, 0),
        (GOOD.replace("  ring/", "├── ring/"), 0),
        (GOOD.replace("  ring/     where\n", ""), 1),
        (GOOD.replace("where\n", "where\n  attic/    old\n"), 1),
        (GOOD.replace("errors.py", "words.py"), 1),
        ("no map here", 1),
    ],
)
def test_a_false_map_is_caught(plant, readme: str, findings: int):
    """A room left out, a room or file invented, or no map at all."""
    root = plant({"README.md": readme, "ARCHITECTURE.md": "", "dynamo/ring/__init__.py": "", "dynamo/errors.py": ""})
    assert len(false_maps(root)) == findings


def test_a_missing_document_is_caught(plant):
    """Both documents are part of the product."""
    root = plant({"README.md": GOOD, "dynamo/ring/__init__.py": "", "dynamo/errors.py": ""})
    assert len(false_maps(root)) == 1
