import json
import logging

import pytest
from aiohttp.http_exceptions import BadStatusLine

from dynamo.config import LogSection
from dynamo.telemetry import logs
from dynamo.telemetry.logs import JsonFormatter, Log, MalformedRequests, Repeated, TextFormatter

HOSTILE = 'x\n{"level":"error"}\r\x1b[2J\x00\u202e%s'


@pytest.fixture
def clean_logging():
    """Gives the process its loggers back as they were."""
    root, ours, server = logging.getLogger(), logging.getLogger("dynamo"), logging.getLogger("aiohttp.server")
    before = (root.handlers[:], root.level, ours.level, server.filters[:])
    yield
    root.handlers[:], server.filters[:] = before[0], before[3]
    root.setLevel(before[1])
    ours.setLevel(before[2])


@pytest.mark.usefixtures("clean_logging")
def test_json_lines_carry_the_named_facts(capsys):
    """Time, level, event, node, part and the caller's facts, one parsable object a line, on standard error only."""
    logs.configure(LogSection(level="info"), "node7")
    log = Log("transport")
    log.debug("not shown")
    log.info("peer connected", peer="node2", attempt=3, request_id="abc")
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    facts = json.loads(line)
    assert facts.pop("ts").endswith("Z")
    assert facts == {
        "level": "info",
        "event": "peer connected",
        "node": "node7",
        "part": "transport",
        "peer": "node2",
        "attempt": 3,
        "request_id": "abc",
    }


@pytest.mark.usefixtures("clean_logging")
def test_the_standard_way_of_logging_gives_the_same(capsys):
    """Facts in `extra` are facts, a percent sign is formatted as ever, and an event's name stands beside its text."""
    logs.configure(LogSection(), "node1")
    logging.getLogger("dynamo.node").warning("%d%% full", 90, extra={"event": "store.filling", "keys": 7})
    facts = json.loads(capsys.readouterr().err)
    assert (facts["event"], facts["message"], facts["keys"]) == ("store.filling", "90% full", 7)


@pytest.mark.usefixtures("clean_logging")
@pytest.mark.parametrize("form", ["json", "text"])
def test_no_text_can_forge_a_line(capsys, form: str):
    """Line breaks, escapes, NUL and direction marks are escaped; a caller's fact cannot replace a fixed one."""
    logs.configure(LogSection(format=form), "node1")
    Log("api").warning(HOSTILE, detail=HOSTILE, node="forged", surrogate="\udcff")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    assert "forged" not in line


@pytest.mark.usefixtures("clean_logging")
@pytest.mark.parametrize("form", ["json", "text"])
def test_a_bug_is_logged_with_its_traceback(capsys, form: str):
    """What happened, its type, and where."""
    logs.configure(LogSection(format=form), "node1")
    try:
        raise KeyError("lost")
    except KeyError as error:
        Log("api").bug("request failed", error, request_id="r1")
    shown = capsys.readouterr().err
    assert "request failed" in shown
    assert "KeyError" in shown
    assert "test_logs.py" in shown
    assert "r1" in shown


def test_the_formatters_show_the_same_facts():
    """Text is JSON for people: nothing is lost but the quotes."""
    record = logging.makeLogRecord({"name": "dynamo.node", "msg": "started", "dynamo_fields": {"epoch": 4}})
    text = TextFormatter("node1").format(record)
    assert json.loads(JsonFormatter("node1").format(record))["epoch"] == 4
    assert text.endswith("started node=node1 part=node epoch=4")


def test_a_flood_becomes_a_line_per_interval():
    """The first event is told at once, the following are counted and told together."""
    now = [0.0]
    repeated = Repeated(quiet_s=10, clock=lambda: now[0])
    assert [repeated.due() for _ in range(5)] == [1, 0, 0, 0, 0]
    now[0] = 9.9
    assert repeated.due() == 0
    now[0] = 10.0
    assert repeated.due() == 6
    assert repeated.due() == 0


def test_malformed_requests_are_one_line_without_traceback():
    """A client's rubbish is told once, without its bytes; a bug of ours passes with its traceback."""
    now = [0.0]
    check = MalformedRequests(Repeated(quiet_s=10, clock=lambda: now[0]))

    def record(error: Exception) -> logging.LogRecord:
        fields = {"name": "aiohttp.server", "levelname": "ERROR", "msg": "Error handling request from %s"}
        return logging.makeLogRecord({**fields, "args": ("10.0.0.1",), "exc_info": (type(error), error, None)})

    assert [check.filter(record(BadStatusLine("GET secret"))) for _ in range(3)] == [True, False, False]
    assert not check.filter(record(ConnectionResetError()))
    now[0] = 11.0
    told = record(BadStatusLine("GET secret"))
    assert check.filter(told)
    line = json.loads(JsonFormatter("node1").format(told))
    assert (line["event"], line["count"], line["level"]) == ("malformed requests", 4, "warning")
    assert "secret" not in str(line)
    assert "traceback" not in line
    bug = record(ZeroDivisionError("ours"))
    assert check.filter(bug)
    assert "ZeroDivisionError" in JsonFormatter("node1").format(bug)
