import base64
import json
from pathlib import Path

import pytest

from dynamo.checker.history import from_lines
from dynamo.load.answers import Corrupt
from dynamo.load.exchange import MORE, Exchange
from dynamo.load.history_file import HistoryFile, merge
from dynamo.load.judge import Judge
from dynamo.load.levels import weighted
from dynamo.load.lines import Line
from dynamo.load.plan import Plan
from dynamo.load.stream import Asked
from dynamo.load.values import Values
from dynamo.report.counts import OK, REFUSED, TIMEOUT, UNAVAILABLE
from tests.unit.load.stage import plan

DONE = b"HTTP/1.1 204 No Content\r\nDynamo-Context: abc\r\nDynamo-Version: 4"


def asked(kind: str, key: int = 5, size: int = 60, session: int = 1) -> Asked:
    return Asked(0.0, kind, key, 0, 1, session, size)


class Desk:
    """An exchange without a network: what is sent, what comes back, and the history of it."""

    def __init__(self, folder: Path, **more) -> None:
        self.plan: Plan = plan(**more)
        self._file = folder / "part"
        self.history = HistoryFile(self._file.open("wb"), self.plan, 0, 1, ["a:1"])
        self.judge = Judge(self.plan, 0)
        self.exchange = Exchange(self.plan, 0, self.judge, self.history)
        self.line = Line(0)

    def send(self, op: Asked, now: float) -> bytes:
        self.line.asked = op
        return self.exchange.first(self.line, op, now)

    def answer(self, status: int, now: float, head: bytes = DONE, body: bytes = b"") -> int:
        return self.exchange.answer(self.line, status, head, body, now, counts=True)

    def do(self, kind: str, status: int, now: float, **more) -> int:
        self.send(asked(kind), now)
        return self.answer(status, now + 0.1, **more)

    def recorded(self):
        self.history.close()
        merge(self._file.with_name("whole"), [self._file], self.plan, [])
        return list(from_lines(self._file.with_name("whole").read_text()).operations.values())


@pytest.fixture
def desks(tmp_path):
    """Makes desks; their histories are closed at the end."""
    made: list[Desk] = []

    def make(**more) -> Desk:
        made.append(Desk(tmp_path, **more))
        return made[-1]

    yield make
    for each in made:
        each.history.close()


def value_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def test_what_was_written_is_read(desks):
    """Acknowledged, shown, judged fresh, and all of it in the history."""
    desk = desks()
    value = value_of(desk.send(asked("put"), 1.0))
    assert len(value) == 60
    assert desk.answer(204, 1.1) == OK
    assert desk.do("get", 200, 2.0, body=value) == OK
    assert desk.judge.checks[0][0].verdicts == [1, 0, 0, 0]
    put, get = desk.recorded()
    assert (put.call.value, put.outcome, put.call.quorum) == ("0.1", "ok", 1)
    assert get.last.values == ("0.1",)


def test_what_is_missed_is_stale(desks):
    """A 404 after an acknowledged write."""
    desk = desks()
    desk.do("put", 204, 1.0)
    assert desk.do("get", 404, 2.0) == OK
    assert desk.judge.checks[0][0].verdicts == [0, 1, 0, 0]


def test_an_unknown_outcome_stays_unknown(desks):
    """A 504, or no answer: counted, never owed, without an end in the history. A 503 was not done."""
    desk = desks()
    assert desk.do("put", 504, 1.0) == TIMEOUT
    desk.send(asked("put"), 2.0)
    assert desk.exchange.failed(desk.line, 3.0, by_timeout=True) == TIMEOUT
    assert desk.do("put", 503, 4.0) == UNAVAILABLE
    assert desk.judge.book.unsettled == 2
    desk.do("get", 404, 5.0)
    assert desk.judge.checks[0][-1].verdicts == [1, 0, 0, 0]
    assert [each.outcome for each in desk.recorded()] == ["unknown", "unknown", "fail", "ok"]


def test_a_read_modify_write_is_two_requests(desks):
    """The second one begins with the answer to the first."""
    desk = desks()
    assert desk.send(asked("rmw"), 1.0).startswith(b"GET ")
    assert desk.answer(404, 1.1) == MORE
    second = desk.exchange.second(desk.line, 1.2)
    assert second.startswith(b"PUT ")
    assert b"consistency=quorum" in second
    assert desk.answer(204, 1.3) == OK
    desk.send(asked("rmw"), 2.0)
    assert desk.answer(503, 2.1) == UNAVAILABLE


def test_contexts_go_with_the_next_write(desks):
    """In a bucket of siblings, where it would stay beside the last one without."""
    desk = desks(mode="siblings")
    assert b"Dynamo-Context" not in desk.send(asked("put"), 1.0)
    desk.answer(204, 1.1)
    assert b"\r\nDynamo-Context: abc\r\n" in desk.send(asked("put"), 2.0)


def test_values_side_by_side(desks):
    """A read that shows both has missed neither."""
    desk = desks(mode="siblings")
    both = []
    for at in (1.0, 2.0):
        both.append(value_of(desk.send(asked("put"), at)))
        desk.answer(204, at + 0.1)
    shown = {"siblings": [{"value_b64": base64.b64encode(each).decode()} for each in both]}
    assert desk.do("get", 300, 3.0, body=json.dumps(shown).encode()) == OK
    assert desk.judge.checks[0][0].verdicts == [1, 0, 0, 0]
    assert desk.recorded()[-1].last.values == ("0.1", "0.2")


def test_a_compare_and_set_goes_on_from_what_it_was_told(desks):
    """It names the version of the last answer; a refusal is no failure, tells the version, and changed nothing."""
    desk = desks(mode="linearizable", reads=weighted("linearizable"), writes=weighted("linearizable"))
    assert b'{"if":{"version":0}' in desk.send(asked("cas"), 1.0)
    there = Values(7).make(5, 0, 0, 40)
    said = json.dumps({"value_b64": base64.b64encode(there).decode()}).encode()
    assert desk.answer(412, 1.1, body=said) == REFUSED
    assert b'{"if":{"version":4}' in desk.send(asked("cas"), 2.0)
    assert desk.answer(200, 2.1, head=DONE.replace(b": 4", b": 5")) == OK
    refused, applied = desk.recorded()
    assert (refused.last.applied, refused.last.values, refused.last.number) == (False, ("preload.5",), 4)
    assert (applied.last.applied, applied.last.number, applied.call.condition.number) == (True, 5, 4)


def test_additions_are_to_counters(desks):
    """On keys of their own; the sum is in the history."""
    desk = desks(mode="linearizable", reads=weighted("linearizable"), writes=weighted("linearizable"))
    assert b"/load-sum-" in desk.send(asked("add"), 1.0)
    assert desk.answer(200, 1.1, body=b'{"value":"41"}') == OK
    (added,) = desk.recorded()
    assert (added.call.kind, added.call.amount, added.last.values) == ("add", 1, ("41",))


def test_a_refused_write_is_never_shown(desks):
    """Who was told that nothing was written, and reads it, has been lied to; after a 504 it may be there."""
    desk = desks()
    refused = value_of(desk.send(asked("put"), 1.0))
    desk.answer(503, 1.1)
    maybe = value_of(desk.send(asked("put"), 2.0))
    desk.answer(504, 2.1)
    assert desk.do("get", 200, 3.0, body=maybe) == OK
    desk.send(asked("get"), 4.0)
    with pytest.raises(Corrupt, match="was refused"):
        desk.answer(200, 4.1, body=refused)


def test_a_damaged_value_ends_the_run(desks):
    """Whoever shows it: no figure of such a store is worth anything."""
    desk = desks()
    value = value_of(desk.send(asked("put"), 1.0))
    desk.answer(204, 1.1)
    desk.send(asked("get"), 2.0)
    with pytest.raises(Corrupt):
        desk.answer(200, 2.1, body=value[:-1] + b"?")
