import msgspec

from dynamo.load.plan import Plan, Share
from dynamo.workload.mixes import PRESETS
from dynamo.workload.stages import Stage
from tests.unit.load.stage import plan


def test_a_plan_crosses_to_a_worker_whole():
    """As JSON and back it is the same."""
    share = Share(plan=plan(mix=PRESETS["cas"]), part=1, parts=2, owner_of={0: [1, 2]})
    assert msgspec.json.decode(msgspec.json.encode(share), type=Share) == share


def test_what_follows_from_a_plan():
    """Its length is that of its stages; keys lie in groups only where they are scanned."""
    two = plan(stages=(Stage(2, 1, 1), Stage(3, 1, 9)))
    assert two.duration_s == 5
    assert not two.groups_keys
    assert plan(mix=PRESETS["e"]).groups_keys
    assert plan(mode="linearizable").linearizable
    assert isinstance(two, Plan)
