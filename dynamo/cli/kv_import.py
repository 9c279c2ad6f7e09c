"""`dynamo kv import`: the lines of a file into a bucket, many at a time, safely repeatable.

A line that cannot be imported (no JSON, no key, too large) is reported with its number and does not hold up the others.
A failure that has nothing to do with the line (no quorum, no such bucket) stops the import; the same command goes on
later.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
from xxhash import xxh3_128_hexdigest

from dynamo import errors
from dynamo.cli.connect import cluster_options, given, run, write_options
from dynamo.cli.import_state import BAD_LINES_MAX, BadEntry, ImportState
from dynamo.cli.line_reader import lines_of
from dynamo.cli.output import FAILED, OK, emit, note
from dynamo.cli.progress import Progress, progress

if TYPE_CHECKING:
    from dynamo.cli.ndjson import Row
    from dynamo.client.client import AsyncClient
    from dynamo.client.wire import WriteOptions

SAVE_EVERY_S = 1.0
REPLACE_ATTEMPTS = 5
"""With --replace in a linearizable bucket: looks at a key that others write at the same time."""
_OF_THE_LINE = (
    errors.BadRequest,
    errors.KeyTooLong,
    errors.ValueTooLarge,
    errors.HeadersTooLarge,
    errors.TooManySiblings,
    errors.PreconditionFailed,
)
"""Errors that another line need not meet."""


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--bucket", required=True, help="Where the lines go.")
@click.option("--key", "key_field", help="The field with the key; the whole line is the value. Without it: an export.")
@click.option("--replace", is_flag=True, help="Read each key first, and replace what is there.")
@click.option("--concurrency", type=click.IntRange(1, 1024), default=32, show_default=True, help="Writes at a time.")
@click.option("--resume", "state_file", help="Where to keep how far it is [default: FILE.progress].")
@write_options
@cluster_options
def import_file(
    file: str,
    bucket: str,
    *,
    key_field: str | None,
    replace: bool,
    concurrency: int,
    state_file: str | None,
    endpoints: str,
    timeout_s: float,
    as_json: bool,
    idempotency_key: str | None,
    **options: str | float | None,
) -> int:
    """Write the lines of FILE (NDJSON; - is standard input) into a bucket.

    Run it again after a failure: it goes on where it stopped, and a line that was written is not written twice. To
    write lines once more over what came after them, use --replace, or another --idempotency-key.
    """
    path = None if file == "-" else Path(state_file or f"{file}.progress")
    state = ImportState(path, bucket, key_field, replace=replace, idempotency_key=idempotency_key or "")
    with cast("io.BufferedReader", click.open_file(file, "rb")) as source:
        size = None if file == "-" else Path(file).stat().st_size
        if path is not None:
            state.resume(source)
            _say_start(file, state)

        async def call(client: AsyncClient) -> None:
            with progress(f"importing into {bucket}", size) as shown:
                work = Import(client, state, source, shown)
                work.options.update(given(**options))  # type: ignore[typeddict-item]
                await work.run(concurrency)

        try:
            run(call, endpoints, timeout_s, token_aware=True)
        except BaseException:
            state.save()
            _say_stopped(file, state)
            raise
    return _finish(state, as_json)


class Import:
    """Reader, writers, books."""

    def __init__(
        self,
        client: AsyncClient,
        state: ImportState,
        source: io.BufferedReader,
        shown: Progress,
    ) -> None:
        self._client = client
        self._state = state
        self._source = source
        self._shown = shown
        self._save_at = time.monotonic() + SAVE_EVERY_S
        self.options: WriteOptions = {}

    async def run(self, concurrency: int) -> None:
        """All lines; lines that are bad for themselves become entries of the state. Raises DynamoError."""
        await self._amend()
        lines: asyncio.Queue[tuple[int, int, bytes] | None] = asyncio.Queue(maxsize=2 * concurrency)
        problem: errors.DynamoError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(self._writer(lines))
                async for line in self._lines():
                    await lines.put(line)
                for _ in range(concurrency):
                    await lines.put(None)
        except* errors.DynamoError as problems:
            problem = _first(problems)
        if problem is not None:
            raise problem  # not above: what `except*` raises comes wrapped into a group before Python 3.11.4

    async def _lines(self) -> AsyncIterator[tuple[int, int, bytes]]:
        """Number, offset and bytes of each line that is not settled."""
        number, offset = self._state.settled.lines, self._state.settled.offset
        async for raw in lines_of(self._source):
            number += 1
            self._state.opened(number, raw)
            yield number, offset, raw
            offset += len(raw)

    async def _writer(self, lines: asyncio.Queue[tuple[int, int, bytes] | None]) -> None:
        while (line := await lines.get()) is not None:
            number, offset, raw = line
            await self._settle(number, offset, raw)
            self._shown.at(self._state.settled.offset, f"{self._state.settled.imported} keys")
            self._save_sometimes()

    async def _settle(self, number: int, offset: int, raw: bytes) -> None:
        if not raw.strip():
            self._state.closed(number)
            return
        reason = await self._write(raw)
        if reason is None:
            self._state.closed(number, imported=True)
            return
        self._state.closed(number, bad=BadEntry(number, offset, reason))
        note(f"line {number}: {reason}")
        if len(self._state.settled.bad) > BAD_LINES_MAX:
            raise errors.UnsupportedMediaType(f"more than {BAD_LINES_MAX} lines cannot be imported; is it NDJSON?")

    async def _amend(self) -> None:
        """Lines that were bad in an earlier run: the store may take them now."""
        if not self._state.settled.bad:
            return
        place = self._source.tell()
        for entry in list(self._state.settled.bad):
            self._source.seek(entry.offset)
            reason = await self._write(self._source.readline())
            if reason is None:
                self._state.amended(entry)
            else:
                entry.reason = reason
                note(f"line {entry.line}: {reason}")
        self._source.seek(place)

    async def _write(self, raw: bytes) -> str | None:
        """Write one line: None, or why it cannot be. Raises DynamoError for what other lines would meet, too."""
        from dynamo.cli.ndjson import BadLine, row_of

        line = raw.strip()
        try:
            row = row_of(line, self._state.settled.key_field)
        except BadLine as problem:
            return str(problem)
        try:
            await self._put(row, line)
        except _OF_THE_LINE as error:
            return error.detail
        except errors.InvalidParameter as error:
            if row.expires_at is None or error.members.get("parameter") != "ttl":
                raise
            return error.detail  # in a linearizable bucket nothing expires
        return None

    async def _put(self, row: Row, line: bytes) -> None:
        """Write, again where somebody came between the look and the write: only linearizable buckets refuse that."""
        for attempt in range(1, REPLACE_ATTEMPTS + 1):
            try:
                await self._put_once(row, line)
            except errors.PreconditionFailed:
                if attempt == REPLACE_ATTEMPTS:
                    raise
            else:
                return

    async def _put_once(self, row: Row, line: bytes) -> None:
        from dynamo.client.results import Value, context_of

        bucket = self._state.settled.bucket
        left_s = None if row.expires_at is None else row.expires_at.timestamp() - time.time()
        if left_s is not None and left_s <= 0:
            return  # its life ended between the export and now
        found = await self._client.get(bucket, row.key) if self._state.settled.replace else None
        if isinstance(found, Value) and (found.value, found.content_type) == (row.value, row.content_type):
            return
        # The same line over the same state is the same write; over another state it is a new one.
        parts = (self._state.settled.idempotency_key.encode(), (context_of(found) or "").encode(), line)
        options: WriteOptions = {**self.options, "idempotency_key": xxh3_128_hexdigest(b"\0".join(parts))}
        if left_s is not None:
            options["ttl_s"] = left_s
        await self._client.put(
            bucket, row.key, row.value, seen=found, content_type=row.content_type, meta=row.meta, **options
        )

    def _save_sometimes(self) -> None:
        if time.monotonic() >= self._save_at:
            self._save_at = time.monotonic() + SAVE_EVERY_S
            self._state.save()


def _first(problems: BaseExceptionGroup[errors.DynamoError]) -> errors.DynamoError:
    """One error for all writers that met it; one of unknown outcome says most."""
    found = [p for p in problems.exceptions if isinstance(p, errors.DynamoError)]
    return next((e for e in found if e.applied is errors.Applied.UNKNOWN), found[0])


def _say_start(file: str, state: ImportState) -> None:
    if state.not_resumed:
        note(f"{file}: beginning again: {state.not_resumed}")
    elif state.settled.lines:
        note(f"{file}: going on after line {state.settled.lines}")


def _say_stopped(file: str, state: ImportState) -> None:
    if file == "-":
        note(f"stopped after line {state.settled.lines} of standard input")
        return
    note(f"stopped; all lines up to {state.settled.lines} are done, and the same command goes on from there")


def _finish(state: ImportState, as_json: bool) -> int:
    settled = state.settled
    if settled.bad:
        state.save()
    else:
        state.remove()
    if as_json:
        bad = [{"line": b.line, "reason": b.reason} for b in settled.bad]
        emit({"bucket": settled.bucket, "lines": settled.lines, "imported": settled.imported, "bad": bad})
    else:
        note(f"{settled.imported} of {settled.lines} lines imported into {settled.bucket}")
    if settled.bad:
        numbers = ", ".join(str(b.line) for b in settled.bad[:10]) + (", ..." if len(settled.bad) > 10 else "")
        note(f"{len(settled.bad)} lines were not imported: {numbers}. Correct them and run the same command again")
        return FAILED
    return OK
