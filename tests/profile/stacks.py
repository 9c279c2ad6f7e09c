"""What a sampled node wrote, read back: one stack a sample, outermost frame first."""

from __future__ import annotations

from typing import NamedTuple


class Frame(NamedTuple):
    """A function that was running, or had called what ran."""

    file: str
    name: str


Stack = tuple[Frame, ...]
"""Outermost first; empty where a thread was outside of all Python."""


def read(text: str, begin: int = 0) -> list[Stack]:
    """The samples of a file from a place on. Functions may have been named before that."""
    frames: dict[str, Frame] = {}
    known: dict[str, Stack] = {}
    stacks = []
    at = 0
    for line in text.splitlines(keepends=True):
        at += len(line)
        words = line[:-1]
        if words.startswith("="):
            number, file, name = words[1:].split("\t")
            frames[number] = Frame(file, name)
        elif at > begin:
            if words not in known:
                known[words] = tuple(frames[number] for number in words.split())
            stacks.append(known[words])
    return stacks
