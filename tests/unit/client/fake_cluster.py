"""Nodes that keep the contract of the HTTP API as far as a client can tell, and fail on command.

Objects are real records of `dynamo.versioning`, shared by all nodes of a fake cluster, so contexts mean what they mean.
A fault is put in front of the requests of one node: it sees the request and answers, breaks the connection, or lets it
pass.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Self
from urllib.parse import unquote_to_bytes

from aiohttp import web

from dynamo.protocol import http_fields as fields
from dynamo.ring.preference_list import PreferenceLists
from dynamo.ring.ring import Member, Ring, first_ring
from dynamo.ring.token import key_hash, token
from dynamo.versioning import siblings
from dynamo.versioning.context import Context, from_token, to_token
from dynamo.versioning.record import Record, Sibling, etag
from tests.unit.client.fake_registers import FakeRegisters
from tests.unit.client.faults import Fault, problem

ACCEPT_TICKS = 3
"""Turns of the loop between accepting a connection and handing it to its handler."""


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    raw_path: str
    headers: dict[str, str]
    body: bytes

    @property
    def idempotency_key(self) -> str:
        return self.headers.get(fields.IDEMPOTENCY_KEY, "")

    @property
    def context(self) -> str | None:
        return self.headers.get(fields.CONTEXT)


@dataclass
class FakeNode:
    """One listener. `faults` are used up one a request about keys."""

    cluster: FakeCluster
    id: str
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    runner: web.AppRunner | None = None
    server: asyncio.Server | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def calls(self, method: str = "", prefix: str = "/v1/kv") -> list[Seen]:
        return [s for s in self.seen if s.raw_path.startswith(prefix) and method in ("", s.method)]

    async def start(self) -> None:
        app = web.Application(middlewares=[self._in_front], client_max_size=2**24)
        # A dot would not match the line break that a key may hold.
        app.router.add_route("*", r"/{tail:[\s\S]*}", self._handle)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self.runner.server, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections from now on; the port stays known, so that `start` brings it back."""
        if self.runner is None or self.server is None:
            return
        # Accept no more, but let what was accepted reach its handler: after `close` it would be nobody's, and stay open
        # (Server._attach of Python 3.11 refuses it after the socket was taken).
        for listener in self.server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        for _ in range(ACCEPT_TICKS):
            await asyncio.sleep(0)
        self.server.close()
        await self.runner.cleanup()
        self.runner = self.server = None

    @web.middleware
    async def _in_front(self, request: web.Request, handler) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(Seen(request.method, request.raw_path, dict(request.headers), body))
        faulty = request.path.startswith(("/v1/kv", "/v1/batch", "/v1/cas", "/v1/resolve"))
        fault = self.faults.pop(0) if self.faults and faulty else (self.always if faulty else None)
        answer = await fault(request) if fault is not None else None
        if answer is None:
            answer = await handler(request)
        answer.headers[fields.EPOCH] = str(self.cluster.ring.epoch)
        answer.headers[fields.COORDINATOR] = self.id
        return answer

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        parts = path.split("/", 4)[1:]
        if parts[:2] == ["v1", "ring"]:
            return web.json_response(self.cluster.ring_body())
        if parts[:2] == ["v1", "batch"]:
            return self.cluster.batch(await request.json())
        if parts[:2] == ["v1", "buckets"]:
            return await self.cluster.buckets(request, parts[2:])
        key = unquote_to_bytes(parts[3]) if len(parts) > 3 else None
        if parts[1] == "locate" and key is not None:
            return self.cluster.locate(parts[2], key)
        if parts[1] in ("cas", "resolve") and key is not None:
            registers = self.cluster.registers
            answer = registers.cas if parts[1] == "cas" else registers.resolve
            return answer(request, parts[2], key, await request.read())
        if key is None and request.method == "GET":
            return self.cluster.page(parts[2], request)
        return self.cluster.object(request, parts[2], key, await request.read())


class FakeCluster:
    """Some nodes over one set of records."""

    def __init__(self, names: tuple[str, ...] = ("node1", "node2", "node3")) -> None:
        self.nodes = {name: FakeNode(self, name) for name in names}
        self.records: dict[tuple[str, bytes], Record] = {}
        self.registers = FakeRegisters()
        self.properties: dict[str, dict[str, object]] = {}
        self.applied: list[str] = []
        """Idempotency keys of the writes that took effect, each once."""
        self.epoch = 1
        self.hosts: dict[str, str] = {}
        """Labels that `locate` tells of nodes; of the others it says nothing, as an older node."""
        self._counter = 0

    async def __aenter__(self) -> Self:
        for node in self.nodes.values():
            await node.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes.values():
            await node.stop()

    @property
    def endpoints(self) -> list[str]:
        return [node.endpoint for node in self.nodes.values()]

    @property
    def ring(self) -> Ring:
        members = [Member(n.id, "127.0.0.1", 0, n.port, 0) for n in self.nodes.values()]
        return first_ring(members, 64, self.epoch)

    def first(self, bucket: str, key: bytes) -> FakeNode:
        """The key's first primary."""
        return self.replicas(bucket, key)[0]

    def replicas(self, bucket: str, key: bytes) -> list[FakeNode]:
        lists = PreferenceLists(self.ring)
        return [self.nodes[name] for name in lists.primaries(lists.partition(bucket, key), 3)]

    def calls(self, method: str = "") -> list[Seen]:
        return [seen for node in self.nodes.values() for seen in node.calls(method)]

    def ring_body(self) -> dict[str, object]:
        ring = self.ring
        members = [
            {"id": m.id, "host": m.host, "client_port": m.client_port, "zone": "", "weight": 1} for m in ring.members
        ]
        return {
            "cluster": "fake",
            "epoch": ring.epoch,
            "partitions": ring.partitions,
            "members": members,
            "owners": list(ring.owners),
        }

    def object(self, request: web.Request, bucket: str, key: bytes | None, body: bytes) -> web.Response:
        """GET, PUT, POST and DELETE of one object."""
        status = 204
        if key is None:
            key, status = f"made-{len(self.records)}".encode(), 201
        if self.properties.get(bucket, {}).get("mode") == "linearizable":
            return self.registers.object(request, bucket, key, body)
        if request.method == "GET":
            return self.read(bucket, key, request.headers.get(fields.CONTEXT))
        meta = {
            name.lower()[len(fields.META_PREFIX) :]: text
            for name, text in request.headers.items()
            if name.lower().startswith(fields.META_PREFIX.lower())
        }
        value = None if request.method == "DELETE" else body
        record = self.write(
            bucket,
            key,
            value,
            request.headers.get(fields.CONTEXT),
            request.headers.get(fields.IDEMPOTENCY_KEY, ""),
            request.headers.get("Content-Type", ""),
            meta,
        )
        headers = self.headers(record, bucket, key) | {fields.ACKS: "primaries=2 fallbacks=1"}
        if status == 201:
            headers["Location"] = f"/v1/kv/{bucket}/{key.decode()}"
        return web.Response(status=status, headers=headers)

    def write(
        self,
        bucket: str,
        key: bytes,
        value: bytes | None,
        context: str | None,
        request: str,
        content_type: str = "",
        meta: dict[str, str] | None = None,
    ) -> Record:
        """Apply a write once, however often it comes."""
        base = self.records.get((bucket, key), siblings.EMPTY)
        if request and request in self.applied:
            return base
        self.applied.append(request)
        self._counter += 1
        clock = from_token(context, key_hash(bucket, key)).clock if context else {}
        if value is None and context is None:
            clock = base.clock
        new = Sibling("node1.00000000", self._counter, self._counter << 16, value, content_type, meta or {})
        self.records[bucket, key] = siblings.written(base, clock, new)
        return self.records[bucket, key]

    def read(self, bucket: str, key: bytes, context: str | None) -> web.Response:
        record = self.records.get((bucket, key), siblings.EMPTY)
        if context is not None:
            wanted = from_token(context, key_hash(bucket, key)).clock
            if any(record.clock.get(actor, 0) < counter for actor, counter in wanted.items()):
                return problem("context-not-reached")
        live = record.live(0)
        headers = self.headers(record, bucket, key) if record.clock else {}
        if not live:
            answer = problem("key-not-found")
            answer.headers.update(headers)
            return answer
        if len(live) > 1:
            body = {"context": headers[fields.CONTEXT], "siblings": [self.shown(s) for s in live]}
            return web.json_response(body, status=300, headers=headers)
        headers |= {"Content-Type": live[0].content_type, "Last-Modified": formatdate(1_700_000_000, usegmt=True)}
        headers |= {fields.META_PREFIX + name: text for name, text in live[0].meta.items()}
        return web.Response(body=live[0].value, headers=headers)

    def headers(self, record: Record, bucket: str, key: bytes) -> dict[str, str]:
        return {
            fields.CONTEXT: to_token(Context(record.clock, record.hybrid_max()), key_hash(bucket, key)),
            "ETag": f'"{etag(record)}"',
            fields.SIBLINGS: str(len(record.live(0))),
        }

    def shown(self, sibling: Sibling) -> dict[str, object]:
        return {
            "etag": f"{sibling.counter:016x}",
            "content_type": sibling.content_type,
            "last_modified": f"2026-01-01T00:00:{sibling.counter % 60:02d}.500000+00:00",
            "value_b64": base64.b64encode(sibling.value or b"").decode(),
            "meta": sibling.meta,
        }

    def page(self, bucket: str, request: web.Request) -> web.Response:
        query = dict(pair.partition("=")[::2] for pair in request.raw_path.partition("?")[2].split("&") if pair)
        prefix, after = unquote_to_bytes(query.get("prefix", "")), unquote_to_bytes(query.get("cursor", ""))
        start, end = unquote_to_bytes(query.get("start", "")), unquote_to_bytes(query.get("end", ""))
        limit = int(query["limit"])
        if query.get("values") == "true" and limit > 100:
            return problem("invalid-parameter")
        keys = sorted(
            key
            for (name, key), record in self.records.items()
            if name == bucket and record.live(0) and key.startswith(prefix) and key >= start and (not end or key < end)
        )
        keys = [key for key in keys if not after or key > bytes.fromhex(after.decode())]
        entries = []
        for key in keys[:limit]:
            record = self.records[bucket, key]
            entry = named(key)
            if query.get("values") == "true":
                entry |= {"context": self.headers(record, bucket, key)[fields.CONTEXT]}
                entry |= {"etag": etag(record), "siblings": [self.shown(s) for s in record.live(0)]}
            entries.append(entry)
        cursor = keys[limit - 1].hex() if len(keys) > limit else None
        return web.json_response({"keys": entries, "cursor": cursor})

    def batch(self, body: dict[str, object]) -> web.Response:
        results = []
        for index, operation in enumerate(body["operations"]):
            key = operation["key"].encode() if "key" in operation else base64.b64decode(operation["key_b64"])
            bucket, context = operation["bucket"], operation.get("context")
            if operation["op"] == "get":
                answer = self.read(bucket, key, context)
                live = self.records.get((bucket, key), siblings.EMPTY).live(0)
                result = {"status": answer.status, "context": answer.headers.get(fields.CONTEXT)}
                if answer.status == 200:
                    result |= self.shown(live[0])
                elif answer.status == 300:
                    result |= {"siblings": [self.shown(s) for s in live]}
                else:
                    result |= json.loads(answer.body)
            elif operation["op"] in ("put", "delete"):
                value = base64.b64decode(operation["value_b64"]) if operation["op"] == "put" else None
                record = self.write(bucket, key, value, context, f"batch-{index}", operation.get("content_type", ""))
                result = {"status": 204, "context": self.headers(record, bucket, key)[fields.CONTEXT]}
                result |= {"siblings_count": len(record.live(0)), "acks": {"primaries": 2, "fallbacks": 1}}
                result |= {"coordinator": "node1", "etag": etag(record)}
            else:
                result = json.loads(problem("invalid-parameter").body)
            results.append(result)
        return web.json_response({"atomic": False, "results": results})

    async def buckets(self, request: web.Request, parts: list[str]) -> web.Response:
        if not parts:
            return web.json_response({"buckets": list(self.properties.values())})
        name = parts[0]
        if request.method == "PUT":
            wanted = await request.json()
            known = self.properties.setdefault(name, {"name": name, "mode": "siblings", "n": 3, **wanted})
            if any(wanted.get(fixed, known[fixed]) != known[fixed] for fixed in ("mode", "n")):
                return problem("bucket-exists")
            known.update(wanted)
        if name not in self.properties:
            return problem("bucket-not-found")
        if request.method == "DELETE":
            del self.properties[name]
            return web.Response(status=204)
        return web.json_response(self.properties[name])

    def locate(self, bucket: str, key: bytes) -> web.Response:
        lists = PreferenceLists(self.ring)
        replicas = [
            {"node": n.id, "host": "127.0.0.1", "client_port": n.port, "role": "primary"}
            | ({"host_label": self.hosts[n.id]} if n.id in self.hosts else {})
            for n in self.replicas(bucket, key)
        ]
        return web.json_response(
            {
                "bucket": bucket,
                **named(key),
                "partition": lists.partition(bucket, key),
                "token": str(token(bucket, key)),
                "epoch": self.epoch,
                "replicas": replicas,
            }
        )


def named(key: bytes) -> dict[str, object]:
    try:
        return {"key": key.decode()}
    except UnicodeDecodeError:
        return {"key_b64": base64.b64encode(key).decode()}


@contextmanager
def in_thread() -> Iterator[FakeCluster]:
    """A fake cluster on a loop of its own thread, for callers that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    cluster = FakeCluster()
    asyncio.run_coroutine_threadsafe(cluster.__aenter__(), loop).result()
    try:
        yield cluster
    finally:
        asyncio.run_coroutine_threadsafe(cluster.__aexit__(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
