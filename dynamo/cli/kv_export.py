"""`dynamo kv export`: a bucket to lines of JSON, resumable.

Values come with the pages of a listing, so an export reads each key once and never holds more than a page. It is no
snapshot: keys written meanwhile may or may not be in it. Into a file it can be interrupted: the cursor of the next page
and the length of what is complete are kept beside the file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import msgspec

from dynamo.cli.connect import KEY, cluster_options, run
from dynamo.cli.output import OK, emit, note
from dynamo.cli.progress import Progress, progress
from dynamo.errors import BadRequest

if TYPE_CHECKING:
    from dynamo.client.client import AsyncClient


class ExportState(msgspec.Struct, kw_only=True):
    """The content of a state file: how much of the output is complete, and where the rest begins."""

    bucket: str
    prefix: str
    cursor: str | None = None
    offset: int = 0
    keys: int = 0


@click.command("export")
@click.argument("file", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--bucket", required=True, help="What to write out.")
@click.option("--prefix", type=KEY, default="", help="Only keys that begin with this.")
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@cluster_options
def export(
    file: str | None,
    bucket: str,
    *,
    prefix: bytes,
    overwrite: bool,
    endpoints: str,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Write all values of a bucket to FILE (default: standard output), one JSON object a line.

    `dynamo kv import FILE --bucket B` reads it back. Run it again after a failure: it goes on where it stopped.
    """
    state = ExportState(bucket=bucket, prefix=prefix.hex())
    if file is None or file == "-":
        run(lambda client: _pages(client, state, sys.stdout.buffer, None, None), endpoints, timeout_s)
        return OK
    path = Path(file)
    state_path = path.with_name(f"{path.name}.progress")
    state = _resumed(state, path, state_path, overwrite=overwrite)
    with path.open("r+b" if state.offset else "wb") as output, progress(f"exporting {bucket}", None) as shown:
        output.truncate(state.offset)
        output.seek(state.offset)
        run(lambda client: _pages(client, state, output, state_path, shown), endpoints, timeout_s)
    state_path.unlink(missing_ok=True)
    if as_json:
        emit({"bucket": bucket, "file": file, "keys": state.keys, "bytes": state.offset})
    else:
        note(f"{state.keys} keys of {bucket} written to {file}")
    return OK


async def _pages(
    client: AsyncClient, state: ExportState, output: BinaryIO, state_path: Path | None, shown: Progress | None
) -> None:
    from dynamo.cli.ndjson import line_of
    from dynamo.client.client import VALUES_PAGE_MAX

    prefix = bytes.fromhex(state.prefix)
    while True:
        page = await client.page(state.bucket, prefix=prefix, limit=VALUES_PAGE_MAX, cursor=state.cursor, values=True)
        lines = b"".join(line_of(value) + b"\n" for entry in page.entries for value in entry.values)
        output.write(lines)
        output.flush()
        state.cursor, state.offset, state.keys = page.cursor, state.offset + len(lines), state.keys + len(page.entries)
        if shown is not None:
            shown.at(state.offset, f"{state.keys} keys")
        if page.cursor is None:
            return
        if state_path is not None:
            _save(state, state_path)


def _resumed(wanted: ExportState, path: Path, state_path: Path, *, overwrite: bool) -> ExportState:
    """The state to go on from. Raises BadRequest if the file is somebody else's."""
    if not path.exists() or overwrite:
        return wanted
    if state_path.exists():
        try:
            known = msgspec.json.decode(state_path.read_bytes(), type=ExportState)
        except (msgspec.DecodeError, UnicodeDecodeError):
            known = None
        if (
            known is not None
            and (known.bucket, known.prefix) == (wanted.bucket, wanted.prefix)
            and path.stat().st_size >= known.offset
        ):
            note(f"going on after {known.keys} keys")
            return known
    raise BadRequest(f"{path} exists and is no unfinished export of this bucket; --overwrite replaces it")


def _save(state: ExportState, path: Path) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(msgspec.json.encode(state))
    fresh.replace(path)
