"""`python -m tests.chaos.cut`: what a cut costs. Five nodes, keys on all five, three of them cut off from two.

Clients stay at their node, on either side, and want the same keys. Told as JSON: for each node when it first answered
ok to a call made after the cut, and the last call that it could not answer; what the smaller side said instead; how
soon it answered again after the heal; and whether all answers are those of linearizable keys.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import click
import msgspec

from dynamo.checker.history import Operation
from dynamo.client import wire
from tests.chaos import hosts, judge_registers, stage
from tests.chaos.journal import Journal
from tests.chaos.register_clients import COUNTERS, REGISTERS, Known, Officials
from tests.chaos.stage import NODES, Stage

LARGER, SMALLER = NODES[:3], NODES[3:]
BEFORE_S, CUT_S, AFTER_S = 2.0, 6.0, 4.0
CLIENTS = 4
"""At each node."""
ANSWERED = {"ok", "precondition-failed", "called-off"}
"""What a node says that could do as it was asked: a condition that does not hold takes a majority to know, too."""


@dataclass(slots=True)
class Residents(Officials):
    """The clients at one node."""

    numbers: Iterator[int] = field(default_factory=itertools.count)
    """Shared by all."""

    def buckets(self) -> Mapping[str, wire.BucketOptions]:
        return {name: {"mode": "linearizable", "n": len(NODES)} for name in (REGISTERS, COUNTERS)}

    def next_operation(self) -> int:
        return next(self.numbers)


class Told(msgspec.Struct):
    """What came of it. Seconds after the cut, or after the heal."""

    first_ok_s: dict[str, float | None] = {}
    """By node: the first call made after the cut that was answered ok, when it was answered."""
    last_failed_s: dict[str, float | None] = {}
    """By node: the last call made during the cut that was not answered, when it was made."""
    answers: dict[str, dict[str, int]] = {}
    """By node, to calls made during the cut: ok, or the error."""
    healed_ok_s: dict[str, float | None] = {}
    """By node of the smaller side: the first call answered ok after the heal."""
    judged: int = 0
    violations: list[str] = []


def main(arguments: list[str]) -> int:
    """0 if no answer was wrong; 2 where there are no namespaces."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.cut", description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty one")
    options = parser.parse_args(arguments)
    if not hosts.enter("tests.chaos.cut", arguments):
        click.echo("this machine allows no network namespaces", err=True)
        return 2
    told = asyncio.run(_measured(options.folder.resolve()))
    click.echo(msgspec.json.encode(told).decode())
    return 1 if told.violations else 0


async def _measured(folder: Path) -> Told:
    async with stage.raised(folder) as raised:
        crowds = _crowds(raised)
        cut_s, healed_s = await _worked(crowds, raised)
    return _told(raised.journal, cut_s, healed_s)


def _crowds(raised: Stage) -> list[Residents]:
    numbers, known, began = itertools.count(1), dict[tuple[str, str], Known](), time.monotonic()
    return [
        Residents(
            raised.journal,
            {node: endpoint},
            seed,
            began=began,
            known=known,
            clients=CLIENTS,
            numbers=numbers,
        )
        for seed, (node, endpoint) in enumerate(raised.endpoints.items())
    ]


async def _worked(crowds: list[Residents], raised: Stage) -> tuple[float, float]:
    """The load, the cut and the heal; when these two were."""
    await crowds[0].make_buckets()
    async with asyncio.TaskGroup() as group:
        for crowd in crowds:
            group.create_task(crowd.run())
        await asyncio.sleep(BEFORE_S)
        await asyncio.to_thread(raised.cut, SMALLER, LARGER, crowds[0].now())
        cut_s = crowds[0].now()
        await asyncio.sleep(CUT_S)
        healed_s = crowds[0].now()
        await asyncio.to_thread(raised.heal, SMALLER, LARGER, healed_s)
        await asyncio.sleep(AFTER_S)
        for crowd in crowds:
            crowd.over = True
    for crowd in crowds:
        await crowd.conclude()
        await crowd.connections.close()
    return cut_s, healed_s


def _told(journal: Journal, cut_s: float, healed_s: float) -> Told:
    told = Told()
    operations = list(journal.history.operations.values())
    for node in NODES:
        here = [operation for operation in operations if operation.call.via == node]
        during = [operation for operation in here if cut_s <= operation.call.at < healed_s]
        told.first_ok_s[node] = _first_ok(during, cut_s)
        bad = [operation.call.at - cut_s for operation in during if _answer(operation) not in ANSWERED]
        told.last_failed_s[node] = round(max(bad), 2) if bad else None
        told.answers[node] = dict(Counter(_answer(operation) for operation in during))
        if node in SMALLER:
            told.healed_ok_s[node] = _first_ok([each for each in here if each.call.at >= healed_s], healed_s)
    keys = judge_registers.check(journal.history)
    told.judged = keys.judged
    wrong = [verdict for verdict in keys.verdicts if verdict.result != "legal"]
    told.violations = [
        f"{verdict.key}: {verdict.result}: {verdict.reason}" for verdict in (*wrong, *keys.recording.contradictions)
    ]
    return told


def _first_ok(operations: list[Operation], from_s: float) -> float | None:
    answered = [o.last.at - from_s for o in operations if o.outcome == "ok" and o.last is not None]
    return round(min(answered), 2) if answered else None


def _answer(operation: Operation) -> str:
    return operation.last.error or operation.outcome if operation.last is not None else "none"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
