"""The contract, `openapi.json`, written by hand, and a page to read it by: files of this room, served as they are."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dynamo.api import parameters
from dynamo.api.answer import JSON_TYPE, Answer
from dynamo.api.call import Call
from dynamo.protocol.http_fields import REQUEST_ID

# The page needs nothing from anywhere else, and may not fetch it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'"


async def document(call: Call) -> Answer:
    """GET /openapi.json."""
    parameters.parse(call.query, parameters.NOTHING)
    return Answer(200, {"Content-Type": JSON_TYPE, REQUEST_ID: call.trace}, file("openapi.json"))


async def page(call: Call) -> Answer:
    """GET /docs."""
    parameters.parse(call.query, parameters.NOTHING)
    fields = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": _POLICY, REQUEST_ID: call.trace}
    return Answer(200, fields, file("docs.html"))


@cache
def file(name: str) -> bytes:
    """A file that lies beside this one."""
    return (Path(__file__).parent / name).read_bytes()
