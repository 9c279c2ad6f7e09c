"""One run from its plan to its result: preload, begin together, faults on time, slices put together, the end.

What happens meanwhile is told to whoever wants to show it: a function that is called several times a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dynamo.checker.history import Remark
from dynamo.load.agreement import Onlooker
from dynamo.load.crew import Crew
from dynamo.load.faults import Fault, Victims
from dynamo.load.history_file import merge
from dynamo.load.node_pages import HintWatch, NodePages
from dynamo.load.plan import Plan, Share
from dynamo.load.says import Ended, Loaded, Loading, Ready, Told
from dynamo.load.target import owners
from dynamo.load.worker import GRACE_S, LOAD, RUN
from dynamo.report.counts import Counts
from dynamo.report.result import Moment, Predicted, Result, Slice, thinned
from dynamo.workload.cpu import process_s
from dynamo.workload.processes import ServerFailed

LEAD_S = 0.25
"""Between the word to begin and the begin, so that all workers have heard it."""
TICK_S = 0.2
READY_S = 60.0
_LATE_S = 20.0


class Progress(msgspec.Struct):
    """How far a run is, for whoever shows it."""

    phase: str = "connecting"
    """connecting, preload, run."""
    done: int = 0
    of: int = 0
    """Keys of the preload."""
    at_s: float = 0.0
    totals: Counts = msgspec.field(default_factory=Counts)
    last: Slice | None = None
    """The latest slice that is complete."""
    in_flight: int = 0
    moments: list[Moment] = []


Watcher = Callable[[Progress], None]
Counter = Callable[[Counts], None]
"""Told all that is counted, as it comes."""


@dataclass(frozen=True)
class Nodes:
    """What is known of the nodes besides their addresses."""

    names: Sequence[str]
    """As a report shows them."""
    victims: Victims | None = None
    pids: Sequence[int] = ()
    """Where their processor time can be read, if all of them are known."""
    pages: NodePages | None = None
    """What they say of themselves, where that can be asked."""


class Run:
    """One run; `go` may be called once."""

    def __init__(
        self,
        plan: Plan,
        workers: int,
        nodes: Nodes,
        faults: Sequence[Fault] = (),
        history: Path | None = None,
        *,
        watch: Watcher,
        count: Counter | None = None,
    ) -> None:
        """`faults` have been held against the nodes; `history`: where to write one."""
        self._plan = plan
        self._workers = workers
        self._nodes = nodes
        self._ahead = list(faults)
        self._history = history
        self._watch = watch
        self._count = count
        self._onlooker: Onlooker | None = None
        self._hints: HintWatch | None = None
        self._predicted: list[Predicted] = []
        self._shown = Progress(of=plan.records if plan.preload else 0)
        self._slices: dict[int, list[Told]] = {}
        self._ended: list[Ended] = []
        self._began = 0.0
        self._interrupted = False

    def go(self) -> Result:
        """Make the run. Raises ServerFailed if a worker fails or the preload is not complete."""
        plan = self._plan
        known = owners(plan) if plan.routing == "owner" else {}
        shares = [
            Share(plan=plan, part=part, parts=self._workers, history_file=self._part_file(part), owner_of=known)
            for part in range(self._workers)
        ]
        with Crew(shares) as crew:
            self._await(crew, Ready, "to connect")
            if plan.preload:
                self._load(crew)
            before_s = self._nodes_s()
            taken = datetime.now(UTC)
            self._began = time.monotonic() + LEAD_S
            crew.tell(f"{RUN} {self._began!r}")
            self._watched(crew)
            after_s = self._nodes_s()
        if self._history is not None:
            self._merge(self._history)
        used_s = None if before_s is None or after_s is None else after_s - before_s
        return self._result(taken, used_s)

    def _watched(self, crew: Crew) -> None:
        """The run itself, with those who look on from outside."""
        pages = self._nodes.pages
        self._onlooker = Onlooker(self._plan, self._began, None if pages is None else pages.repairs)
        if pages is not None:
            self._hints = HintWatch(pages, self._began)
            self._hints.start()
        try:
            self._listen(crew)
        finally:
            if self._nodes.victims is not None:
                self._nodes.victims.restore()
            self._onlooker.stop()
            if self._hints is not None:
                self._hints.stop()
        if pages is not None and self._plan.probing.rate:
            self._predicted = pages.predicted(self._plan.n)

    # Phases.

    def _await(self, crew: Crew, kind: type[Ready | Loaded], what: str) -> None:
        """Wait until every worker has said this."""
        waiting = len(crew)
        heard_s = time.monotonic()
        done: dict[int, int] = {}
        while waiting:
            heard = crew.hear(TICK_S)
            now = time.monotonic()
            if heard is None:
                if now - heard_s > READY_S:
                    raise ServerFailed(f"{waiting} workers did not come to an end {what}")
                continue
            heard_s = now
            part, said = heard
            if isinstance(said, Loading):
                done[part] = said.verified if self._plan.verifies else said.written
                self._shown.done = sum(done.values())
                self._watch(self._shown)
            elif isinstance(said, Loaded) and said.problem:
                raise ServerFailed(said.problem)
            elif isinstance(said, kind):
                waiting -= 1

    def _load(self, crew: Crew) -> None:
        self._shown.phase = "preload"
        crew.tell(LOAD)
        self._await(crew, Loaded, "to preload")

    def _listen(self, crew: Crew) -> None:
        self._shown.phase = "run"
        until = self._began + self._plan.duration_s + self._plan.timeout_s + GRACE_S + _LATE_S
        while len(self._ended) < len(crew):
            try:
                self._step(crew)
            except KeyboardInterrupt:
                if self._interrupted:
                    raise
                self._interrupted = True
                crew.stop()
            if time.monotonic() > until:
                raise ServerFailed("a load worker does not come to its end")

    def _step(self, crew: Crew) -> None:
        now_s = time.monotonic() - self._began
        while self._ahead and self._ahead[0].at_s <= now_s:
            self._strike(self._ahead.pop(0))
        wait_s = TICK_S if not self._ahead else min(TICK_S, max(0.0, self._ahead[0].at_s - now_s))
        heard = crew.hear(wait_s)
        if heard is not None:
            said = heard[1]
            if isinstance(said, Told):
                self._take(said, len(crew))
            elif isinstance(said, Ended):
                self._ended.append(said)
                if said.corrupt:
                    crew.stop()
        self._shown.at_s = max(0.0, time.monotonic() - self._began)
        self._watch(self._shown)

    def _strike(self, fault: Fault) -> None:
        assert self._nodes.victims is not None, "faults were held against the nodes before"
        try:
            self._nodes.victims.apply(fault)
        except ProcessLookupError as problem:
            raise ServerFailed(f"--{fault.kind} {fault.node}: {problem}") from problem
        at_s = time.monotonic() - self._began
        self._shown.moments = [*self._shown.moments, Moment(round(at_s, 3), fault.kind, fault.node)]
        if fault.kind in ("resume", "start") and self._onlooker is not None:
            self._onlooker.look()

    def _take(self, told: Told, workers: int) -> None:
        shown = self._shown
        shown.totals.add(told.counts)
        if self._count is not None:
            self._count(told.counts)
        together = self._slices.setdefault(told.place, [])
        together.append(told)
        if len(together) == workers:
            shown.last = self._slice(told.place)
            shown.in_flight = shown.last.in_flight

    # The result.

    def _slice(self, place: int) -> Slice:
        counts = Counts()
        for told in self._slices[place]:
            counts.add(told.counts)
        interval_s = self._plan.interval_s
        in_flight = sum(told.in_flight for told in self._slices[place])
        return Slice(place * interval_s, interval_s, counts, in_flight)

    def _result(self, taken: datetime, nodes_s: float | None) -> Result:
        plan, shown = self._plan, self._shown
        slices = [self._slice(place) for place in sorted(self._slices)]
        seconds = max((slices[-1].at_s + plan.interval_s if slices else 0.0) - plan.warm_up_s, 0.0)
        return Result(
            taken=taken.isoformat(timespec="seconds"),
            began_s=taken.timestamp() + LEAD_S,
            plan=msgspec.json.decode(msgspec.json.encode(plan)),
            n=plan.n,
            reads=[each.level for each in plan.reads],
            writes=[each.level for each in plan.writes],
            nodes=list(self._nodes.names),
            seconds=min(seconds, plan.duration_s - plan.warm_up_s),
            warm_up_s=plan.warm_up_s,
            workers=self._workers,
            totals=shown.totals,
            slices=thinned(slices),
            moments=shown.moments,
            agreements=[] if self._onlooker is None else self._onlooker.seen,
            hints=[] if self._hints is None else self._hints.seen,
            predicted=self._predicted,
            nodes_s=nodes_s,
            unsettled=sum(each.unsettled for each in self._ended),
            first_failure=next((each.first_failure for each in self._ended if each.first_failure), ""),
            corrupt=next((each.corrupt for each in self._ended if each.corrupt), ""),
            interrupted=self._interrupted,
        )

    def _nodes_s(self) -> float | None:
        try:
            # Of some of the nodes only it would say nothing about what an operation costs.
            known = len(self._nodes.pids) == len(self._plan.endpoints)
            return sum(process_s(pid) for pid in self._nodes.pids) if known else None
        except ProcessLookupError:
            # A node was killed, and its time is gone with it.
            return None

    def _part_file(self, part: int) -> str:
        return "" if self._history is None else f"{self._history}.part{part}"

    def _merge(self, history: Path) -> None:
        parts = [Path(self._part_file(part)) for part in range(self._workers)]
        remarks = [Remark(self._began + each.at_s, f"{each.kind} {each.node}") for each in self._shown.moments]
        merge(history, parts, self._plan, remarks)
