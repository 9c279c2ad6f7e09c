"""What a sampled node wrote, read back: one stack a sample, outermost frame first."""

from __future__ import annotations

from typing import NamedTuple


class Frame(NamedTuple):
    """A function that was running, or had called what ran."""

    file: str
    name: str


Stack = tuple[Frame, ...]
"""Outermost first; empty where a thread was outside of all Python."""


def read(data: bytes, begin: int = 0) -> list[Stack]:
    """The samples of a file from a byte on. Functions may have been named before that."""
    frames: dict[bytes, Frame] = {}
    known: dict[bytes, Stack] = {}
    stacks = []
    at = 0
    for line in data.splitlines(keepends=True):
        at += len(line)
        words = line[:-1]
        if words.startswith(b"="):
            number, file, name = words[1:].split(b"\t")
            frames[number] = Frame(file.decode(), name.decode())
        elif at > begin:
            if words not in known:
                known[words] = tuple(frames[number] for number in words.split())
            stacks.append(known[words])
    return stacks
