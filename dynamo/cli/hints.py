"""`dynamo hints`: what nodes keep for others that could not take a write, asked of every node.

A node that does not answer may keep hints, too, so nothing is said to be well without it.
"""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import quote

import click

from dynamo.cli.connect import DURATION, cluster_options, endpoints_option
from dynamo.cli.operations import Listener, ask_all, complain, listeners, ops_option, told_apart
from dynamo.cli.output import OK, UNHEALTHY, as_json_option, emit, note, size, span, table
from dynamo.cli.probe import Reply
from dynamo.cli.progress import progress

_PATH = "/admin/v1/hints"
_LOOK_S = 0.5
_ASK_S = 5.0


@click.group()
def hints() -> None:
    """Writes that nodes keep for others which could not take them."""


@hints.command()
@ops_option
@cluster_options
def status(ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Print the hints on every node. Ends with 3 if a node does not answer."""
    return _shown(_PATH, "GET", listeners(ops, endpoints, timeout_s), timeout_s, as_json=as_json)


@hints.command()
@ops_option
@cluster_options
def pause(ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Stop the delivery on every node, over restarts. Hints are still kept."""
    return _shown(f"{_PATH}/pause", "POST", listeners(ops, endpoints, timeout_s), timeout_s, as_json=as_json)


@hints.command()
@ops_option
@cluster_options
def resume(ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Deliver again, on every node."""
    return _shown(f"{_PATH}/resume", "POST", listeners(ops, endpoints, timeout_s), timeout_s, as_json=as_json)


@hints.command()
@click.argument("target")
@click.option("--yes", is_flag=True, help="Do not ask.")
@ops_option
@cluster_options
def drop(target: str, yes: bool, ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Throw away all hints for the node TARGET. Other replicas bring it what they held, if they have it."""
    asked = listeners(ops, endpoints, timeout_s)
    if target not in [listener.node for listener in asked]:
        note(f"{target} is no member of the cluster")
    if not yes:
        click.confirm(f"Throw away the hints for {target} on all nodes?", abort=True, err=True)
    replies = ask_all(asked, f"{_PATH}/drop?target={quote(target)}", timeout_s, "POST")
    answers, failed = told_apart(replies, 200, 400)  # 400: this node keeps none for it
    dropped = {node: answer.get("dropped", 0) for node, answer in answers.items()}
    if as_json:
        emit({"target": target, "dropped": dropped, "failed": failed})
    else:
        table(("node", "dropped"), [(node, dropped.get(node, "-")) for node in replies])
        complain(failed)
    return UNHEALTHY if failed else OK


@hints.command()
@ops_option
@endpoints_option
@click.option("--timeout", "timeout_s", type=DURATION, default="1m", show_default=True, help="How long to wait.")
@as_json_option
def wait(ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Return when all hints that every node has now are delivered. Ends with 3 if that takes longer."""
    asked = listeners(ops, endpoints, min(timeout_s, _ASK_S))
    path = f"{_PATH}/wait?timeout={round(timeout_s * 1000)}ms"
    with _Watch(asked):
        _, failed = told_apart(ask_all(asked, path, timeout_s + _ASK_S, "POST"), 200)
    if as_json:
        emit({"delivered": not failed, "failed": failed})
    else:
        complain(failed)
        if not failed:
            note("all hints are delivered")
    return UNHEALTHY if failed else OK


class _Watch:
    """Shows how many hints are left while somebody waits for them."""

    def __init__(self, asked: list[Listener]) -> None:
        self._asked = asked
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        if self._over.wait(_LOOK_S):
            return
        at_first = _waiting(ask_all(self._asked, _PATH, _ASK_S))
        with progress("hints", at_first[1] or None) as shown:
            while not self._over.wait(_LOOK_S):
                count, left_bytes = _waiting(ask_all(self._asked, _PATH, _ASK_S))
                shown.at(max(0, at_first[1] - left_bytes), f"{max(0, at_first[0] - count)} keys")


def _waiting(replies: dict[str, Reply]) -> tuple[int, int]:
    """How many hints there are, and their bytes."""
    targets = [target for reply in replies.values() for target in reply.document.get("targets", [])]  # type: ignore[attr-defined]  # JSON of our own listener
    return sum(target["count"] for target in targets), sum(target["bytes"] for target in targets)


def _shown(path: str, method: str, asked: list[Listener], timeout_s: float, *, as_json: bool) -> int:
    """Print the hints that every node answers with; the exit code."""
    answers, failed = told_apart(ask_all(asked, path, timeout_s, method), 200)
    if as_json:
        emit({"nodes": list(answers.values()), "failed": failed})
    else:
        for node, answer in answers.items():
            if answer["paused"]:
                note(f"{node} delivers nothing: it is paused")
        rows = [_row(node, target) for node, answer in answers.items() for target in answer["targets"]]
        if rows:
            table(("node", "for", "hints", "bytes", "oldest", "target", "problem"), rows)
        else:
            note("no hints")
        complain(failed)
    return UNHEALTHY if failed else OK


def _row(node: str, target: dict[str, Any]) -> tuple[object, ...]:
    state = "up" if target["alive"] else "down"
    age = span(target["oldest_age_s"])
    return node, target["target"], target["count"], size(target["bytes"]), age, state, target["problem"] or "-"
