"""`dynamo up`: a local cluster of real node processes, in the foreground, until Ctrl-C.

Everything that can be wrong is looked at before a process is started: the folder, its configuration, the ports. Then
the nodes are started together, and the command speaks up when all are ready, when one ends, and when all have stopped.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Literal

import click

from dynamo.cli.config import settings_option
from dynamo.cli.connect import DURATION
from dynamo.cli.local_cluster import BASE_PORT_DEFAULT, NODES_DEFAULT, PlannedNode, lock, plan, refuse_used_ports, write
from dynamo.cli.output import FAILED, OK, UNHEALTHY, as_json_option, emit, note
from dynamo.cli.processes import Child, ending, first_of, ready, start, stop


@click.command()
@click.option("--nodes", "count", type=click.IntRange(1, 64), help=f"How many [default: {NODES_DEFAULT}].")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=".dynamo",
    show_default=True,
    help="Folder for configuration, data and logs; an existing one is started again with its data.",
)
@click.option(
    "--base-port",
    type=click.IntRange(1, 65533),
    help="Clients of the first node; peers and operations take the next two ports, each node adds 10 "
    f"[default: {BASE_PORT_DEFAULT}].",
)
@click.option(
    "--hosts",
    type=click.IntRange(1, 64),
    help="Label the nodes, in turn, as if they ran on so many machines: copies of a key go to different ones "
    "[default: each node is a machine of its own].",
)
@settings_option
@click.option("--wait", "wait_s", type=DURATION, default="60s", show_default=True, help="Time to become ready.")
@as_json_option
def up(
    count: int | None,
    data: Path,
    base_port: int | None,
    hosts: int | None,
    settings: tuple[str, ...],
    wait_s: float,
    as_json: bool,
) -> int:
    """Run a local cluster of real nodes until Ctrl-C."""
    with lock(data):
        nodes = plan(data, count, base_port, settings, os.environ, hosts)
        refuse_used_ports(nodes)
        write(nodes)
        return asyncio.run(Cluster(nodes, settings, data, as_json=as_json).run(wait_s))


class Cluster:
    """The nodes from start to stop."""

    def __init__(self, nodes: list[PlannedNode], settings: tuple[str, ...], data: Path, *, as_json: bool) -> None:
        self._nodes = nodes
        self._settings = settings
        self._data = data
        self._as_json = as_json
        self._children: list[Child] = []
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self, wait_s: float) -> int:
        """Start, watch, stop; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        try:
            for node in self._nodes:
                self._children.append(await start(node, self._settings))
            started = await self._become_ready(wait_s)
            if started:
                await self._watch()
        finally:
            await stop(self._children, self._hurry, self._say_stopped)
        if not started:
            return UNHEALTHY
        return FAILED if any(_failed(child) for child in self._children) else OK

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _become_ready(self, wait_s: float) -> bool:
        """False if a node failed to start. A signal ends the waiting, and is no failure."""
        stopping = asyncio.create_task(self._stop.wait())
        waiting = {asyncio.create_task(ready(child, wait_s)): child for child in self._children}
        problems: list[str] = []
        while waiting and not problems and not stopping.done():
            tasks: list[asyncio.Task[Literal[True]] | asyncio.Task[str | None]] = [stopping, *waiting]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in [t for t in waiting if t.done()]:
                child, why = waiting.pop(each), each.result()
                if why is not None:
                    problems.append(why)
                    self._say_problem(child, why)
        if not waiting and not problems:
            self._say_ready()
        for task in [*waiting, stopping]:
            task.cancel()
        return not problems

    async def _watch(self) -> None:
        """Until a signal, or until no node is left."""
        stopping = asyncio.create_task(self._stop.wait())
        running = [child for child in self._children if child.is_running]
        while running and not stopping.done():
            await first_of(stopping, running)
            for child in [c for c in running if not c.is_running]:
                running.remove(child)
                self._say_problem(child, f"ended with {ending(child.ended.result())}")
                self._say_left(child, len(running))
        stopping.cancel()

    def _say_ready(self) -> None:
        if self._as_json:
            emit({"event": "ready", "data": str(self._data), "nodes": [_facts(child) for child in self._children]})
            return
        click.echo(f"{len(self._children)} nodes are ready; data, configuration and logs in {self._data}")
        for child in self._children:
            member, host = child.node.member, child.node.config.listen.ops_host
            click.echo(
                f"  {member.id}  clients http://{member.host}:{member.client_port}  "
                f"operations http://{host}:{member.ops_port}  process {child.process.pid}"
            )
        for line in host_lines(self._nodes):
            click.echo(line)
        click.echo(f"\nTo look at: {_console(self._nodes[0])}\n\nTry:")
        for line in _examples(self._nodes):
            click.echo(f"  {line}")
        click.echo("\nCtrl-C stops the cluster.")
        sys.stdout.flush()

    def _say_problem(self, child: Child, why: str) -> None:
        if self._as_json:
            emit({"event": "problem", "node": child.node.id, "problem": why, "log": child.tail()})
            return
        note(f"{child.node.id} {why}; the last lines of {child.node.log_file}:")
        for line in child.tail():
            note(f"  | {line}")

    def _say_left(self, child: Child, left: int) -> None:
        if self._as_json:
            return
        if not left:
            note("no node is left")
            return
        again = f"dynamo serve --config {child.node.config_file}"
        note(f"{left} {'node goes' if left == 1 else 'nodes go'} on. To start {child.node.id} again: {again}")

    def _say_stopped(self, child: Child) -> None:
        code = child.ended.result()
        if self._as_json:
            emit({"event": "stopped", "node": child.node.id, "exit_code": code})
        else:
            # One that was told to stop before it listened for that ends by the signal itself.
            note(f"{child.node.id} stopped" + (f" with {ending(code)}" if code not in (0, -signal.SIGTERM) else ""))


def _failed(child: Child) -> bool:
    """Whether a node went wrong by itself. One that somebody else killed did not."""
    code = child.ended.result()
    return child.killed or code > 0


def _facts(child: Child) -> dict[str, object]:
    member = child.node.member
    return {
        "id": member.id,
        "pid": child.process.pid,
        "host": member.host,
        "host_label": member.host_label,
        "client_port": member.client_port,
        "peer_port": member.peer_port,
        "ops_port": member.ops_port,
        "config": str(child.node.config_file),
        "log": str(child.node.log_file),
    }


def host_lines(nodes: list[PlannedNode]) -> list[str]:
    """Which nodes share a host, and what its end costs a key; nothing where no node has a label."""
    from dynamo.ring.preference_list import PreferenceLists
    from dynamo.server import ring_of

    on: dict[str, list[str]] = {}
    for node in nodes:
        on.setdefault(node.member.host_label or node.id, []).append(node.id)
    if not any(node.member.host_label for node in nodes):
        return []
    config = nodes[0].config
    most = PreferenceLists(ring_of(config)).most_on_a_host(config.default_n)
    says = "no key has two copies on one host" if most == 1 else f"keys have up to {most} copies on one host"
    named = [f"{host}: {', '.join(ids)}" for host, ids in on.items()]
    return [
        f"\nHosts: {'; '.join(named)}",
        f"Of {config.default_n} copies: {says}.",
    ]


def _console(node: PlannedNode) -> str:
    """The page of a node: every node has one, and shows all of them."""
    return f"http://{node.config.listen.ops_host}:{node.member.ops_port}/console"


def _examples(nodes: list[PlannedNode]) -> list[str]:
    """A write, a read through another node, and a read that waits for all replicas."""
    hosts = [f"http://{node.member.host}:{node.member.client_port}" for node in nodes]
    path = "/v1/kv/demo/greeting"
    return [
        f"curl -X PUT -H 'Content-Type: text/plain' -d 'hello' {hosts[0]}{path}",
        f"curl {hosts[1 % len(hosts)]}{path}",
        f"curl '{hosts[2 % len(hosts)]}{path}?consistency=all'",
    ]
