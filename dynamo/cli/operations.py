"""The operations listeners of a cluster: where they are, and asking one or all of them.

One that answers knows the others: its view of the cluster names every member with its operations port.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import click

from dynamo.cli.output import note
from dynamo.cli.probe import Reply
from dynamo.cli.probe import fetch as probe
from dynamo.errors import NotReady

OPS_OFFSET = 2
"""A node's operations listener is two above its client listener, unless its configuration says otherwise."""

ops_option = click.option(
    "--ops", metavar="HOST:PORT,...", help="Operations listeners [default: --endpoints, ports plus 2]."
)


class Listener(NamedTuple):
    """Where one node is asked."""

    node: str
    host: str
    port: int

    def ask(self, path: str, timeout_s: float, method: str = "GET") -> Reply:
        """What it says; status 0 if it says nothing."""
        return probe(self.host, self.port, path, timeout_s, method)


def cluster_document(ops: str | None, endpoints: str, timeout_s: float) -> dict[str, Any]:
    """The cluster as the first listener that answers sees it. Raises NotReady if none does."""
    silent = []
    for host, port in _addresses(ops, endpoints):
        reply = probe(host, port, "/admin/v1/cluster", timeout_s)
        if reply.status == 200 and isinstance(reply.document.get("nodes"), list):
            return reply.document
        silent.append(f"{host}:{port}: {reply.text.strip() or reply.status}")
    raise NotReady(f"no operations listener answered: {'; '.join(silent)}")


def listeners(ops: str | None, endpoints: str, timeout_s: float) -> list[Listener]:
    """The operations listeners of all members, whether they are up or not. Raises NotReady if nobody knows them."""
    found = cluster_document(ops, endpoints, timeout_s)
    return [Listener(node["id"], node["host"], node["ops_port"]) for node in found["nodes"]]


def ask_all(asked: list[Listener], path: str, timeout_s: float, method: str = "GET") -> dict[str, Reply]:
    """What each of them says, in their order; they are asked at the same time."""
    with ThreadPoolExecutor(max_workers=max(1, len(asked))) as pool:
        replies = list(pool.map(lambda listener: listener.ask(path, timeout_s, method), asked))
    return {listener.node: reply for listener, reply in zip(asked, replies, strict=True)}


def told_apart(replies: dict[str, Reply], *done: int) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What those say that did what they were asked (`done`: with these status codes), and why the others did not."""
    answers: dict[str, dict[str, Any]] = {
        node: reply.document for node, reply in replies.items() if reply.status in done
    }
    return answers, {node: problem_of(reply) for node, reply in replies.items() if node not in answers}


def problem_of(reply: Reply) -> str:
    """Why a listener did not do what it was asked, in its own words where there are any."""
    try:
        return str(json.loads(reply.text)["detail"])
    except (ValueError, TypeError, KeyError):
        return reply.text.strip() or f"status {reply.status}"


def complain(failed: dict[str, str]) -> None:
    """Say which nodes failed, and why."""
    for node, problem in failed.items():
        note(f"{node}: {problem}")


def _addresses(ops: str | None, endpoints: str) -> Iterator[tuple[str, int]]:
    from dynamo.client.routing import endpoint

    for text in (ops or endpoints).split(","):
        host, _, port = endpoint(text).rpartition(":")
        yield host, int(port) + (0 if ops else OPS_OFFSET)
