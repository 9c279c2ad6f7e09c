"""What a fake node can be told to do with a request: refuse it, break the connection, keep it waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from dynamo.errors import CATALOGUE
from dynamo.protocol import http_fields as fields

Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def problem(code: str, detail: str = "because the test says so", **members: object) -> web.Response:
    """The answer that a node gives for an error of the catalogue."""
    kind = CATALOGUE[code]
    body = {
        "type": fields.PROBLEM_TYPE_PREFIX + code,
        "title": kind.title,
        "status": kind.http_status,
        "detail": detail,
        "instance": "request-1",
        "code": code,
        "applied": kind.applied.value,
        **members,
    }
    return web.json_response(body, status=kind.http_status, content_type=fields.PROBLEM_JSON)


def answering(code: str, **members: object) -> Fault:
    """A fault that answers with an error, and does nothing."""

    async def fault(request: web.Request) -> web.StreamResponse:
        await request.read()
        return problem(code, **members)

    return fault


async def dropping(request: web.Request) -> web.StreamResponse | None:
    """Reads the request, does nothing, breaks the connection."""
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return None


class Hang:
    """A fault that holds requests until `release`; then they go on."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, request: web.Request) -> None:
        self.arrived.set()
        await self.release.wait()
