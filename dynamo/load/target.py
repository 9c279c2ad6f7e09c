"""The cluster that a run is made against, asked before it begins: its bucket, and who is the first replica of a key."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from dynamo.client.client import AsyncClient
from dynamo.client.routing import Routing, endpoint
from dynamo.load.plan import Plan
from dynamo.load.requests import Requests

ASK_TIMEOUT_S = 5.0
SETTLE_S = 10.0
"""How long a cluster that has just started may answer 503."""


class Unreachable(Exception):
    """No node of the list answers, or none as it should."""


class Unsuitable(ValueError):
    """The cluster answers, and has or takes no bucket such as the run needs."""


class Bucket(msgspec.Struct, frozen=True):
    """What of its properties matters here."""

    name: str
    mode: str
    n: int


def addresses(text: str) -> list[tuple[str, int]]:
    """`host:port,host:port` in their parts. Raises DynamoError for what is none."""
    found = []
    for part in text.split(","):
        host, _, port = endpoint(part).rpartition(":")
        found.append((host.strip("[]"), int(port)))
    return found


def bucket(endpoints: Sequence[tuple[str, int]], name: str, mode: str, n: int | None) -> Bucket:
    """The bucket as it is, made if there is none. Raises Unreachable, and Unsuitable if it is not of mode `mode`."""
    path = f"/v1/buckets/{quote(name, safe='')}"
    status, found = _asked(endpoints, "GET", path, None)
    if status == 404:
        wanted: dict[str, Any] = {"mode": mode or "lww"} | ({} if n is None else {"n": n})
        status, found = _asked(endpoints, "PUT", path, wanted)
    if status >= 300:
        refused = f"bucket {name}: status {status}: {found[:300].decode('utf-8', 'replace')}"
        raise Unsuitable(refused) if status < 500 else Unreachable(refused)
    made = msgspec.json.decode(found, type=Bucket)
    if mode and made.mode != mode:
        raise Unsuitable(f"bucket {name} is of mode {made.mode}, and {mode} is needed: name another --bucket")
    return made


def _asked(
    endpoints: Sequence[tuple[str, int]], verb: str, path: str, content: dict[str, Any] | None
) -> tuple[int, bytes]:
    """Status and body from the first node that answers. 503 is waited out for a while."""
    until = time.monotonic() + SETTLE_S
    problem = "no endpoint"
    while True:
        for host, port in endpoints:
            try:
                status, body = _exchange(host, port, verb, path, content)
            except (OSError, http.client.HTTPException) as failure:
                problem = f"{host}:{port}: {failure}"
                continue
            if status != 503:
                return status, body
            problem = body[:300].decode("utf-8", "replace")
        if time.monotonic() > until or not problem.startswith("{"):
            raise Unreachable(f"no node answers: {problem}")
        time.sleep(0.2)


def _exchange(host: str, port: int, verb: str, path: str, content: dict[str, Any] | None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=ASK_TIMEOUT_S)
    body = None if content is None else json.dumps(content)
    try:
        connection.request(verb, path, body, {} if body is None else {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def owners(plan: Plan) -> dict[int, list[int]]:
    """Place of an endpoint to the keys that it is the first replica of, by the cluster's own ring.

    Keys whose first replica is none of the endpoints are left out. Raises DynamoError if nobody tells the ring.
    """
    seeds = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in plan.endpoints]

    async def fetch() -> Routing:
        routing = Routing(seeds, random.random)
        async with AsyncClient(seeds) as client:
            routing.install(await client.ring())
        return routing

    routing = asyncio.run(fetch())
    requests = Requests(plan)
    found: dict[int, list[int]] = {}
    for key in range(plan.records):
        first = routing.order(plan.bucket, requests.key(key).encode(), 0.0)[0]
        if first in seeds:
            found.setdefault(seeds.index(first), []).append(key)
    return found
