"""A picture with few colours is the same with a palette; rare colours of many become their neighbours."""

import struct
import zlib

import pytest

from tests.browser.small_png import SIGNATURE, smaller

Pixel = tuple[int, int, int]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def rgb(rows: list[list[Pixel]], kind: int) -> bytes:
    """With each row filtered in that way: 0 not at all, 1 by the left, 2 by the one above."""
    above, lines = [0] * 3 * len(rows[0]), b""
    for row in rows:
        flat = [channel for pixel in row for channel in pixel]
        before = {0: [0] * len(flat), 1: [0, 0, 0, *flat[:-3]], 2: above}[kind]
        lines += bytes([kind, *((byte - guess) & 255 for byte, guess in zip(flat, before, strict=True))])
        above = flat
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def pixels(png: bytes, width: int) -> list[list[Pixel]]:
    """Of a picture with a palette and no filters."""
    palette = png[png.index(b"PLTE") + 4 :]
    begin = png.index(b"IDAT")
    lines = zlib.decompress(png[begin + 4 : begin + 4 + struct.unpack(">I", png[begin - 4 : begin])[0]])
    rows = [lines[at + 1 : at + 1 + width] for at in range(0, len(lines), width + 1)]
    return [[tuple(palette[3 * place : 3 * place + 3]) for place in row] for row in rows]


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_few_colours_stay(kind: int):
    """However the rows were filtered."""
    rows = [[(255, 255, 255), (7, 8, 9)], [(0, 114, 178), (255, 255, 255)], [(7, 8, 9), (7, 8, 200)]]
    assert pixels(smaller(rgb(rows, kind)), 2) == rows


def test_a_rare_colour_becomes_its_neighbour():
    """257 colours, of which the last is there once."""
    often = [(step, 0, 0) for step in range(256)]
    row = [*often, *often, (200, 0, 1)]
    assert pixels(smaller(rgb([row], 0)), len(row)) == [[*often, *often, (200, 0, 0)]]
