"""When a memtable is taken over though nothing more is written."""

import time

from dynamo.layout.keyspaces import Keyspace
from tests.contract.log_rig import LogRig
from tests.contract.storage_rig import PATIENCE_S, put, wait, write

RECORDS = Keyspace.RECORDS


def test_one_that_came_of_age_beside_an_empty_group_is_taken_over(tmp_path):
    """The group may be the last for a long time: a barrier of somebody whose write changed nothing."""
    rig = LogRig(tmp_path / "data")
    put(rig, (RECORDS, b"k", b"v"))
    outcome = write(rig)
    rig.storage._hand_over()
    rig.storage._due.cancel()
    rig.storage._age()
    wait(rig, outcome)
    deadline = time.monotonic() + PATIENCE_S
    while not rig.storage.checkpoints:
        assert time.monotonic() < deadline
        rig.loop.call_later(0.002, rig.loop.stop)
        rig.loop.run_forever()
    rig.close()
