"""`dynamo audit`: what is stored, read again and verified, on every node.

A node that does not answer may hold damage, so nothing is said to be whole without it.
"""

from __future__ import annotations

import time
from typing import Any

import click

from dynamo.cli.connect import DURATION, cluster_options, endpoints_option
from dynamo.cli.operations import ask_all, complain, listeners, ops_option, told_apart
from dynamo.cli.output import OK, UNHEALTHY, as_json_option, emit, span, table
from dynamo.cli.probe import Reply
from dynamo.cli.progress import Progress, progress

_PATH = "/admin/v1/audit"
_ASK_S = 5.0
_LOOK_S = 0.5


@click.group()
def audit() -> None:
    """Verification of everything that is stored."""


@audit.command()
@ops_option
@cluster_options
def status(ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Print how the audit of every node stands. Ends with 3 if a key is in doubt, or a node or a page unreadable."""
    return _shown(ask_all(listeners(ops, endpoints, timeout_s), _PATH, timeout_s), as_json=as_json)


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
    replies = ask_all(asked, _PATH, _ASK_S, "POST")
    if not wait:
        return _shown(replies, as_json=as_json)
    with progress("audit", None, in_bytes=False) as shown:
        while (busy := _is_busy(replies)) and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
            replies = ask_all(asked, _PATH, _ASK_S)
            _show(shown, replies)
    code = _shown(replies, as_json=as_json)
    return UNHEALTHY if busy else code


def _is_busy(replies: dict[str, Reply]) -> bool:
    """Whether a pass is under way, or damage that was found is being repaired."""
    return any(
        reply.document.get("running") or (reply.document.get("in_doubt") and reply.document.get("damaged"))
        for reply in replies.values()
    )


def _show(shown: Progress, replies: dict[str, Reply]) -> None:
    """Partitions read, of all, and what is being repaired."""
    answers, _ = told_apart(replies, 200)
    done = sum(each["partitions_done" if each["running"] else "partitions"] for each in answers.values())
    due = sum(each["partitions"] for each in answers.values())
    shown.at(done, f"{sum(each['in_doubt'] for each in answers.values())} keys in doubt", due)


def _shown(replies: dict[str, Reply], *, as_json: bool) -> int:
    answers, failed = told_apart(replies, 200, 202)
    if as_json:
        emit({"nodes": list(answers.values()), "failed": failed})
    else:
        heads = ("node", "state", "entries", "damaged", "in doubt", "leaves rewritten", "unreadable", "last pass")
        table(heads, [_row(node, answer) for node, answer in answers.items()])
        complain(failed)
    whole = all(not answer["in_doubt"] and not answer["unreadable"] for answer in answers.values())
    return OK if whole and not failed else UNHEALTHY


def _row(node: str, answer: dict[str, Any]) -> tuple[object, ...]:
    age_s = answer["finished_age_s"]
    last = "never" if age_s is None else f"{span(age_s)} ago"
    state = f"{answer['partitions_done']}/{answer['partitions']} partitions" if answer["running"] else "waiting"
    found = (answer[name] for name in ("entries", "damaged", "in_doubt", "leaves_rewritten", "unreadable"))
    return node, state, *found, last
