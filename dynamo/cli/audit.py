"""`dynamo audit`: what is stored, read again and verified, on every node.

A node that does not answer may hold damage, so nothing is said to be whole without it.
"""

from __future__ import annotations

import time
from typing import Any

import click

from dynamo.cli.connect import DURATION, cluster_options, endpoints_option
from dynamo.cli.operations import Listener, ask_all, listeners, ops_option, problem_of
from dynamo.cli.output import OK, UNHEALTHY, as_json_option, emit, note, span, table
from dynamo.cli.probe import Reply

_PATH = "/admin/v1/audit"
_ASK_S = 5.0
_LOOK_S = 0.5
_SAY_S = 5.0


@click.group()
def audit() -> None:
    """Verification of everything that is stored."""


@audit.command()
@ops_option
@cluster_options
def status(ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Print how the audit of every node stands. Ends with 3 if a key is in doubt, or a node or a page unreadable."""
    return _shown(_ask(listeners(ops, endpoints, timeout_s), timeout_s, "GET"), as_json=as_json)


@audit.command()
@click.option("--wait/--no-wait", default=True, help="Return when all nodes are done, or at once.")
@ops_option
@endpoints_option
@click.option("--timeout", "timeout_s", type=DURATION, default="1h", show_default=True, help="How long to wait.")
@as_json_option
def run(wait: bool, ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Have every node read all that it holds now. Ends as `status`, and with 3 if that takes longer than --timeout."""
    deadline = time.monotonic() + timeout_s
    asked = listeners(ops, endpoints, min(timeout_s, _ASK_S))
    replies = _ask(asked, _ASK_S, "POST")
    if not wait:
        return _shown(replies, as_json=as_json)
    said = time.monotonic()
    while (busy := _busy(replies)) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        replies = _ask(asked, _ASK_S, "GET")
        if time.monotonic() > said + _SAY_S:
            said = time.monotonic()
            note(f"audit: {', '.join(busy)}")
    code = _shown(replies, as_json=as_json)
    return UNHEALTHY if busy else code


def _ask(asked: list[Listener], timeout_s: float, method: str) -> dict[str, Reply]:
    return ask_all(asked, lambda listener: listener.ask(_PATH, timeout_s, method))


def _busy(replies: dict[str, Reply]) -> list[str]:
    """Nodes whose pass is under way, or whose damage is being repaired, with how far they are."""
    return [
        f"{node} {_progress(reply.document)}"
        for node, reply in replies.items()
        if reply.document.get("running") or (reply.document.get("in_doubt") and reply.document.get("damaged"))
    ]


def _progress(answer: dict[str, Any]) -> str:
    if answer["running"]:
        return f"{answer['partitions_done']}/{answer['partitions']} partitions"
    return f"{answer['in_doubt']} keys in doubt"


def _shown(replies: dict[str, Reply], *, as_json: bool) -> int:
    answers: dict[str, dict[str, Any]] = {node: r.document for node, r in replies.items() if r.status in (200, 202)}
    failed = {node: problem_of(reply) for node, reply in replies.items() if node not in answers}
    if as_json:
        emit({"nodes": list(answers.values()), "failed": failed})
    else:
        heads = ("node", "state", "entries", "damaged", "in doubt", "leaves rewritten", "unreadable", "last pass")
        table(heads, [_row(node, answer) for node, answer in answers.items()])
        for node, problem in failed.items():
            note(f"{node}: {problem}")
    whole = all(not answer["in_doubt"] and not answer["unreadable"] for answer in answers.values())
    return OK if whole and not failed else UNHEALTHY


def _row(node: str, answer: dict[str, Any]) -> tuple[object, ...]:
    age_s = answer["finished_age_s"]
    last = "never" if age_s is None else f"{span(age_s)} ago"
    state = _progress(answer) if answer["running"] else "waiting"
    found = (answer[name] for name in ("entries", "damaged", "in_doubt", "leaves_rewritten", "unreadable"))
    return node, state, *found, last
