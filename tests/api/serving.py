"""What the tests of the API share: a served API, calls with plain clients, and what every error must look like."""

import asyncio
import itertools
import os
from dataclasses import dataclass

import msgspec
from aiohttp import ClientSession
from multidict import CIMultiDictProxy
from yarl import URL

from dynamo.api.app import client_app, operations_app
from dynamo.api.early_refusal import EarlyRefusal
from dynamo.api.listener import Listener, serve_listener
from dynamo.config import Config, LimitsSection
from dynamo.errors import CATALOGUE
from tests.api.fake_node import FakeNode

VALUE_BYTES_MAX = 100_000
LIMITS = LimitsSection(
    value_bytes_max=VALUE_BYTES_MAX, object_bytes_max=400_000, header_timeout_s=1.0, body_timeout_s=1.0
)
_numbers = itertools.count(1)


@dataclass
class Reply:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self):
        return msgspec.json.decode(self.body)

    @property
    def context(self) -> str:
        return self.headers["Dynamo-Context"]


@dataclass
class Api:
    """An API on 127.0.0.1. `node` is the fake behind it, None where real nodes are."""

    session: ClientSession
    client_port: int
    ops_port: int
    node: FakeNode | None = None

    async def call(self, method: str, path: str, body: bytes | None = None, ops: bool = False, **headers: str) -> Reply:
        """One request. The path goes out as it is; header names are written with underscores."""
        port = self.ops_port if ops else self.client_port
        url = URL(f"http://127.0.0.1:{port}{path}", encoded=True)
        fields = {name.replace("_", "-"): text for name, text in headers.items()}
        async with self.session.request(method, url, data=body, headers=fields, allow_redirects=False) as response:
            return Reply(response.status, response.headers, await response.read())

    async def json(self, method: str, path: str, content: object) -> Reply:
        return await self.call(method, path, msgspec.json.encode(content), Content_Type="application/json")

    async def raw(self, *pieces: bytes, ops: bool = False, timeout_s: float = 10.0) -> bytes:
        """Write the pieces as they are and read until the server ends the connection."""
        reader, writer = await self.open(ops=ops)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            async with asyncio.timeout(timeout_s):
                return await reader.read()
        finally:
            writer.close()

    async def open(self, ops: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.ops_port if ops else self.client_port)


def fresh(stem: str = "bucket") -> str:
    """A bucket name that no other test, and no other run against the same nodes, has used."""
    return f"{stem}-{os.getpid()}-{next(_numbers)}"


async def listening(node: FakeNode, *, early: bool = True, hot: bool = True) -> tuple[Listener, Listener]:
    """Listeners for clients and operators in front of a node; as a node has it, with refusals before parsing and the
    hot path.
    """
    shed = node.metrics.shed_requests["connections"]
    limits = node.config.limits
    refusal = EarlyRefusal(node.admission, node.metrics.shed_requests["overloaded"]) if early else None
    app = client_app(node)
    client = await serve_listener(app, "127.0.0.1", 0, limits, shed, refusal, app.hot if hot else None)
    return client, await serve_listener(operations_app(node), "127.0.0.1", 0, limits, shed)


def fake_config(limits: LimitsSection = LIMITS) -> Config:
    return Config(limits=limits)


def assert_problem(reply: Reply, status: int, code: str, applied: str = "no") -> dict[str, object]:
    """Every error has this shape, and is what the catalogue says."""
    assert reply.status == status, reply.body
    assert reply.headers["Content-Type"] == "application/problem+json"
    problem = reply.json
    assert problem["code"] == code
    assert problem["type"] == f"urn:dynamo:problem:{code}"
    assert problem["status"] == status
    assert problem["title"] == CATALOGUE[code].title
    assert problem["detail"]
    assert problem["applied"] == applied
    assert problem["instance"] == f"urn:dynamo:request:{reply.headers['Request-Id']}"
    assert b"Traceback" not in reply.body
    return problem


def parsed(answer: bytes) -> Reply:
    """The first answer of raw bytes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    from multidict import CIMultiDict

    fields = CIMultiDict(tuple(line.split(": ", 1)) for line in lines)
    return Reply(int(status.split(" ")[1]), CIMultiDictProxy(fields), body)
