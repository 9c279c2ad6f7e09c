import pytest

from dynamo.workload.keys import KeySpace
from dynamo.workload.peer import WORKLOADS
from dynamo.workload.peer_dynamo import DynamoPeer


@pytest.mark.cluster
def test_every_workload_is_done(tmp_path):
    """By real nodes; what is filled is each kind of bucket, once."""
    peer = DynamoPeer()
    filled: list[str] = []
    assert peer.missing() == ""
    with peer.system(tmp_path) as system:
        operations = peer.operations(system, KeySpace(1, 60, 8), lambda each: filled.append(each.name), 1)
    assert list(operations) == list(WORKLOADS)
    assert filled == ["PUT W=3", "PUT W=3", "PUT, linearizable"]
    assert b"/v1/kv/mixed/" in operations["ycsb-a"].request(0)
    # Linearizable keys are asked for at one of three nodes each, plain ones anywhere.
    assert (operations["cas"].keys.groups, operations["put"].keys.groups) == (3, 1)
