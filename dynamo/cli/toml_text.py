"""Configuration as TOML: the few forms that it needs, since the standard library only reads."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from dynamo.config import Config

Tree = Mapping[str, object]


def tree_of(config: Config) -> dict[str, dict[str, object]]:
    """All settings, by section."""
    found: dict[str, dict[str, object]] = msgspec.to_builtins(config)
    return found


def toml_of(tree: Tree, notes: Mapping[str, str] | None = None) -> str:
    """Sections of scalars and of lists of tables. `notes` are comments by `section.key`."""
    notes = notes or {}
    lines: list[str] = []
    for section, settings in tree.items():
        assert isinstance(settings, Mapping), "the top level holds sections"
        tables = {name: value for name, value in settings.items() if isinstance(value, list | tuple)}
        if len(tables) < len(settings) or not tables:
            lines.append(f"[{section}]")
        lines.extend(
            _line(name, value, notes.get(f"{section}.{name}")) for name, value in settings.items() if name not in tables
        )
        for name, entries in tables.items():
            for entry in entries:
                lines.extend(["", f"[[{section}.{name}]]", *(_line(n, v, None) for n, v in entry.items())])
        lines.append("")
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def _line(name: str, value: object, note: str | None) -> str:
    return f"{name} = {_scalar(value)}" + (f"  # {note}" if note else "")


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    # A JSON string is a basic TOML string, but for DEL, which TOML wants escaped.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
