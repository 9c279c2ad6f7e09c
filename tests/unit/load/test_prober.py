from dynamo.load.exchange import Exchange
from dynamo.load.judge import Judge
from dynamo.load.lines import Line
from dynamo.load.plan import Probing
from dynamo.load.prober import SESSION, Prober
from dynamo.load.probes import Probes
from dynamo.report.counts import Counts
from tests.unit.load.stage import plan

DONE = b"HTTP/1.1 204 No Content"


class Wires:
    """Lines without a network: a free one for each node, and what was sent."""

    def __init__(self, nodes: int) -> None:
        self.free = [Line(node) for node in range(nodes)]
        self.sent: list[tuple[Line, bytes]] = []

    def idle(self, endpoint: int = -1, avoiding: int = -1) -> Line | None:
        others = [line for line in self.free if line.endpoint != avoiding] or self.free
        if others:
            self.free.remove(others[0])
        return others[0] if others else None

    def send(self, line: Line, request: bytes) -> None:
        self.sent.append((line, request))

    def release(self, line: Line, *, closes: bool = False) -> None:
        self.free.append(line)


class Desk:
    def __init__(self, nodes: int = 2) -> None:
        asked = plan(probing=Probing(rate=10, delays_ms=(50,), keys=4))
        self.wires = Wires(nodes)
        self.limited: list[float] = []
        judge = Judge(asked, 0)
        self.prober = Prober(
            Probes(asked, 0, 1),
            self.wires,
            Exchange(asked, 0, judge, None),
            judge,
            lambda _, due: self.limited.append(due),
        )

    def counted(self) -> list[list[int]]:
        counts = Counts()
        self.prober.probes.give(counts)
        return [each.verdicts for each in counts.probes.values()]


def test_a_write_and_after_its_delay_a_read_through_another_node():
    """Of the value that was written: fresh. Both run out of time like any request."""
    desk = Desk()
    desk.prober.begin(1.0)
    (line, request) = desk.wires.sent[0]
    assert request.startswith(b"PUT /v1/kv/load/load-probe-")
    assert line.asked.session == SESSION
    desk.prober.answered(line, 204, DONE, b"", 1.1)
    desk.prober.read_due(1.14)
    assert len(desk.wires.sent) == 1
    desk.prober.read_due(1.16)
    (reader, question) = desk.wires.sent[1]
    assert question.startswith(b"GET /v1/kv/load/load-probe-")
    assert reader.endpoint != line.endpoint
    desk.prober.answered(reader, 200, b"HTTP/1.1 200 OK", request.partition(b"\r\n\r\n")[2], 1.2)
    assert desk.counted() == [[1, 0, 0, 0]]
    assert desk.limited == [1.0, 1.16]


def test_nothing_found_is_stale():
    """The write was acknowledged before."""
    desk = Desk()
    desk.prober.begin(1.0)
    desk.prober.answered(desk.wires.sent[0][0], 204, DONE, b"", 1.1)
    desk.prober.read_due(1.2)
    desk.prober.answered(desk.wires.sent[1][0], 404, b"HTTP/1.1 404 Not Found", b"", 1.3)
    assert desk.counted() == [[0, 1, 0, 0]]


def test_what_fails_counts_nowhere():
    """A write that is refused, a read that is, one that is lost, one for which no connection is free."""
    desk = Desk()
    desk.prober.begin(1.0)
    desk.prober.answered(desk.wires.sent[0][0], 503, b"HTTP/1.1 503 No", b"", 1.1)
    desk.prober.begin(2.0)
    desk.prober.answered(desk.wires.sent[1][0], 204, DONE, b"", 2.1)
    desk.prober.read_due(2.2)
    desk.prober.answered(desk.wires.sent[2][0], 503, b"HTTP/1.1 503 No", b"", 2.3)
    desk.prober.begin(3.0)
    desk.prober.end(desk.wires.sent[3][0], None, 0)
    desk.wires.free = [Line(0)]
    desk.prober.begin(4.0)
    desk.prober.answered(desk.wires.sent[4][0], 204, DONE, b"", 4.1)
    desk.wires.free = []
    desk.prober.read_due(4.2)
    desk.prober.begin(5.0)
    assert len(desk.wires.sent) == 5
    assert desk.counted() == []


def test_the_warm_up_counts_nowhere():
    """Nor do its probes."""
    desk = Desk()
    desk.prober.counts_from = 9.0
    desk.prober.begin(1.0)
    desk.prober.answered(desk.wires.sent[0][0], 204, DONE, b"", 1.1)
    desk.prober.read_due(1.2)
    desk.prober.answered(desk.wires.sent[1][0], 404, b"HTTP/1.1 404 Not Found", b"", 1.3)
    assert desk.counted() == []
