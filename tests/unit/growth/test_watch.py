import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from dynamo.growth import watch
from dynamo.growth.footprint import Footprint
from dynamo.growth.watch import Look, Watch
from dynamo.workload.processes import ServerFailed

CLUSTER = SimpleNamespace(members={"node1": [1, 2, 3], "node2": [4, 5, 6]})


def watched(enough: int, period_s: float = 0.005) -> Watch:
    """A watch that has looked so often, or has given up."""
    done = threading.Event()
    looks: list[Look] = []

    def seen(look: Look) -> None:
        looks.append(look)
        if len(looks) == enough:
            done.set()

    with Watch(CLUSTER, Path(), period_s, seen) as made:  # type: ignore[arg-type]
        assert done.wait(10) or made.problem
    assert looks == made.looks
    return made


def test_it_looks_at_its_begin_and_then_again_and_again(monkeypatch: pytest.MonkeyPatch):
    """At every node, by name."""
    monkeypatch.setattr(watch, "footprints", lambda *_: [Footprint(hints=1), Footprint(hints=2)])
    made = watched(4)
    assert len(made.looks) >= 4
    assert made.looks[0].at_s < 1
    times = [look.at_s for look in made.looks]
    assert times == sorted(times)
    assert times[3] >= 0.015
    assert {name: each.hints for name, each in made.looks[2].nodes.items()} == {"node1": 1, "node2": 2}
    assert made.problem == ""


def test_a_node_that_is_gone_ends_the_looks(monkeypatch: pytest.MonkeyPatch):
    """What was seen stays; the run is told why there is no more."""
    answers = iter([[Footprint(), Footprint()]])

    def footprints(*_):
        for each in answers:
            return each
        raise ServerFailed("GET /metrics: refused")

    monkeypatch.setattr(watch, "footprints", footprints)
    with Watch(CLUSTER, Path(), 0.001, lambda _: None) as made:  # type: ignore[arg-type]
        made._thread.join(10)
    assert len(made.looks) == 1
    assert "a node does not answer: GET /metrics: refused" in made.problem
