"""Pictures of pages as small PNG files: at most 256 colours, a byte a pixel. ISO/IEC 15948, sections 9 to 11.

A browser writes three bytes a pixel, packed in haste. A page has few colours, and those of its letters' edges, of which
the rare ones are replaced by the nearest of the frequent ones.
"""

from __future__ import annotations

import struct
import zlib
from collections import Counter

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS_MAX = 256
_KIND_RGB, _KIND_PALETTE = 2, 3
Pixel = tuple[int, int, int]


def smaller(png: bytes) -> bytes:
    """The same picture with a palette. Takes 8 bits a channel, three channels, not interlaced."""
    width, rows = decoded(png)
    pixels = [list(zip(row[::3], row[1::3], row[2::3], strict=True)) for row in rows]
    counts = Counter(pixel for row in pixels for pixel in row)
    palette = [pixel for pixel, _ in counts.most_common(COLOURS_MAX)]
    places = {pixel: _nearest(pixel, palette) for pixel in counts} | {pixel: at for at, pixel in enumerate(palette)}
    lines = b"".join(b"\0" + bytes(map(places.__getitem__, row)) for row in pixels)
    header = struct.pack(">IIBBBBB", width, len(rows), 8, _KIND_PALETTE, 0, 0, 0)
    colours = bytes(channel for pixel in palette for channel in pixel)
    parts = ((b"IHDR", header), (b"PLTE", colours), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _nearest(pixel: Pixel, palette: list[Pixel]) -> int:
    red, green, blue = pixel
    return min(
        range(len(palette)),
        key=lambda at: (palette[at][0] - red) ** 2 + (palette[at][1] - green) ** 2 + (palette[at][2] - blue) ** 2,
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def decoded(png: bytes) -> tuple[int, list[bytes]]:
    """Width, and the bytes of each row."""
    assert png.startswith(SIGNATURE)
    at, packed, width, height = len(SIGNATURE), b"", 0, 0
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + size]
        if name == b"IHDR":
            width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", data)
            assert (depth, kind, interlaced) == (8, _KIND_RGB, 0), "not as a browser writes it"
        elif name == b"IDAT":
            packed += data
        at += 12 + size
    return width, _unfiltered(zlib.decompress(packed), 3 * width, height)


def _unfiltered(data: bytes, width: int, height: int) -> list[bytes]:
    rows, above = [], bytearray(width)
    for number in range(height):
        start = number * (width + 1)
        row = bytearray(data[start + 1 : start + 1 + width])
        _restore(data[start], row, above)
        rows.append(bytes(row))
        above = row
    return rows


def _restore(kind: int, row: bytearray, above: bytearray) -> None:
    """Undo a filter: each byte was made a difference to its neighbours on the left and above."""
    if kind == 0:
        return
    for at, byte in enumerate(row):
        left, corner = (row[at - 3], above[at - 3]) if at >= 3 else (0, 0)
        guess = (left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[kind - 1]
        row[at] = (byte + guess) & 255


def _paeth(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    return min((left, above, corner), key=lambda each: abs(estimate - each))
