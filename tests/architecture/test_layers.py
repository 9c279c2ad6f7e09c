"""Imports go down only: each room reaches the rooms that its row of the table names, and no other."""

import sys
from pathlib import Path

import pytest

from tests.architecture import tree
from tests.architecture.imports import imports
from tests.architecture.rooms import ROOMS
from tests.architecture.tree import Source


def reaches(source: Source) -> list[str]:
    """Imports of one file that the table does not allow."""
    row = ROOMS.get(source.room)
    if row is None:
        return [f"{source.shown}: room {source.room!r} is not in the table of tests/architecture/rooms.py"]
    found = []
    for each in imports(source):
        if each.room == "__init__":
            continue  # judged by test_imports
        if each.room is not None:
            if each.room != source.room and each.room not in row.may_import:
                found.append(source.at(each.node, f"{source.room} may not import {each.room}"))
        elif row.packages is not None and not _allowed_from_outside(each.top, row.packages):
            found.append(source.at(each.node, f"{source.room} may not import {each.module}"))
    return found


def _allowed_from_outside(top: str, packages: frozenset[str]) -> bool:
    return top in packages or top in sys.stdlib_module_names


def table_faults() -> list[str]:
    """Rows that would allow an import upwards, whatever the code does today."""
    found = []
    for name, row in ROOMS.items():
        for lower in row.may_import:
            below = ROOMS[lower].layer
            if row.layer is not None and below is not None and below > row.layer:
                found.append(f"{name} (layer {row.layer}) may import {lower} (layer {below})")
            if row.pure and not ROOMS[lower].pure and below != 0:
                found.append(f"{name} is pure and may import {lower}, which is not")
    return found


def test_imports_go_down_only():
    """Every import inside the package is one that the layer table allows."""
    assert [finding for source in tree.product(tree.ROOT) for finding in reaches(source)] == []


def test_the_table_itself_points_down():
    """No row names a higher layer, and no pure room may reach an impure one above the words."""
    assert table_faults() == []


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("dynamo/ring/token.py", "from dynamo.replication.quorum import Tally"),
        ("dynamo/ring/token.py", "from ..replication import quorum"),
        ("dynamo/ring/token.py", "import dynamo.versioning.clock"),
        ("dynamo/replication/write.py", "from dynamo.consensus import ballot"),
        ("dynamo/storage/engine.py", "from dynamo.transport.peers import Peers"),
        ("dynamo/node/node.py", "def f():\n    from dynamo import server"),
        ("dynamo/node/node.py", "import aiohttp"),
        ("dynamo/node/node.py", "import lmdb"),
        ("dynamo/checker/models.py", "from dynamo.errors import Internal"),
        ("dynamo/attic/box.py", "x = 1"),
    ],
)
def test_a_reach_is_caught(plant, path: str, line: str):
    """Upwards, across, relative, late, or to a foreign package: each is one finding."""
    root: Path = plant({"dynamo/server.py": "", path: line})
    assert len(reaches(Source(root, root / path))) == 1


def test_a_proper_import_passes(plant):
    """Downwards and inside the own room is what imports are for."""
    code = (
        "import bisect, xxhash\nfrom dynamo.errors import Internal\nfrom dynamo.ring import token\nfrom . import ring\n"
    )
    root: Path = plant({"dynamo/ring/preference_list.py": code})
    assert reaches(Source(root, root / "dynamo/ring/preference_list.py")) == []
