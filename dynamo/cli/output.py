"""What the command prints, and the codes it ends with.

Results go to standard output, everything else to standard error. With `--json` both are JSON: one document for an
answer, one document a line where there may be many.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable, Mapping, Sequence

import click

from dynamo.errors import Applied, BadRequest, DynamoError, InvalidParameter

OK = 0
FAILED = 1
USAGE = 2
UNHEALTHY = 3
OUTCOME_UNKNOWN = 4
INTERRUPTED = 130

_HINTS = {
    "node-unreachable": "start a cluster with `dynamo up`, or name one with --endpoints or DYNAMO_ENDPOINTS",
    "quorum-unavailable": "`dynamo cluster status` shows which nodes are down; --consistency one asks for fewer",
    "read-timeout": "`dynamo cluster status` shows which nodes are down; --consistency one asks for fewer",
    "outcome-unknown": "the write may be there or may still appear; read the key, repeat with the same "
    "--idempotency-key, or in a linearizable bucket ask `dynamo resolve`",
    "connection-lost": "`dynamo cluster status` shows which nodes are down",
    "bucket-not-found": "`dynamo bucket list` shows those there are",
    "too-many-siblings": "`dynamo kv put --replace` writes one value in place of them all",
    "mode-conflict": "`dynamo bucket create NAME --mode linearizable` makes a bucket with compare-and-set",
    "precondition-required": "`dynamo kv put --replace` reads the key first",
}

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def exit_code(error: DynamoError, failed: int = FAILED) -> int:
    """The code for an error: the one that says most, `failed` if none says more."""
    if error.members.get("applied", error.applied.value) == Applied.UNKNOWN.value:
        return OUTCOME_UNKNOWN
    if error.http_status in (503, 504):
        return UNHEALTHY
    return USAGE if isinstance(error, BadRequest | InvalidParameter) else failed


def report(
    as_json: bool,
    code: str,
    title: str,
    detail: str,
    hint: str | None = None,
    *,
    members: Mapping[str, object] | None = None,
    applied: str | None = None,
) -> None:
    """Print an error to standard error."""
    hint = hint or _HINTS.get(code)
    if as_json:
        said = {"code": code, "title": title, "detail": detail, "applied": applied, "hint": hint, **(members or {})}
        click.echo(json.dumps({"error": {n: v for n, v in said.items() if v is not None}}, default=str), err=True)
        return
    click.echo(f"error: {title}: {_one_line(detail)}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def note(text: str) -> None:
    """Something for a person to read, on standard error."""
    click.echo(text, err=True)


def emit(document: object) -> None:
    """One JSON document in one line."""
    click.echo(json.dumps(document, ensure_ascii=False, default=str))


def raw(value: bytes) -> None:
    """Bytes as they are; a terminal gets a line end after them, a pipe does not."""
    click.echo(value, nl=sys.stdout.isatty() and not value.endswith(b"\n"))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Left-aligned columns, two blanks apart; no drawing, so that awk and people can both read it."""
    lines = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def named(name: str, data: bytes) -> dict[str, str]:
    """Bytes as a JSON member: text where it is UTF-8, else base64 under the name with `_b64`."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_b64": base64.b64encode(data).decode()}


def shown(data: bytes, width: int = 0) -> str:
    """Bytes for a person: text where it is printable, escapes elsewhere, cut to `width` if that is given."""
    text = "".join(
        char if char.isprintable() else repr(char)[1:-1] for char in data.decode("utf-8", "backslashreplace")
    )
    return text if not width or len(text) <= width else text[: width - 3] + "..."


def size(count: float) -> str:
    """Bytes for a person."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def span(seconds: float) -> str:
    """A time span for a person."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f}{unit}"
    return f"{seconds:.0f}s"


def _one_line(text: str) -> str:
    return " ".join(text.split())
