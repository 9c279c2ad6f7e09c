import os
import time

import pytest

from tests.profile.rooms import CHILD, HTTP, LOOP, STORE, WRITER
from tests.profile.shares import NOWHERE, Marking, Used, shared, used
from tests.profile.stacks import Frame

HOT, READ = Frame("/x/dynamo/api/app.py", "App.hot"), Frame("/x/dynamo/storage/log_engine.py", "LogStorage.read")


def test_rooms_add_up_to_the_time():
    """The loop's time goes by samples, node by node; other threads and the child count whole."""
    times = [Used(3.0, 0.5, 0.25, 1.0), Used(1.0, 0.0, 0.0, 0.5)]
    shares = shared([[(HOT,), (HOT, READ), (HOT, READ)], [(HOT,)]], times)
    assert shares.rooms == pytest.approx({HTTP: 1.0 + 1.0, STORE: 2.0, WRITER: 0.5, CHILD: 0.25})
    assert shares.total_s == pytest.approx(4.75)
    assert (shares.samples, shares.system_s) == (4, 1.5)


def test_own_time_is_of_the_innermost_function():
    shares = shared([[(HOT,), (HOT, READ)]], [Used(2.0, 0.0, 0.0, 0.0)])
    assert shares.own == {HOT: 1.0, READ: 1.0}
    assert shares.stacks == {(HOT,): 1.0, (HOT, READ): 1.0}


def test_time_without_samples_is_the_loops():
    """A node that did so little that the timer never went off."""
    shares = shared([[]], [Used(0.003, 0.0, 0.0, 0.0)])
    assert shares.rooms[LOOP] == 0.003
    assert shares.own == {NOWHERE: 0.003}


def test_the_time_of_this_process_is_read():
    """By its first thread, and as a whole."""
    before = used(os.getpid())
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    spent = used(os.getpid()).since(before)
    assert 0.03 <= spent.loop_s + spent.threads_s < 5.0


def test_a_process_that_is_gone_is_told():
    with pytest.raises(ProcessLookupError):
        used(2**22 + 1)


def test_marks_say_which_samples_count(tmp_path):
    """Those written between the last two readings."""
    file = tmp_path / "samples"
    file.write_text("=0\t/x/dynamo/api/app.py\tApp.hot\n0\n")
    meter = Marking([os.getpid()], [file])
    meter.read()
    with file.open("a") as more:
        more.write("0\n\n")
    meter.read()
    assert meter.samples() == [[(HOT,), ()]]
    assert meter.used()[0].loop_s >= 0
