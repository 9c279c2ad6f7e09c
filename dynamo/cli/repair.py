"""`dynamo repair`: compare replicas now, and see what comparing has come to; asked of every node.

Each node compares its own partitions with their other replicas, so a cluster is compared when all its nodes have.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import click

from dynamo.cli.connect import cluster_options
from dynamo.cli.operations import Listener, ask_all, complain, listeners, ops_option, told_apart
from dynamo.cli.output import FAILED, OK, UNHEALTHY, emit, size, span, table
from dynamo.cli.progress import Progress, progress
from dynamo.cli.repair_cost import cost

_PATH = "/admin/v1/repair"
_LOOK_S = 0.5
_SILENCE_S = 30.0
"""How long a node may not answer while its run is waited for."""


@click.group()
def repair() -> None:
    """Replicas compared with each other, and what differs repaired."""


@repair.command()
@click.option("--bucket", help="Only this one.")
@click.option("--partition", type=click.IntRange(0, 65535), help="Only this one.")
@click.option("--wait", is_flag=True, help="Return when it is done; ends with 1 if something could not be compared.")
@ops_option
@cluster_options
def run(
    bucket: str | None,
    partition: int | None,
    wait: bool,
    ops: str | None,
    endpoints: str,
    timeout_s: float,
    as_json: bool,
) -> int:
    """Have every node compare its partitions with all other replicas of them, now."""
    scope = {name: str(value) for name, value in (("bucket", bucket), ("partition", partition)) if value is not None}
    path = f"{_PATH}?{urlencode(scope)}" if scope else _PATH
    asked = listeners(ops, endpoints, timeout_s)
    answers, failed = told_apart(ask_all(asked, path, timeout_s, "POST"), 202)
    runs: dict[str, Any] = {node: answer["run"] for node, answer in answers.items()}
    if wait and runs:
        runs, silent = _waited([each for each in asked if each.node in runs], runs, timeout_s)
        failed |= silent
    if as_json:
        emit({"runs": runs, "failed": failed})
    else:
        _print_runs(runs)
        complain(failed)
    if failed:
        return UNHEALTHY
    return FAILED if wait and not all(_is_whole(each) for each in runs.values()) else OK


repair.add_command(cost)


@repair.command()
@ops_option
@cluster_options
def status(ops: str | None, endpoints: str, timeout_s: float, as_json: bool) -> int:
    """Print each node's sweep, last run, and what it still rebuilds. Ends with 3 if a node does not answer."""
    answers, failed = told_apart(ask_all(listeners(ops, endpoints, timeout_s), _PATH, timeout_s), 200)
    if as_json:
        emit({"nodes": list(answers.values()), "failed": failed})
    else:
        heads = (
            "node",
            "sweep",
            "last full",
            "exchanges",
            "compared",
            "repaired",
            "failed",
            "sent",
            "rebuilding",
            "run",
        )
        table(heads, [_status_row(node, answer) for node, answer in answers.items()])
        complain(failed)
    return UNHEALTHY if failed else OK


def _waited(asked: list[Listener], runs: dict[str, Any], timeout_s: float) -> tuple[dict[str, Any], dict[str, str]]:
    """The runs when all are done, and the nodes that fell silent, with why."""
    last_heard = dict.fromkeys(runs, time.monotonic())
    silent: dict[str, str] = {}
    with progress("repair", None, in_bytes=False) as shown:
        while True:
            answers, failed = told_apart(ask_all(asked, _PATH, timeout_s), 200)
            for node, answer in answers.items():
                last_heard[node] = time.monotonic()
                runs[node] = _newest(runs[node], answer["run"])
            silent |= {n: why for n, why in failed.items() if time.monotonic() > last_heard[n] + _SILENCE_S}
            _show(shown, runs.values())
            asked = [each for each in asked if each.node not in silent and runs[each.node]["state"] != "finished"]
            if not asked:
                return runs, silent
            time.sleep(_LOOK_S)


def _newest(known: dict[str, Any], shown: dict[str, Any] | None) -> dict[str, Any]:
    """The run as the node shows it. A node that was restarted meanwhile has forgotten it: it will never be done."""
    if shown is None or shown["number"] < known["number"]:
        return {**known, "state": "finished", "failed": known["failed"] + 1}
    return shown


def _show(shown: Progress, runs: Any) -> None:
    """Exchanges made, exchanges due, and the keys in words."""
    made = sum(each["exchanges"] for each in runs)
    due = sum(each["exchanges_due"] for each in runs)
    shown.at(made, f"{sum(each['keys_repaired'] for each in runs)} keys repaired", due)


def _is_whole(run: dict[str, Any]) -> bool:
    return not run["failed"] and not run["keys_failed"] and not run["peers_away"]


def _print_runs(runs: dict[str, Any]) -> None:
    rows = [
        (
            node,
            each["state"],
            f"{each['exchanges']}/{each['exchanges_due']}",
            each["failed"],
            each["keys_compared"],
            each["keys_differing"],
            each["keys_repaired"],
            each["keys_failed"],
            size(each["bytes_sent"]),
            ", ".join(each["peers_away"]) or "-",
        )
        for node, each in runs.items()
    ]
    heads = ("node", "run", "exchanges", "failed", "compared", "differing", "repaired", "not repaired", "sent", "away")
    table(heads, rows)


def _status_row(node: str, answer: dict[str, Any]) -> tuple[object, ...]:
    sweep, total, latest = answer["sweep"], answer["total"], answer["run"]
    age = answer["last_full_sweep_age_s"]
    return (
        node,
        f"{sweep['exchanges']}/{sweep['exchanges_due']}" if answer["enabled"] else "off",
        "never" if age is None else f"{span(age)} ago",
        total["exchanges"],
        total["keys_compared"],
        total["keys_repaired"],
        total["failed"],
        size(total["bytes_sent"]),
        len(answer["rebuilding_partitions"]),
        "-" if latest is None else latest["state"],
    )
