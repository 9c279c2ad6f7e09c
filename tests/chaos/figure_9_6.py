"""`python -m tests.chaos.figure_9_6`: quorums overlap, and of two readers the second sees less than the first.

Figure 9-6 of Kleppmann, Designing Data-Intensive Applications, with real nodes. The bucket keeps concurrent writes, and
is as buckets come: N=3, sloppy quorums. A key holds `old` on all its replicas. Then the cluster is cut in two: one
replica and a fallback on one side, two replicas on the other. A client writes `new` on the first side with W=3: two
nodes take it, no third one can be found, so nobody knows whether it will be there. A reads with R=2 on that side and
sees `new`; after that B reads with R=2 on the other side and sees `old`. No order of these explains that.

Writes the history, and the checker's picture of it as `figure-9-6.svg` and `figure-9-6.html`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import click
import msgspec

from dynamo.checker import figure, visualize
from dynamo.checker.history import Bucket, Call, Kind, Return
from dynamo.client import wire
from dynamo.client.connection import Connections
from dynamo.errors import DynamoError
from dynamo.ring.preference_list import PreferenceLists
from dynamo.server import ring_of
from dynamo.workload import picture_file
from tests.chaos import hosts, judge_registers, register_calls, stage
from tests.chaos.clients import padded
from tests.chaos.crowd import failed
from tests.chaos.nodes import N
from tests.chaos.stage import NODES, Stage

BUCKET, KEY = "figure", "x"
OLD, NEW = "old.0", "new.0"
R, W = 2, 3
WRITE_S, READ_S = 12.0, 4.0
SEEN_S = 8.0
"""Within which A must have seen the new value: the time to find that the other side is away, and more."""


class Told(msgspec.Struct):
    """What came of it."""

    result: str
    reason: str
    seen: dict[str, str]
    """Reader to value."""
    acknowledged: bool
    """Whether the write was ever answered ok."""


class Play:
    """The clients, and what they note."""

    def __init__(self, raised: Stage) -> None:
        self._raised = raised
        self._connections = Connections(16)
        self._began = time.monotonic()
        self._operations = 0
        self._sent = asyncio.Event()
        """The new value is on its way."""

    def now(self) -> float:
        """The clock of the history."""
        return time.monotonic() - self._began

    async def run(self) -> Told:
        """The whole play."""
        try:
            return await self._acts()
        finally:
            await self._connections.close()

    async def _acts(self) -> Told:
        side, other = self._sides()
        await self._connections.exchange(
            self._raised.endpoints[side[0]], wire.put_bucket(BUCKET, {"mode": "siblings"}), 4.0
        )
        self._raised.journal.add(Bucket(BUCKET, "siblings", N, strict=False))
        _, context = await self._ask("writer", side[0], "put", OLD, None)
        await asyncio.to_thread(self._raised.cut, side, other, self.now())
        writing = asyncio.create_task(self._ask("writer", side[0], "put", NEW, context))
        await self._sent.wait()
        seen_by_a = await self._until_new(side[0])
        returned, _ = await self._ask("B", other[0], "get", None, None)
        await asyncio.to_thread(self._raised.heal, side, other, self.now())
        written, _ = await writing
        seen_by_b = returned.values[0] if returned.values else returned.error
        verdict = judge_registers.check(self._raised.journal.history).verdicts[0]
        seen = {"A": seen_by_a, "B": seen_by_b}
        return Told(verdict.result, verdict.reason, seen, written.outcome == "ok")

    def _sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """One replica of the key and a node that can stand in for others; two replicas and the last node."""
        ring = ring_of(self._raised.config)
        lists = PreferenceLists(ring)
        primaries = lists.primaries(lists.partition(BUCKET, KEY.encode()), N)
        others = [node for node in NODES if node not in primaries]
        return (primaries[0], others[0]), (*primaries[1:], others[1])

    async def _until_new(self, node: str) -> str:
        """A reads until it is answered, and sees the new value; the last thing that it saw."""
        deadline = time.monotonic() + SEEN_S
        while True:
            returned, _ = await self._ask("A", node, "get", None, None)
            if NEW in returned.values or time.monotonic() > deadline:
                return returned.values[0] if returned.values else returned.error

    async def _ask(
        self, process: str, node: str, kind: Kind, value: str | None, context: str | None
    ) -> tuple[Return, str | None]:
        """One call, noted down, and the context of its answer."""
        self._operations += 1
        timeout_s = READ_S if kind == "get" else WRITE_S
        call = Call(
            self._operations,
            self.now(),
            process,
            kind,
            BUCKET,
            KEY,
            R if kind == "get" else W,
            self.now() + timeout_s,
            via=node,
            value=value,
            request="" if value is None else value,
        )
        self._raised.journal.add(call)
        if value == NEW:
            self._sent.set()
        try:
            answer = await self._connections.exchange(
                self._raised.endpoints[node], self._request(call, context), timeout_s
            )
            returned, token = register_calls.understood(call, answer, self.now()), answer.headers.get("Dynamo-Context")
        except DynamoError as error:
            returned, token = failed(call, error, self.now()), None
        self._raised.journal.add(returned)
        return returned, token

    def _request(self, call: Call, context: str | None) -> wire.Call:
        if call.value is None:
            return register_calls.read(call, {"r": R})
        data = padded(call.value)
        return wire.write(BUCKET, KEY.encode(), data, context, "text/plain", {}, {"w": W})


def main(arguments: list[str]) -> int:
    """0 if the history is found illegal; 1 if not; 2 where there are no namespaces."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.figure_9_6", description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty one")
    folder = parser.parse_args(arguments).folder.resolve()
    if not hosts.enter("tests.chaos.figure_9_6", arguments):
        click.echo("this machine allows no network namespaces", err=True)
        return 2
    told = asyncio.run(_played(folder))
    click.echo(msgspec.json.encode(told).decode())
    return 0 if told.result == "illegal" else 1


async def _played(folder: Path) -> Told:
    async with stage.raised(folder) as raised:
        told = await Play(raised).run()
    keys = judge_registers.check(raised.journal.history)
    worst = keys.worst()
    if worst is not None:
        drawn = visualize.draw("Figure 9-6, with real nodes", [worst], keys.recording.asides)
        picture_file.write(folder / "figure-9-6.html", drawn)
        (folder / "figure-9-6.svg").write_text(figure.draw(drawn.keys[0], drawn.keys[0].views[0]) + "\n")
    return told


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
