"""uvloop where it is installed, asyncio's loop elsewhere: what a node does, so that a comparison is like with like."""

from __future__ import annotations

import asyncio
import importlib.util


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop of the fastest kind at hand."""
    if importlib.util.find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 - where it is missing, asyncio's loop does

    return uvloop.new_event_loop()
