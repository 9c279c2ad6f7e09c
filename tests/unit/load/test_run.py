import pytest

from dynamo.checker.linearizability import check_key
from dynamo.checker.reading import read
from dynamo.load.faults import Fault
from dynamo.load.memory_store import Store
from dynamo.load.plan import Probing
from dynamo.load.run import Nodes, Progress, Run
from dynamo.load.stream import Stream
from dynamo.report.counts import Counts
from dynamo.report.result import Predicted
from dynamo.workload.processes import ServerFailed
from dynamo.workload.stages import Stage
from tests.unit.load.stage import listening, plan


class Victims:
    """Nodes that only remember what was done to them."""

    def __init__(self, gone: bool = False) -> None:
        self.done: list[str] = []
        self._gone = gone

    def apply(self, each: Fault) -> None:
        if self._gone:
            raise ProcessLookupError("there is no such process")
        self.done.append(f"{each.kind} {each.node}")

    def restore(self) -> None:
        self.done.append("restored")


def test_a_run_of_two_workers(tmp_path):
    """Preload, faults on time, slices that add up to the totals, a history that the checker accepts."""
    seen: list[tuple[str, int]] = []
    told = Counts()
    victims = Victims()
    faults = [Fault(0.1, "pause", "node1"), Fault(0.3, "resume", "node1")]

    def watch(progress: Progress) -> None:
        seen.append((progress.phase, len(progress.moments)))

    with listening(Store()) as port:
        asked = plan(endpoints=[("127.0.0.1", port)], interval_s=0.25, records_history=True)
        nodes = Nodes(["node1"], victims)
        run = Run(asked, 2, nodes, faults, tmp_path / "h.jsonl", watch=watch, count=told.add)
        result = run.go()
    assert victims.done == ["pause node1", "resume node1", "restored"]
    assert [(each.kind, each.node) for each in result.moments] == [("pause", "node1"), ("resume", "node1")]
    assert all(0 <= each.at_s - fault.at_s < 0.3 for each, fault in zip(result.moments, faults, strict=True))
    assert ("run", 2) in seen
    together = Counts()
    for each in result.slices:
        together.add(each.counts)
    assert together == result.totals == told
    assert result.totals.done == len(list(Stream(asked, 0, 1)))
    assert (result.valid, result.workers, result.nodes, result.seconds) == (True, 2, ["node1"], 0.5)
    recording = read((tmp_path / "h.jsonl").read_text(), "register", None)
    assert {check_key(key, ops, "register").result for key, ops in recording.keys.items()} == {"legal"}
    assert [aside.text for aside in recording.asides][1:] == ["pause node1", "resume node1"]
    assert [path.name for path in tmp_path.iterdir()] == ["h.jsonl"]


def test_damage_stops_the_run():
    """Long before its time, and nobody believes it."""
    with listening(Store(damage_at=120)) as port:
        asked = plan(endpoints=[("127.0.0.1", port)], stages=(Stage(60, 200, 200),))
        result = Run(asked, 2, Nodes([]), watch=lambda _: None).go()
    assert "nobody wrote" in result.corrupt
    assert not result.valid
    assert result.slices[-1].at_s < 30


def test_an_interrupt_ends_it_early_with_what_it_has():
    """The result says so."""
    calls = []

    def watch(progress: Progress) -> None:
        if progress.phase == "run" and progress.at_s > 0.3 and not calls:
            calls.append(progress)
            raise KeyboardInterrupt

    with listening(Store()) as port:
        asked = plan(endpoints=[("127.0.0.1", port)], stages=(Stage(60, 200, 200),))
        result = Run(asked, 1, Nodes([]), watch=watch).go()
    assert result.interrupted
    assert 0 < result.totals.done < 2000


class Pages:
    """Nodes that say what they predict, and that nothing waits or is repaired."""

    def predicted(self, n: int) -> list[Predicted]:
        return [Predicted(1, 1, [(0.0, 0.5)], n)]

    def pending_hints(self) -> float:
        return 0.0

    def repairs(self) -> dict[str, float]:
        return {}


@pytest.mark.parametrize(("rate", "asked_for"), [(20.0, True), (0.0, False)])
def test_predictions_go_with_probes(rate, asked_for):
    """They are for reads such as these, at the plan's N; without probes there is nothing to hold them against."""
    with listening(Store()) as port:
        asked = plan(endpoints=[("127.0.0.1", port)], probing=Probing(rate=rate, delays_ms=(0.0,)))
        result = Run(asked, 1, Nodes([], pages=Pages()), watch=lambda _: None).go()
    assert result.predicted == ([Predicted(1, 1, [(0.0, 0.5)], 3)] if asked_for else [])


def test_what_cannot_go_on_is_a_failure():
    """A preload that is refused, a fault whose process is gone."""

    class Refusing(Store):
        def put(self, path, value):
            return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno"

    with listening(Refusing()) as port:
        run = Run(plan(endpoints=[("127.0.0.1", port)]), 1, Nodes([]), watch=lambda _: None)
        with pytest.raises(ServerFailed, match="status 400: no"):
            run.go()
    with listening(Store()) as port:
        asked = plan(endpoints=[("127.0.0.1", port)])
        run = Run(asked, 1, Nodes([], Victims(gone=True)), [Fault(0, "kill", "node1")], watch=lambda _: None)
        with pytest.raises(ServerFailed, match="--kill node1: there is no such process"):
            run.go()
