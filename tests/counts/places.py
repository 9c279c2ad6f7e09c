"""Which code is counted: the store's own, and whatever library it runs, under the library's name."""

from __future__ import annotations

import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PACKAGE = f"{ROOT / 'dynamo'}/"
_SITE = f"{sysconfig.get_path('purelib')}/"
_STANDARD = f"{sysconfig.get_path('stdlib')}/"
# The client of the load and the loop that stands in for a real one are no part of a node.
NOT_COUNTED = ("client/", "simulation/", "workload/")
_LOOP = "asyncio"


def place(file: str) -> str:
    """The module of a file for the count: a path below `dynamo/`, or a library's name. Empty: it is not counted."""
    if file.startswith(_PACKAGE):
        module = file.removeprefix(_PACKAGE)
        return "" if module.startswith(NOT_COUNTED) else module
    for folder in (_SITE, _STANDARD):
        if file.startswith(folder):
            library = file.removeprefix(folder).split("/")[0].removesuffix(".py")
            return "" if library == _LOOP else library
    return ""
