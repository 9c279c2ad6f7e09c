"""Real nodes, one of which hears of everything late: what they count is what happened."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dynamo.workload.processes import status_of
from dynamo.workload.slow_replica import SLOW, ProxiedCluster
from dynamo.workload.systems import asked

pytestmark = pytest.mark.cluster

KEYS = 12
WITHIN_S = 20.0


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedCluster]:
    """Three nodes that judge every read of the bucket `watched`; what the others send to the last one is late."""
    with ProxiedCluster(tmp_path_factory.mktemp("staleness")) as running:
        properties = {"staleness_sample": 1.0, "sloppy": False}
        asked(running.members["node1"][0], "PUT", "/v1/buckets/watched", properties)
        running.delay(on=True)
        yield running


def path(key: str, query: str) -> str:
    return f"/v1/kv/watched/{key}?{query}"


def verdicts(nodes: ProxiedCluster, level: str) -> dict[str, float]:
    """What the slow node has counted."""
    series = f'dynamo_read_checks_total{{consistency="{level}",verdict='
    return {word: nodes.metric(SLOW, f'{series}"{word}"}}') for word in ("fresh", "stale", "inflight", "unresolved")}


def judged(nodes: ProxiedCluster, level: str, reads: int) -> dict[str, float]:
    """The same, once it has come to a verdict on so many reads."""
    deadline = time.monotonic() + WITHIN_S
    while sum((found := verdicts(nodes, level)).values()) < reads:
        assert time.monotonic() < deadline, f"only {found} within {WITHIN_S} s"
        time.sleep(0.05)
    return found


def test_what_a_slow_replica_misses_is_stale(nodes: ProxiedCluster) -> None:
    """Acknowledged by one node, read from another one at once: an answer without the value is stale.

    Of one that began within what a busy machine makes of a round trip, the order is not known so well.
    """
    first, slow = nodes.members["node1"][0], nodes.members[SLOW][0]
    missed = 0
    for number in range(KEYS):
        asked(first, "PUT", path(f"one{number}", "w=1"), None)
        missed += status_of(slow, path(f"one{number}", "r=1")) == 404
    found = judged(nodes, "one", KEYS)
    assert missed > 0
    assert missed / 2 <= found["stale"] <= missed
    assert found["fresh"] == KEYS - missed


def test_overlapping_quorums_are_not_stale(nodes: ProxiedCluster) -> None:
    """Through the same slow node."""
    first, slow = nodes.members["node1"][0], nodes.members[SLOW][0]
    for number in range(KEYS):
        asked(first, "PUT", path(f"two{number}", "w=2"), None)
        assert status_of(slow, path(f"two{number}", "r=2")) == 200
    assert judged(nodes, "quorum", KEYS)["stale"] == 0


def test_clocks_are_known_within_their_bounds(nodes: ProxiedCluster) -> None:
    """All processes of one machine share its monotonic clock, of which the nodes know nothing."""
    offset_s = nodes.metric(SLOW, 'dynamo_clock_offset_seconds{peer="node1"}')
    error_s = nodes.metric(SLOW, 'dynamo_clock_offset_error_seconds{peer="node1"}')
    assert 0 < error_s < 0.5
    assert abs(offset_s) <= error_s + 1e-6


def test_it_can_be_switched_off(nodes: ProxiedCluster) -> None:
    """While it is, nothing is counted and nothing remembered."""
    for _, _, ops_port in nodes.members.values():
        asked(ops_port, "POST", "/admin/v1/staleness?enabled=false", None)
    before = verdicts(nodes, "one")
    assert status_of(nodes.members[SLOW][0], path("one0", "r=1")) == 200
    assert verdicts(nodes, "one") == before
    assert b'"acks_remembered":0' in asked(nodes.members["node1"][2], "GET", "/admin/v1/staleness", None)
