"""Reading the tree: product files as syntax trees, tracked files as text. Knows no rule."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "dynamo"


@cache
def _parsed(content: bytes, name: str) -> ast.Module:
    """Each rule reads the whole tree, so a file is parsed once for all of them."""
    return ast.parse(content, filename=name)


@dataclass(frozen=True)
class Source:
    """One Python file below `root`. Findings about it start with `path:line`."""

    root: Path
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        return _parsed(self.path.read_bytes(), str(self.path))

    @cached_property
    def shown(self) -> str:
        """The path as a reader of the repository knows it."""
        return self.path.relative_to(self.root).as_posix()

    @cached_property
    def room(self) -> str:
        """The folder under the package, or the file's own name at its top."""
        inside = self.path.relative_to(self.root / PACKAGE)
        return inside.parts[0] if len(inside.parts) > 1 else inside.stem

    def at(self, node: ast.AST, finding: str) -> str:
        return f"{self.shown}:{getattr(node, 'lineno', 1)}: {finding}"


def product(root: Path) -> list[Source]:
    """Every file of the package, in a stable order."""
    return [Source(root, path) for path in sorted((root / PACKAGE).rglob("*.py"))]


def python_files(root: Path) -> list[Source]:
    """Product and tests."""
    tests = [Source(root, path) for path in sorted((root / "tests").rglob("*.py"))]
    return product(root) + tests


def folders(root: Path) -> list[str]:
    """The package's rooms that are folders and hold code. A cache left by a removed room is not a room."""
    return sorted(path.name for path in (root / PACKAGE).iterdir() if path.is_dir() and any(path.glob("*.py")))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def statements(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> list[ast.stmt]:
    """The body less its docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def texts(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Name and lines of every text file that is tracked, or would be. Without git, of every file there is."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [root / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in root.rglob("*") if ".venv" not in path.parts]
    for path in sorted(set(paths)):
        content = path.read_bytes() if path.is_file() else b"\0"
        if b"\0" not in content:
            yield path.relative_to(root).as_posix(), content.decode("utf-8", "replace").splitlines()
