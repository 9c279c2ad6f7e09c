"""Node processes of a local cluster: started, watched until ready, watched until they end, stopped.

Each child has a process group of its own, so that Ctrl-C at the terminal reaches the parent alone, which then stops the
children in order. A child that ends early is an event, not the end: the others go on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from dynamo.cli.local_cluster import PlannedNode
from dynamo.cli.probe import fetch

PROBE_EVERY_S = 0.05
PROBE_TIMEOUT_S = 1.0
STOP_WITHIN_S = 15.0
"""A node may drain for some seconds and then syncs its store; one that takes longer is killed."""
TAIL_LINES = 8
_TAIL_BYTES = 16384


class Child:
    """One running node."""

    def __init__(self, node: PlannedNode, process: asyncio.subprocess.Process) -> None:
        self.node = node
        self.process = process
        self.ended: asyncio.Task[int] = asyncio.create_task(process.wait())
        self.told_to_stop = False
        self.killed = False

    @property
    def is_running(self) -> bool:
        return not self.ended.done()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended meanwhile."""
        if self.is_running:
            try:
                self.process.send_signal(number)
            except ProcessLookupError:
                return  # between its end and our hearing of it

    def tail(self) -> list[str]:
        """The last lines of its log."""
        return tail(self.node.log_file)


async def start(node: PlannedNode, settings: tuple[str, ...]) -> Child:
    """Start a node as another process of this interpreter. Its log of the run before is kept as `log.1`."""
    log = node.log_file
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    flags = [word for setting in settings for word in ("--set", setting)]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dynamo",
            "serve",
            "--config",
            str(node.config_file),
            "--parent",
            str(os.getpid()),
            *flags,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
        )
    return Child(node, process)


async def ready(child: Child, within_s: float) -> str | None:
    """Wait until the node says that it is ready: None. Else why it is not, when it ends or the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    host, port = child.node.config.listen.ops_host, child.node.member.ops_port
    while child.is_running:
        reply = await asyncio.to_thread(fetch, host, port, "/readyz", PROBE_TIMEOUT_S)
        if reply.status == 200:
            return None
        if loop.time() > deadline:
            return f"not ready after {within_s:g} s: {' '.join(reply.text.split())}"
        await asyncio.wait([child.ended], timeout=PROBE_EVERY_S)
    return f"ended with {ending(child.ended.result())} before it was ready"


async def stop(children: list[Child], impatient: asyncio.Event, report: Callable[[Child], None]) -> None:
    """SIGTERM to all that run, wait for them; SIGKILL after a while, or as soon as `impatient` is set."""
    running = [child for child in children if child.is_running]
    for child in running:
        child.told_to_stop = True
        child.signal(signal.SIGTERM)
    hurry = asyncio.create_task(impatient.wait())
    deadline = asyncio.get_running_loop().time() + STOP_WITHIN_S
    while running:
        left_s = deadline - asyncio.get_running_loop().time()
        await first_of(hurry, running, max(left_s, 0))
        for child in [c for c in running if not c.is_running]:
            running.remove(child)
            report(child)
        if running and (hurry.done() or left_s <= 0):
            for child in running:
                child.killed = True
                child.signal(signal.SIGKILL)
            await asyncio.wait([child.ended for child in running])
    hurry.cancel()


async def first_of(event: asyncio.Task[Literal[True]], children: list[Child], within_s: float | None = None) -> None:
    """Wait until something happens: the event, or the end of a child."""
    tasks: list[asyncio.Task[int] | asyncio.Task[Literal[True]]] = [event, *(child.ended for child in children)]
    await asyncio.wait(tasks, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)


def ending(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def tail(file: Path) -> list[str]:
    """The last lines of a file, as far as they stand in its last 16 KiB."""
    try:
        with file.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - _TAIL_BYTES))
            return log.read().decode("utf-8", "replace").splitlines()[-TAIL_LINES:]
    except FileNotFoundError:
        return []
