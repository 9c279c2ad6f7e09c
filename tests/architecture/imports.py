"""Who imports whom: absolute and relative imports resolved to rooms of the package, or to packages from outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.architecture.tree import PACKAGE, Source


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module. `name` is what was asked of it, `*` included; None when the module itself was imported."""

    node: ast.stmt
    module: str
    name: str | None

    @property
    def top(self) -> str:
        return self.module.split(".")[0]

    @property
    def room(self) -> str | None:
        """The room that is reached, `__init__` for a name of the package root, None outside the package."""
        if self.top != PACKAGE:
            return None
        inside = self.module.split(".")[1:]
        return inside[0] if inside else "__init__"


def imports(source: Source) -> Iterator[Import]:
    """Every import of a file, wherever it stands: inside functions and under TYPE_CHECKING, too."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node, alias.name, None)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(source, node)
            for alias in node.names:
                yield _submodule_or_name(source, node, module, alias.name)


def _absolute(source: Source, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = source.path.relative_to(source.root).parent.parts
    base = package[: len(package) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])


def _submodule_or_name(source: Source, node: ast.ImportFrom, module: str, name: str) -> Import:
    """`from dynamo import ring` asks for a room, `from dynamo import VERSION` for a name of the root."""
    path = source.root.joinpath(*module.split("."), name)
    if module == PACKAGE and (path.with_suffix(".py").is_file() or path.is_dir()):
        return Import(node, f"{module}.{name}", None)
    return Import(node, module, name)
