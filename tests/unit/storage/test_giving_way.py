"""Who works for a busy loop does not take the processor from it."""

import os
import sys
import threading
from collections.abc import Callable

import pytest

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import giving_way
from dynamo.storage.giving_way import Manners
from dynamo.storage.group import BUSY_CHANGES, Changes, Group
from dynamo.storage.writer import Writer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are no such classes of threads elsewhere")


class Watching:
    """A sink that notes the class of the thread that writes."""

    lazy = False

    def __init__(self) -> None:
        self.classes: list[int] = []

    def commit(self, changes: Changes) -> None:
        self.classes.append(os.sched_getscheduler(0))


def group(count: int) -> Group:
    made = Group(1 << 30)
    made.add([(Keyspace.RECORDS, b"%d" % number, b"v") for number in range(count)], True, lambda _: None)
    made.closed = True
    return made


def in_a_thread(work: Callable[[], None]) -> int:
    """The class of a thread that has done this."""
    found: list[int] = []

    def run() -> None:
        work()
        found.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_the_writer_gives_way_while_groups_are_large():
    """The loop's own thread never does."""
    sink = Watching()
    writer = Writer(sink, lambda *_: None)  # type: ignore[arg-type]  # only what it needs here
    for count in (1, BUSY_CHANGES, BUSY_CHANGES, 1):
        writer.commit(group(count))
    writer.stop()
    assert sink.classes == [os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_BATCH, os.SCHED_OTHER]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_class_that_an_operator_chose_stays():
    """As by `chrt`."""

    def chosen() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        Manners().give_way(True)

    assert in_a_thread(chosen) == os.SCHED_IDLE


def test_where_it_is_forbidden_all_stays_as_it_is(monkeypatch, caplog):
    """In a sandbox, say. It is tried once."""
    asked = []

    def forbidden(*_: object) -> None:
        asked.append(1)
        raise PermissionError(1, "no")

    def tried() -> None:
        manners = Manners()
        for _ in range(3):
            manners.give_way(True)

    monkeypatch.setattr(giving_way.os, "sched_setscheduler", forbidden)
    with caplog.at_level("DEBUG"):
        assert in_a_thread(tried) == os.SCHED_OTHER
    assert asked == [1]
    assert "competes with the loop" in caplog.text
