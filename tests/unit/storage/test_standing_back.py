"""Who works for the loop does not take the processor from it."""

import os
import sys
import threading
from collections.abc import Callable

import pytest

from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import standing_back
from dynamo.storage.group import Changes, Group
from dynamo.storage.standing_back import stand_back
from dynamo.storage.writer import Writer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are no such classes of threads elsewhere")


class Watching:
    """A sink that notes the class of the thread that writes."""

    lazy = False

    def __init__(self) -> None:
        self.classes: list[int] = []

    def commit(self, changes: Changes) -> None:
        self.classes.append(os.sched_getscheduler(0))


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


def test_the_writer_stands_back_and_the_loop_does_not():
    sink = Watching()
    writer = Writer(sink, lambda *_: None)  # type: ignore[arg-type]  # only what it needs here
    group = Group(1 << 20)
    group.add([(Keyspace.RECORDS, b"k", b"v")], True, lambda _: None)
    group.closed = True
    writer.commit(group)
    writer.stop()
    assert sink.classes == [os.SCHED_BATCH]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_class_that_an_operator_chose_stays():
    """As by `chrt`."""

    def chosen() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        stand_back()

    assert in_a_thread(chosen) == os.SCHED_IDLE


def test_where_it_is_forbidden_all_stays_as_it_is(monkeypatch, caplog):
    """In a sandbox, say."""

    def forbidden(*_: object) -> None:
        raise PermissionError(1, "no")

    monkeypatch.setattr(standing_back.os, "sched_setscheduler", forbidden)
    with caplog.at_level("DEBUG"):
        assert in_a_thread(stand_back) == os.SCHED_OTHER
    assert "competes with the loop" in caplog.text
