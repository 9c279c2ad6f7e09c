import contextlib
import socket
import threading
import time
from typing import ClassVar

import pytest

from dynamo.load import worker as module
from dynamo.load.levels import weighted
from dynamo.load.lines import Line
from dynamo.load.memory_store import Store
from dynamo.load.plan import Probing, Share
from dynamo.load.says import Ended, Loaded, Told
from dynamo.load.stream import Asked, Stream
from dynamo.load.worker import Worker
from dynamo.report.counts import Counts
from dynamo.report.quantiles import percentile_ns
from dynamo.workload.histogram import bucket_of
from dynamo.workload.mixes import Mix
from dynamo.workload.stages import Stage
from tests.unit.load.stage import listening, plan


@pytest.fixture
def said(monkeypatch) -> list:
    """What a worker of this process says."""
    heard: list = []
    monkeypatch.setattr(module, "_say", heard.append)
    return heard


def made(said: list, store: Store, **more) -> tuple[Counts, Ended]:
    """A whole run of one worker in this process."""
    with listening(store) as port:
        return against([("127.0.0.1", port)], said, **more)


def against(endpoints, said: list, late_s: float = -0.02, **more) -> tuple[Counts, Ended]:
    worker = Worker(Share(plan=plan(endpoints=endpoints, **more), part=0, parts=1))
    worker.lines.open()
    if more.get("preload", True):
        worker.load()
    worker.run(time.monotonic() - late_s)
    counts = Counts()
    for each in said:
        if isinstance(each, Told):
            counts.add(each.counts)
    assert isinstance(said[-1], Ended)
    return counts, said[-1]


def test_everything_that_arrives_is_asked(said):
    """As many of each kind and level as the stream has; all end well; truth about every read."""
    counts, ended = made(said, Store())
    stream = list(Stream(plan(), 0, 1))
    assert counts.arrived == counts.done == len(stream)
    assert (ended.corrupt, ended.unsettled, counts.dropped) == ("", 0, 0)
    assert counts.requests["get one"].count == sum((op.kind, op.level) == ("get", 0) for op in stream)
    reads = counts.requests["get one"].count + counts.requests["get quorum"].count
    assert sum(counts.checks[f"{level} any"].judged for level in ("one", "quorum")) == reads
    assert all(not checks.stale for checks in counts.checks.values())


def test_stale_reads_are_found(said):
    """As many as the store has shown; the store knows how often it lied."""
    store = Store(stale_every=4)
    counts, _ = made(said, store, stages=(Stage(0.6, 1000, 1000),))
    found = sum(counts.checks[f"{level} any"].stale for level in ("one", "quorum"))
    # A lie about a write that is not acknowledged yet is none: the reader could not have known.
    assert store.stale - 8 <= found <= store.stale
    assert found > 10


def test_damage_ends_the_run(said):
    """At the first read of it."""
    _, ended = made(said, Store(damage_at=80), stages=(Stage(20.0, 300, 300),))
    assert "nobody wrote" in ended.corrupt


def test_probes_are_made(said):
    """All pairs and delays, none of them stale in a store of one copy."""
    probing = Probing(rate=200, delays_ms=(0, 5))
    counts, _ = made(said, Store(), probing=probing, mix=Mix(operations={"get": 1}))
    assert len(counts.probes) == 8
    assert sum(probed.verdicts[0] for probed in counts.probes.values()) > 25
    assert all(probed.verdicts[1] == 0 for probed in counts.probes.values())
    waited = [probed.waited_s / sum(probed.verdicts) for name, probed in counts.probes.items() if name.endswith(" 5")]
    assert all(each >= 0.005 for each in waited)


def test_probes_find_what_is_stale(said):
    """A store that shows every second reader the value before."""
    probing = Probing(rate=200, delays_ms=(0,))
    counts, _ = made(
        said, Store(stale_every=2), probing=probing, mix=Mix(operations={"put": 1}), stages=(Stage(0.5, 20, 20),)
    )
    verdicts = [probed.verdicts for probed in counts.probes.values()]
    assert sum(each[1] for each in verdicts) > 10


def test_the_warm_up_counts_nowhere(said):
    """Neither in requests nor in checks, delays and arrivals."""
    more = {"stages": (Stage(0.25, 400, 400), Stage(0.25, 400, 400)), "spacing": "constant"}
    counts, _ = made(said, Store(), warm_up_s=0.25, **more)
    assert counts.arrived == counts.done == sum(counts.send_delay.values()) == 100


def test_a_closed_loop_asks_as_fast_as_it_is_answered(said):
    """Response time is service time there, and nothing is dropped."""
    counts, _ = made(said, Store(), closed=True, stages=(Stage(0.5, 1, 1),), connections=2)
    assert counts.done > 200
    assert counts.dropped == 0
    for each in counts.requests.values():
        assert each.response == each.service


@contextlib.contextmanager
def silent():
    """A server that takes connections and answers nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    taken: list[socket.socket] = []

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                taken.append(listener.accept()[0])

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for each in taken:
            each.close()


def test_silence_is_a_timeout(said):
    """Recorded with the time-out's own length, from the intended start; writes of it are unsettled."""
    with silent() as port:
        counts, ended = against(
            [("127.0.0.1", port)], said, preload=False, timeout_s=0.3, stages=(Stage(0.5, 40, 40),), connections=40
        )
    assert counts.dropped == 0
    assert all(each.outcomes[2] == each.count for each in counts.requests.values())
    for each in counts.requests.values():
        assert percentile_ns(each.response, 0) == pytest.approx(0.3e9, rel=0.01)
    assert ended.unsettled == sum(each.count for name, each in counts.requests.items() if name.startswith("put"))
    assert ended.first_failure == "no answer in time"


def test_an_answer_that_comes_too_late_is_a_time_out(said):
    """Also if the clock was not looked at before it came; the write is known to be done all the same."""
    worker = Worker(Share(plan=plan(timeout_s=0.5), part=0, parts=1))
    line, asked = Line(0), Asked(0.0, "put", 3, 0, 0, 0, 60)
    now = time.monotonic()
    line.asked, line.due = asked, now - 2.0
    worker._exchange.first(line, asked, now - 1.9)
    worker._answered(line, 204, b"HTTP/1.1 204 No Content", b"")
    worker._tell()
    worker.lines.close()
    assert worker._judge.book.acknowledged[1] >= now
    assert said[-1].counts.requests["put one"].outcomes == [0, 0, 1, 0, 0, 0]
    assert percentile_ns(said[-1].counts.requests["put one"].response, 100) == pytest.approx(0.5e9, rel=0.01)


def test_what_could_not_be_sent_in_time_is_dropped_and_counted(said):
    """A generator that begins half a second late: what has run out of time by then is not sent, and not forgotten."""
    counts, _ = made(said, Store(), late_s=0.4, timeout_s=0.2, spacing="constant")
    assert counts.arrived == counts.done + counts.dropped == 200
    assert 60 <= counts.dropped <= 150


def test_few_connections_make_time_outs(said):
    """Two that carry nothing back: the others wait for them, and their waiting counts."""
    with silent() as port:
        counts, _ = against(
            [("127.0.0.1", port)], said, preload=False, timeout_s=0.2, stages=(Stage(0.5, 100, 100),), connections=2
        )
    assert counts.arrived == counts.done + counts.dropped
    assert max(counts.send_delay) > bucket_of(50_000_000)


def test_nobody_to_be_reached_is_no_fault_of_the_generator(said):
    """The only node is gone: operations fail, none is dropped."""

    class Ending(Store):
        def get(self, path):
            for each in list(self.open):
                each.abort()
            server.close()
            return super().get(path)

    store = Ending()
    with listening(store) as port:
        server = store.server
        counts, ended = against(
            [("127.0.0.1", port)], said, preload=False, timeout_s=0.2, stages=(Stage(0.6, 100, 100),)
        )
    assert counts.dropped == 0
    assert counts.arrived == counts.done
    assert sum(each.outcomes[5] for each in counts.requests.values()) > 20
    assert "closed the connection" in ended.first_failure or "broke" in ended.first_failure


def test_what_was_not_done_may_be_tried_again(said):
    """At another node, counted; the operation ends once."""

    class Full(Store):
        """Refuses the first read of ten keys."""

        refused: ClassVar[set[bytes]] = set()

        def get(self, path):
            if self.reads > 60 and len(self.refused) < 10 and path not in self.refused:
                self.refused.add(path)
                return b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
            return super().get(path)

    store = Full()
    counts, _ = made(said, store, retries=1, reads=weighted("one"))
    assert counts.retried == len(store.refused) == 10
    assert counts.requests["get one"].outcomes[3] == 0
    assert counts.done == counts.arrived


def test_a_worker_tells_as_it_goes(said):
    """An interval at a time, in order, and what it loaded."""
    made(said, Store(), interval_s=0.125)
    assert [each.place for each in said if isinstance(each, Told)] == [0, 1, 2, 3]
    assert Loaded() in said
