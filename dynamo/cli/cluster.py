"""`dynamo cluster`: how the nodes are."""

from __future__ import annotations

from typing import Any

import click

from dynamo.cli.connect import cluster_options
from dynamo.cli.operations import cluster_document, ops_option
from dynamo.cli.output import OK, UNHEALTHY, emit, note, size, span, table


@click.group()
def cluster() -> None:
    """The nodes of a cluster."""


@cluster.command()
@ops_option
@cluster_options
def status(ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Print every node as the first one that answers sees it, and what the others hold it to be.

    Ends with 3 if a node does not answer, or is held dead by another one.
    """
    found = cluster_document(ops, endpoints, timeout_s)
    down = [node for node in found["nodes"] if node.get("state") != "up"]
    dead = [node for node in found["nodes"] if node not in down and "dead" in node.get("seen", {}).values()]
    if as_json:
        emit(found)
    else:
        _print(found)
        if down:
            note(f"{len(down)} of {len(found['nodes'])} nodes do not answer: {', '.join(n['id'] for n in down)}")
        if dead:
            note(f"held dead by others, who do not ask it: {', '.join(n['id'] for n in dead)}")
    return UNHEALTHY if down or dead else OK


def _print(found: dict[str, Any]) -> None:
    note(f"cluster {found.get('cluster', '?')}, epoch {found.get('epoch', '?')}, as seen by {found.get('node', '?')}")
    rows = [
        (
            node["id"],
            node.get("state", "?"),
            _seen(node.get("seen", {})),
            f"{node.get('host', '?')}:{node.get('client_port', '?')}",
            node.get("zone") or "-",
            node.get("host_label") or "-",
            _or_dash(node, "partitions"),
            _or_dash(node, "keys"),
            size(node["store_bytes"]) if isinstance(node.get("store_bytes"), int) else "-",
            span(node["uptime_s"]) if isinstance(node.get("uptime_s"), int | float) else "-",
            node.get("version") or "-",
        )
        for node in found["nodes"]
    ]
    heads = ("node", "state", "seen", "address", "zone", "host", "partitions", "keys", "store", "uptime", "version")
    table(heads, rows)


def _seen(states: dict[str, str]) -> str:
    """What the other nodes hold it to be: one word if they agree, else each word with their number."""
    known = [state for state in states.values() if state != "unknown"]
    if len(set(known)) <= 1:
        return known[0] if known else "-"
    return ",".join(f"{state}:{known.count(state)}" for state in ("alive", "suspect", "dead") if state in known)


def _or_dash(node: dict[str, Any], name: str) -> str:
    value = node.get(name)
    return "-" if value is None else str(value)
