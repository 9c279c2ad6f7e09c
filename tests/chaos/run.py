"""One run: the cluster comes up, clients work while faults come and go, all faults end, clients stop, all converges.

Phases in seconds of the history: faults from WARM_S on; they end RECOVERY_S before the load does, so that the healed
cluster is seen under load as well; then nobody asks for anything, and within CONVERGE_S every replica must be equal.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec

from dynamo.checker.history import Violation
from dynamo.config import Config
from dynamo.ring.preference_list import PreferenceLists
from dynamo.server import ring_of
from tests.chaos import judge, stores
from tests.chaos.crowd import Crowd
from tests.chaos.faults import Band, Faults
from tests.chaos.hosts import Hosts
from tests.chaos.journal import Journal
from tests.chaos.modes import Mode
from tests.chaos.nodes import SETTINGS, ChaosNode, wait_ready
from tests.chaos.schedule import Planned, draw
from tests.chaos.watch import Sample, Watch, recovery_s

NODES = ("node1", "node2", "node3", "node4", "node5")
WARM_S = 6.0
RECOVERY_S = 10.0
CONVERGE_S = 90.0
"""What is promised: three rounds of anti-entropy, and time for suspicions to end."""
QUIET_SAMPLES = 5
"""Equal in so many samples one after the other is equal."""
AROUND_S = 60.0
"""What a run takes besides its load: start, convergence, judging."""


@dataclass(slots=True)
class Outcome:
    """All that is known of a run that came to its end."""

    mode: Mode
    seed: int
    where: str
    kinds: Sequence[str]
    bands: list[Band]
    samples: list[Sample]
    journal: Journal
    healed_s: float
    ended_s: float
    verdict: judge.Verdict
    recovery: dict[str, float | None] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.verdict.passed


class Run:
    """Made for one run in a folder of its own."""

    def __init__(self, mode: Mode, hosts: Hosts, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        self._mode = mode
        self._hosts = hosts
        self._folder = folder
        self._seed = seed
        self._say = say
        self._nodes = [ChaosNode(name, hosts, folder / "nodes") for name in NODES]
        self._config = self._configured()
        self._lists = PreferenceLists(ring_of(self._config))
        self._journal = Journal(folder / "history.jsonl")
        self._mishaps: list[str] = []

    def _configured(self) -> Config:
        self._hosts.raise_up({node.id: node.disk for node in self._nodes})
        configured = [node.configure(self._nodes, SETTINGS) for node in self._nodes]
        return configured[0]

    async def run(self, kinds: Sequence[str], load_s: float) -> Outcome:
        """The whole run; every process is gone when this returns or raises."""
        try:
            return await self._phases(kinds, load_s)
        finally:
            for node in self._nodes:
                node.kill()
            self._journal.close()

    async def _phases(self, kinds: Sequence[str], load_s: float) -> Outcome:
        await self._start()
        endpoints = {node.id: node.endpoint for node in self._nodes}
        crowd = self._mode.crowd(self._journal, endpoints, self._seed)
        try:
            return await self._worked(crowd, kinds, load_s)
        finally:
            await crowd.connections.close()

    async def _worked(self, crowd: Crowd, kinds: Sequence[str], load_s: float) -> Outcome:
        faults = Faults(self._hosts, self._nodes, self._journal, crowd.now)
        watch = Watch(self._nodes, self._lists, crowd.now, crowd.written_at, self._mode.replicas, self._mode.events)
        await crowd.make_buckets()
        plan = draw(self._seed, NODES, kinds, WARM_S, load_s - RECOVERY_S)
        async with _in_background(watch.run()):
            await self._load(crowd, faults, plan, load_s)
            healed_s = max((band.ended_s for band in faults.bands), default=0.0)
            ended_s = crowd.now()
            await crowd.conclude()
            converged = await self._converge(watch, crowd.now)
        recovery = recovery_s(watch.samples, healed_s)
        await asyncio.to_thread(self._stop)
        self._say("judging")
        verdict = await asyncio.to_thread(self._judge, converged)
        return Outcome(
            self._mode,
            self._seed,
            self._hosts.kind,
            kinds,
            faults.bands,
            watch.samples,
            self._journal,
            healed_s,
            ended_s,
            verdict,
            recovery,
            watch.events(),
        )

    async def _start(self) -> None:
        self._say(f"five nodes, {self._hosts.kind}")
        for node in self._nodes:
            node.start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1.0)) as session:
            await wait_ready(session, self._nodes)

    async def _load(self, crowd: Crowd, faults: Faults, plan: list[Planned], load_s: float) -> None:
        """Clients and faults side by side; progress is told as faults begin."""
        async with asyncio.TaskGroup() as group:
            group.create_task(crowd.run())
            group.create_task(faults.run(plan))
            for fault in plan:
                await asyncio.sleep(fault.at_s - crowd.now())
                self._say(f"{crowd.now():5.0f} s  {fault}, for {fault.lasts_s:g} s")
            await asyncio.sleep(load_s - crowd.now())
            crowd.over = True

    async def _converge(self, watch: Watch, now: Callable[[], float]) -> bool:
        """Whether no hint was left and all replicas were equal in time."""
        self._say(f"{now():5.0f} s  all faults have ended, and the load; waiting for convergence")
        deadline = time.monotonic() + CONVERGE_S
        while time.monotonic() < deadline:
            latest = watch.samples[-QUIET_SAMPLES:]
            if all(s.hints == 0 and s.differing == 0 for s in latest) and self._all_settled(watch):
                self._say(f"{now():5.0f} s  converged")
                return True
            await asyncio.sleep(1.0)
        return False

    @staticmethod
    def _all_settled(watch: Watch) -> bool:
        """Whether the last writes are old enough for their keys to be looked at, in all the latest samples."""
        return time.monotonic() - max(watch.written_at.values(), default=0.0) > QUIET_SAMPLES + 5.0

    def _stop(self) -> None:
        for node in self._nodes:
            if node.notice_exit():
                continue
            code = node.stop()
            if code != 0:
                self._mishaps.append(f"{node.id} stopped with {code}")

    def _judge(self, converged: bool) -> judge.Verdict:
        contents = {node.id: stores.content(node.data) for node in self._nodes}
        evidence = judge.Evidence(
            self._journal.history,
            stores.holdings(contents),
            stores.all_homes(contents, self._lists, self._mode.replicas),
            list(stores.hinted(contents)),
            self._mode.strict,
            _counted([*self._mishaps, *(text for node in self._nodes for text in (*node.exits, *node.bugs()))]),
        )
        verdict = self._mode.judge(evidence)
        if not converged and "converged" in self._mode.promises:
            text = f"not all replicas were equal {CONVERGE_S:g} s after the load had ended"
            verdict.violations.append(Violation("converged", ("", ""), text))
        if not verdict.passed:
            self._keep_stores()
        return verdict

    def _keep_stores(self) -> None:
        """The file systems in memory go with the run; what broke a promise is kept."""
        for node in self._nodes:
            if node.data.exists():
                shutil.copytree(node.data, self._folder / "stores" / node.id, dirs_exist_ok=True)


def _counted(texts: list[str]) -> list[str]:
    """Each text once, and how often it came."""
    return [text if times == 1 else f"{text} ({times} times)" for text, times in Counter(texts).items()]


@contextlib.asynccontextmanager
async def _in_background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def summary(outcome: Outcome) -> dict[str, object]:
    """The run for machines."""
    return {
        "passed": outcome.passed,
        "mode": outcome.mode.name,
        "seed": outcome.seed,
        "where": outcome.where,
        "kinds": list(outcome.kinds),
        "faults": [{**_planned(b.fault), "began_s": b.began_s, "ended_s": b.ended_s} for b in outcome.bands],
        "checked": outcome.verdict.checked,
        "recovery_s": outcome.recovery,
        "events": outcome.events,
        "repaired": outcome.samples[-1].repaired if outcome.samples else {},
        "samples": outcome.samples,
        "promises": {
            rule: {"claim": claim, "violations": [str(each) for each in outcome.verdict.of(rule)]}
            for rule, claim in outcome.mode.promises.items()
        },
    }


def _planned(fault: Planned) -> dict[str, object]:
    return {"kind": fault.kind, "nodes": list(fault.nodes), "amount": fault.amount}


def summary_text(outcome: Outcome) -> str:
    return msgspec.json.format(msgspec.json.encode(summary(outcome)), indent=2).decode() + "\n"
