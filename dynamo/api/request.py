"""What handlers use of a request. aiohttp's has much more; a plain one, which never was aiohttp's, has this."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiohttp.http import HttpVersion
from aiohttp.web import RequestHandler
from multidict import CIMultiDictProxy


class Content(Protocol):
    """The body of a request, as far as it is here."""

    def is_eof(self) -> bool: ...

    def at_eof(self) -> bool: ...

    def read_nowait(self) -> bytes: ...

    async def readany(self) -> bytes: ...


class Request(Protocol):
    """One request."""

    @property
    def method(self) -> str: ...

    @property
    def raw_path(self) -> str:
        """Path and query as they came."""

    @property
    def version(self) -> HttpVersion: ...

    @property
    def headers(self) -> CIMultiDictProxy[str]: ...

    @property
    def keep_alive(self) -> bool: ...

    @property
    def body_exists(self) -> bool: ...

    @property
    def content_length(self) -> int | None: ...

    @property
    def content(self) -> Content: ...

    @property
    def protocol(self) -> RequestHandler:
        """The connection."""

    @property
    def transport(self) -> asyncio.Transport | None:
        """None once the client has gone."""
