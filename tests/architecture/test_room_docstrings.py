"""Each room opens by saying where it stands: "Layer 3 (pure)." or "Layer 6.", "Beside." where it has no layer."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture import tree
from tests.architecture.rooms import ROOMS
from tests.architecture.test_purity import held_pure
from tests.architecture.tree import Source

OPENING = re.compile(r"^(?:Layer (?P<layer>\d)|Beside)(?P<pure> \(pure\))?\. ")


def misplaced(root: Path) -> list[str]:
    """Rooms whose docstring is missing, says nothing, or disagrees with the table."""
    found = []
    for name in tree.folders(root):
        opening = Source(root, root / tree.PACKAGE / name / "__init__.py")
        if not opening.path.is_file():
            found.append(f"dynamo/{name}: no __init__.py")
        elif name not in ROOMS:
            found.append(f"dynamo/{name}: not in the table of tests/architecture/rooms.py")
        else:
            found += _disagreements(name, opening)
    return found


def _disagreements(name: str, opening: Source) -> list[str]:
    said = OPENING.match(_docstring(opening))
    if said is None:
        return [f'{opening.shown}: begin with "Layer N. ", "Layer N (pure). " or "Beside. "']
    found = []
    layer = None if said["layer"] is None else int(said["layer"])
    if layer != ROOMS[name].layer:
        found.append(f"{opening.shown}: says layer {layer}, the table says {ROOMS[name].layer}")
    if bool(said["pure"]) != held_pure(opening):
        found.append(f"{opening.shown}: (pure) must be said where the table has it, and only there")
    return found


def _docstring(source: Source) -> str:
    return ast.get_docstring(source.tree) or ""


def test_rooms_say_where_they_stand():
    """A reader who opens a room learns its layer, and whether it is pure, from the first words."""
    assert misplaced(tree.ROOT) == []


@pytest.mark.parametrize(
    ("room", "code"),
    [
        ("ring", ""),
        ("ring", '"""Where a key lives."""'),
        ("ring", '"""Layer 2 (pure). Where a key lives."""'),
        ("ring", '"""Layer 1. Where a key lives."""'),
        ("storage", '"""Layer 6 (pure). LMDB."""'),
        ("client", '"""Layer 3. What users call."""'),
        ("attic", '"""Layer 1 (pure). Boxes."""'),
    ],
)
def test_a_misplaced_room_is_caught(plant, room: str, code: str):
    """Silent, wrong in layer, wrong in purity, or unknown to the table."""
    assert len(misplaced(plant({f"dynamo/{room}/__init__.py": code}))) == 1


def test_a_room_without_a_docstring_file_is_caught(plant):
    """A folder with code but no __init__ is no room."""
    assert len(misplaced(plant({"dynamo/ring/token.py": ""}))) == 1
