"""The nodes' verdicts beside the truth, which only an onlooker knows: `dynamo/simulation/staleness.py`."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from dynamo.cli.main import root
from dynamo.simulation import staleness
from dynamo.simulation.staleness import (
    LONG,
    VERDICTS,
    WEAK,
    Onlooker,
    Setting,
    Truth,
    interval,
    strict_of,
    watch,
    watch_all,
)

pytestmark = pytest.mark.simulation

SEEDS_EACH = 40
STRICT_SEEDS = range(1, 81)
"""Thousands: `make nightly`."""
SEEDS = range(1, 7)


def strict(first: int) -> Truth:
    """Some seeds of random strict settings together."""
    total = Truth(counted=dict.fromkeys(VERDICTS, 0), whatif_stale=[0] * 5)
    for seed in range(first, first + SEEDS_EACH):
        found = watch(seed, strict_of(seed))
        found.whatif_stale += [0] * (5 - len(found.whatif_stale))
        assert (found.counted["stale"], found.stale) == (0, 0), f"seed {seed}"
        total.add(found)
    return total


@pytest.mark.parametrize("first", STRICT_SEEDS[::SEEDS_EACH])
def test_overlapping_quorums_are_never_stale(first: int):
    """Not once, whatever the network does, though replicas differ at many reads and writes fail: one is a bug."""
    total = strict(first)
    assert total.failed_writes > 0
    assert total.counted["inflight"] > 80
    assert total.judged > total.reads / 3
    assert sum(total.whatif_stale) > 0, "fewer replies would have been stale: the judge can see"


@pytest.mark.parametrize("name", WEAK)
def test_the_measured_share_is_the_true_one(name: str):
    """Within its 95 % interval, and narrow enough to say something."""
    total = watch_all(WEAK[name], SEEDS)
    low, high = total.measured
    assert low <= total.share <= high
    assert total.share > 0.01
    assert high - low < 0.05
    assert total.counted["unresolved"] < 0.02 * total.judged


def test_a_sample_is_a_share_of_the_reads():
    """About three of ten, of all levels."""
    total = watch_all(WEAK["sample"], SEEDS)
    low, high = interval(sum(total.counted.values()), total.reads)
    assert low <= 0.3 <= high


def test_what_fewer_replies_would_have_come_to():
    """Judged on reads of all three: as stale, at one reply, as reads of one are."""
    one = watch_all(Setting(r=1, w=1, operations=LONG, sync_s=0.01), SEEDS)
    three = watch_all(Setting(r=3, w=1, operations=LONG, sync_s=0.01), SEEDS)
    assert three.counted["stale"] == three.whatif_stale[2] == 0
    low, high = interval(three.whatif_stale[0], three.judged)
    assert low <= one.share <= high


def test_who_is_cut_off_is_not_counted():
    """Neither as fresh nor as stale: what the others have acknowledged meanwhile nobody can ask."""
    total = watch_all(Setting(r=1, w=1, operations=LONG, cut_s=0.2), SEEDS)
    assert total.counted["unresolved"] > total.judged / 10
    assert total.counted["stale"] <= total.stale


def test_the_onlooker_goes_by_the_definition():
    """Acknowledged before the read began, and not covered by its answer."""
    onlooker = Onlooker()
    onlooker.acknowledged(b"k", ("a", 3), 10.0)
    assert onlooker.is_stale(b"k", 10.1, {"a": 2})
    assert onlooker.is_stale(b"k", 10.1, {})
    assert not onlooker.is_stale(b"k", 10.0, {})
    assert not onlooker.is_stale(b"k", 10.1, {"a": 3})
    assert not onlooker.is_stale(b"other", 10.1, {})


def test_the_interval_is_wilsons():
    """Known values; 0 of n still has an upper end, at about 3/n."""
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(10, 100) == pytest.approx((0.0552, 0.1744), abs=1e-4)
    assert interval(0, 1000) == pytest.approx((0.0, 0.0038), abs=1e-4)


def test_the_command_shows_a_row_for_each_setting(monkeypatch: pytest.MonkeyPatch):
    """Strict ones together; it ends with 0 where none of them was stale."""
    monkeypatch.setattr(staleness, "WEAK", {"slow-disks": Setting(r=1, w=1, sync_s=0.01)})
    words = ["simulate", "staleness", "--seeds", "3", "--each", "2", "--processes", "1"]
    shown = CliRunner().invoke(root, [*words, "--json"], standalone_mode=False)
    assert shown.return_value == 0
    strict, weak = json.loads(shown.stdout)["rows"]
    assert (strict["name"], strict["stale"], strict["counted_stale"]) == ("strict", 0, 0)
    assert (weak["name"], weak["r"], weak["counted_stale"] > 0) == ("slow-disks", 1, True)
    assert "slow-disks" in CliRunner().invoke(root, words, standalone_mode=False).stdout


def test_what_nodes_warn_of_is_no_part_of_the_table():
    """They say it to their operator. In a process of its own: here the test runner takes the log."""
    program = "from dynamo.simulation.staleness import strict_of, watch; [watch(s, strict_of(s)) for s in range(1, 6)]"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stderr == ""
