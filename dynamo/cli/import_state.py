"""How far an import is, beside its file, so that the same command goes on where the last one stopped.

Lines are written side by side and end in any order; the state names the line up to which *all* are settled (written, or
found bad). Those after it are simply sent again: their idempotency keys come from the lines, so a repeat is the same
write. A hash of the part that is done tells a file that was changed meanwhile; that one is imported from its beginning,
and for unchanged lines that, too, is a repeat.

Settled means settled for the command that was run. One with `--replace`, or with another `--idempotency-key`, promises
writes over what is there now, so it never goes on from a state that was made without: it begins at the first line.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import msgspec
from xxhash import xxh3_128

FORMAT = 1
BAD_LINES_MAX = 10_000
_CHUNK_BYTES = 2**20


class BadEntry(msgspec.Struct):
    """A line that was not written, where it begins, and why."""

    line: int
    offset: int
    reason: str


class Settled(msgspec.Struct, kw_only=True):
    """The content of a state file."""

    format: int = FORMAT
    bucket: str
    key_field: str | None
    replace: bool = False
    idempotency_key: str = ""
    lines: int = 0
    """All lines up to this one, counted from 1, are settled."""
    offset: int = 0
    """Where the next one begins."""
    content_hash: str = ""
    """xxh3_128 of the bytes before `offset`."""
    imported: int = 0
    """Lines written, by all runs together; a line sent again counts again."""
    bad: list[BadEntry] = []


class _Open(msgspec.Struct):
    raw: bytes
    is_settled: bool = False


class ImportState:
    """The books of one import. `path` None (standard input): kept in memory only."""

    def __init__(
        self,
        path: Path | None,
        bucket: str,
        key_field: str | None,
        *,
        replace: bool = False,
        idempotency_key: str = "",
    ) -> None:
        self._path = path
        self.settled = Settled(bucket=bucket, key_field=key_field, replace=replace, idempotency_key=idempotency_key)
        self.not_resumed = ""
        """Why an earlier state was not gone on with."""
        self._hash = xxh3_128()
        self._open: dict[int, _Open] = {}

    def resume(self, source: BinaryIO) -> None:
        """Go on from the state file, if there is one that fits. `source` stands at the next line afterwards."""
        known = self._load()
        if known is None:
            return
        if (known.bucket, known.key_field) != (self.settled.bucket, self.settled.key_field):
            self.not_resumed = "it was for another bucket or key field"
        elif (known.replace, known.idempotency_key) != (self.settled.replace, self.settled.idempotency_key):
            self.not_resumed = "--replace or --idempotency-key was another"
        elif not self._begins_alike(source, known):
            self.not_resumed = "the file has changed since"
        else:
            self.settled = known
            return
        self._hash = xxh3_128()
        source.seek(0)

    def opened(self, line: int, raw: bytes) -> None:
        """A line is being worked on. Lines are opened in order."""
        self._open[line] = _Open(raw)

    def closed(self, line: int, *, imported: bool = False, bad: BadEntry | None = None) -> None:
        """A line is settled: written, or bad, or there was nothing in it."""
        if bad is not None:
            self.settled.bad.append(bad)
        self.settled.imported += imported
        self._open[line].is_settled = True
        while self._open:
            number, entry = next(iter(self._open.items()))
            if not entry.is_settled:
                break
            del self._open[number]
            self._hash.update(entry.raw)
            self.settled.lines = number
            self.settled.offset += len(entry.raw)

    def amended(self, entry: BadEntry) -> None:
        """A line that was bad in an earlier run is written."""
        self.settled.bad.remove(entry)
        self.settled.imported += 1

    def save(self) -> None:
        """Put the state on disk, whole or not at all."""
        if self._path is None:
            return
        self.settled.content_hash = self._hash.hexdigest()
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_bytes(msgspec.json.encode(self.settled))
        fresh.replace(self._path)

    def remove(self) -> None:
        """The import is complete."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _load(self) -> Settled | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=Settled)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.not_resumed = f"{self._path} cannot be read"
            return None
        if known.format != FORMAT:
            self.not_resumed = f"{self._path} is of another version"
            return None
        return known

    def _begins_alike(self, source: BinaryIO, known: Settled) -> bool:
        left = known.offset
        while left:
            chunk = source.read(min(left, _CHUNK_BYTES))
            if not chunk:
                return False
            self._hash.update(chunk)
            left -= len(chunk)
        return self._hash.hexdigest() == known.content_hash
