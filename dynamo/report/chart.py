"""What a chart is made of: a title, a sentence that says what it shows, the picture, its figures as a table."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Table(msgspec.Struct, frozen=True):
    """Headings and as many cells in each row."""

    heads: list[str]
    rows: list[list[str]]


class Chart(msgspec.Struct, frozen=True):
    """One figure of the report. `picture` is SVG, and empty where there is nothing to draw: then `says` says why."""

    name: str
    """Short, for addresses and file names."""
    title: str
    says: str
    picture: str
    table: Table
    how_to_read: str


def csv(table: Table) -> str:
    """The table as RFC 4180 has it."""
    return "".join(",".join(map(_cell, row)) + "\r\n" for row in (table.heads, *table.rows))


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text


def pairs(reads: Sequence[str], writes: Sequence[str]) -> list[tuple[str, str]]:
    """All pairs of levels, weakest first."""
    return [(read, write) for write in writes for read in reads]
