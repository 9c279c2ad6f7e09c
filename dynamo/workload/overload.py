"""What our cluster does with more load than it can carry: it should go on doing what it can, and refuse the rest.

An open loop offers PUT W=2 and GET R=2 at fixed rates. First its *peak* is found: the most requests a second that are
answered well in time, over rising rates. Then it gets one, two and five times the peak, and after that four fifths of
it. A cluster that queues instead of refusing answers everything too late: its goodput falls to nothing, and stays there
for a while when the load has gone.

The nodes share one core and the generator has another, so that offering more does not take from the nodes what it is to
measure. What the generator itself used is shown: near a whole core its figures would be its own.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from dynamo.workload.arrivals import Phase, duration_s
from dynamo.workload.comparison import Progress, Settings, fill
from dynamo.workload.cpu import Meter, placement
from dynamo.workload.generator import Load, generate, operation
from dynamo.workload.keys import KeySpace
from dynamo.workload.memory import MemoryWatch
from dynamo.workload.operations import Put
from dynamo.workload.processes import pinned
from dynamo.workload.report import Ratio, Section, Table
from dynamo.workload.runner import Pace, measure
from dynamo.workload.systems import DynamoCluster, asked
from dynamo.workload.tally import PhaseTally, Tally

NODES = 3
CONNECTIONS = 1500
"""500 a node: within the number of open files that a process has by default."""
TIMEOUT_MS = 1000
TIMES = (1.0, 2.0, 5.0)
AFTER = 0.8
GOAL = 0.8
"""Least share of the peak that must be left at the highest load."""
MEMORY_GOAL = 1.25
"""Most memory of a node at the highest load, as a multiple of what it had at the peak."""
ROUNDS_MAX = 2
_BUCKET = "overload"
_SEARCH = (0.5, 0.65, 0.8, 0.95, 1.1)
"""Rates at which the peak is looked for, as shares of what a closed loop reached."""
_SEARCH_S = 2.0
_RECOVERED = 0.95
_HEADINGS = ["", "offered/s", "good/s", "shed/s", "late/s", "unsent/s", "failed/s"]
_HEADINGS += ["p50 ms", "p99 ms", "shed p99", "MiB", "generator"]


class Round(msgspec.Struct, kw_only=True):
    """One run over all loads, and the memory that went with it."""

    tally: Tally
    memory: list[tuple[float, list[int]]]
    """Seconds since the begin, bytes of each node."""
    largest_bytes: list[int]
    """Of one node, in each phase."""


def overload(folder: Path, settings: Settings, loop: asyncio.Runner, progress: Progress) -> Section:
    """Measure both operations. Raises ServerFailed."""
    server_core, client_core = placement()
    section = Section(title=f"Overload: {NODES} nodes, N={NODES}, open loop", notes=_notes(settings, client_core))
    with DynamoCluster(folder, NODES, NODES, core=server_core) as ours:
        asked(ours.endpoints[0][1], "PUT", f"/v1/buckets/{_BUCKET}", {"n": NODES, "mode": "lww"})
        keys = KeySpace(settings.seed, settings.keys, settings.value_bytes)
        fill(Put(keys, _BUCKET, w=NODES), ours.endpoints, settings, loop)
        for verb, name in (("put", "PUT W=2"), ("get", "GET R=2")):
            load = _load(verb, ours, settings)
            peak = peak_of(load, settings, loop, client_core)
            progress(f"{name}: peak {peak:,.0f}/s")
            rounds = [_round(load, peak, settings, ours, client_core) for _ in range(min(settings.rounds, ROUNDS_MAX))]
            _report(section, name, peak, rounds)
            progress(section.ratios[-3].name + f": {section.ratios[-3].median:.2f}")
    return section


def _notes(settings: Settings, client_core: int | None) -> list[str]:
    pinning = "all nodes on one core, the generator on another"
    if client_core is None:
        pinning = "NOT PINNED: there is only one core, and the generator takes from the nodes what it measures"
    return [
        f"evenly spaced arrivals over {CONNECTIONS} connections, values of {settings.value_bytes} bytes, mode lww",
        f"good: answered 2xx within {TIMEOUT_MS} ms of the intended start",
        pinning,
        "generator: cores that it used. MiB: most resident memory of one node",
    ]


def phases_of(peak: float, seconds: float) -> list[Phase]:
    """The loads of a round, one after the other."""
    return [
        *(Phase(name=f"{times:g}x", rate=times * peak, seconds=seconds) for times in TIMES),
        Phase(name=f"then {AFTER:g}x", rate=AFTER * peak, seconds=seconds),
    ]


def best(peak: float, rounds: Round) -> float:
    """The most goodput that was seen: a peak that the search missed counts against the highest load, too."""
    return max(peak, *(each.goodput for each in rounds.tally.phases[: len(TIMES) - 1]))


def _load(verb: str, ours: DynamoCluster, settings: Settings) -> Load:
    return Load(
        verb=verb,
        quorum=2,
        bucket=_BUCKET,
        endpoints=ours.endpoints,
        connections=min(CONNECTIONS, settings.keys),
        timeout_ms=TIMEOUT_MS,
        keys=settings.keys,
        value_bytes=settings.value_bytes,
        seed=settings.seed,
    )


def peak_of(load: Load, settings: Settings, loop: asyncio.Runner, core: int | None) -> float:
    """The most requests a second that are answered well in time."""
    pace = Pace(connections=settings.connections, seconds=_SEARCH_S, warm_up_s=settings.warm_up_s)
    with pinned(core):
        closed = loop.run(measure(operation(load), load.endpoints, pace, Meter([])))
    phases = [Phase(name=f"{share:g}", rate=share * closed.rate, seconds=_SEARCH_S) for share in _SEARCH]
    return max(each.goodput for each in generate(load, phases, [core]).phases)


def _round(load: Load, peak: float, settings: Settings, ours: DynamoCluster, core: int | None) -> Round:
    phases = phases_of(peak, settings.seconds)
    with MemoryWatch(ours.pids) as watch:
        tally = generate(load, phases, [core])
    # The generator takes a moment to start; what is over is over, so a stretch counted from the end is exact enough.
    begins_s = watch.samples[-1][0] - duration_s(phases) - load.timeout_ms / 1000
    largest = []
    for phase in phases:
        largest.append(watch.largest(begins_s, begins_s + phase.seconds))
        begins_s += phase.seconds
    return Round(tally=tally, memory=watch.samples, largest_bytes=largest)


def _report(section: Section, name: str, peak: float, rounds: list[Round]) -> None:
    middle = sorted(rounds, key=lambda each: each.tally.phases[len(TIMES) - 1].goodput)[len(rounds) // 2]
    after = len(TIMES)
    lines = [
        _line(f"{name} {each.phase.name}", each, size)
        for each, size in zip(middle.tally.phases, middle.largest_bytes, strict=True)
    ]
    section.tables.append(Table(headings=_HEADINGS, lines=lines))
    recovered = [each.tally.recovered_after_s(after, _RECOVERED) for each in rounds]
    shown = ", ".join("not within the phase" if each is None else f"{each:g} s" for each in recovered)
    section.notes.append(f"{name}: peak {peak:,.0f}/s; after the overload {_RECOVERED:.0%} are good again in: {shown}")
    highest = len(TIMES) - 1
    section.ratios += [
        Ratio(
            name=f"{name}: goodput at {TIMES[-1]:g}x / peak",
            values=[each.tally.phases[highest].goodput / best(peak, each) for each in rounds],
            goal=GOAL,
        ),
        Ratio(
            name=f"{name}: goodput at {TIMES[1]:g}x / peak",
            values=[each.tally.phases[1].goodput / best(peak, each) for each in rounds],
        ),
        Ratio(
            name=f"{name}: memory at {TIMES[-1]:g}x / at 1x",
            values=[each.largest_bytes[highest] / max(1, each.largest_bytes[0]) for each in rounds],
            goal=MEMORY_GOAL,
            at_most=True,
        ),
    ]
    section.details[name] = {"peak": peak, "rounds": msgspec.to_builtins(rounds, str_keys=True)}


def _line(name: str, tally: PhaseTally, memory_bytes: int) -> list[str]:
    seconds = tally.phase.seconds
    rates = [tally.phase.rate, *(getattr(tally, end) / seconds for end in ("good", "shed", "late", "unsent", "failed"))]
    return [
        name,
        *(f"{rate:,.0f}" for rate in rates),
        f"{tally.good_ms(50):.1f}",
        f"{tally.good_ms(99):.1f}",
        f"{tally.shed_ms(99):.1f}",
        f"{memory_bytes / 2**20:.0f}",
        f"{tally.client_s / seconds:.2f}",
    ]
