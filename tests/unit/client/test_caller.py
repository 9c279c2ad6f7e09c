"""Failures, and what the caller makes of them: other nodes, repeats of the same write, honest uncertainty."""

import asyncio

import pytest

from dynamo.client import retry
from dynamo.client.client import AsyncClient
from dynamo.client.results import NodeUnreachable, OutcomeUnknown, Siblings
from dynamo.errors import (
    BadContext,
    CorruptValue,
    Overloaded,
    QuorumUnavailable,
    ReadTimeout,
    StorageFull,
    TooManySiblings,
    WriteTimeout,
)
from tests.unit.client.faults import Fault, Hang, answering, dropping
from tests.unit.client.patience import WIDE_S

KEY = b"k"


def applying(cluster, then: Fault) -> Fault:
    """A fault that does the write and then hides that it did."""

    async def fault(request):
        node = next(n for n in cluster.nodes.values() if f":{n.port}" in request.headers["Host"])
        await node._handle(request)
        return await then(request)

    return fault


def everywhere(cluster, fault: Fault) -> None:
    for node in cluster.nodes.values():
        node.always = fault


async def test_a_request_goes_to_the_first_replica(client, cluster):
    """Without a hop."""
    for number in range(20):
        key = f"key-{number}".encode()
        await client.put("b", key, b"x")
        assert cluster.first("b", key).calls("PUT")[-1].raw_path.startswith(f"/v1/kv/b/key-{number}?")


@pytest.mark.parametrize("code", ["quorum-unavailable", "overloaded", "draining", "not-ready", "storage-full"])
async def test_a_refused_write_goes_to_the_next_replica(client, cluster, code: str):
    """Nothing was done, so another node may do it; with the same idempotency key all the same."""
    first, second, _ = cluster.replicas("b", KEY)
    first.faults = [answering(code)]
    written = await client.put("b", KEY, b"x")
    assert written.coordinator == second.id
    assert [c.idempotency_key for c in cluster.calls("PUT")] == [cluster.applied[0]] * 2


async def test_a_node_that_is_down_is_passed_over(client, cluster):
    """And not asked again at once."""
    first = cluster.first("b", KEY)
    await first.stop()
    for _ in range(5):
        assert (await client.put("b", KEY, b"x")).coordinator != first.id
    found = await client.get("b", KEY)
    assert isinstance(found, Siblings)
    assert len(found.values) == len(cluster.applied) == 5


async def test_a_node_that_comes_back_is_used_again(client, cluster, monkeypatch):
    """Suspicion ends."""
    monkeypatch.setattr("dynamo.client.routing.SUSPECT_S", 0.0)
    first = cluster.first("b", KEY)
    await first.stop()
    await client.put("b", KEY, b"x")
    await first.start()
    assert (await client.put("b", KEY, b"x")).coordinator == first.id


async def test_a_write_whose_answer_is_lost_is_repeated_as_the_same_write(client, cluster):
    """One idempotency key, one effect, one success."""
    first = cluster.first("b", KEY)
    first.faults = [applying(cluster, dropping)]
    written = await client.put("b", KEY, b"x")
    assert written.siblings == 1
    assert len(cluster.applied) == 1
    assert {c.idempotency_key for c in cluster.calls("PUT")} == set(cluster.applied)
    assert len(cluster.calls("PUT")) == 2


async def test_a_delete_is_repeated_as_the_same_write(client, cluster):
    """The silent re-send of the HTTP library is off; ours carries the key."""
    await client.put("b", KEY, b"x")
    seen = await client.get("b", KEY)
    cluster.first("b", KEY).faults = [applying(cluster, dropping)]
    await client.delete("b", KEY, seen=seen)
    deletes = cluster.calls("DELETE")
    assert len(deletes) == 2
    assert deletes[0].idempotency_key == deletes[1].idempotency_key


async def test_each_call_has_a_key_of_its_own(client, cluster):
    """Two writes of the same value are two writes."""
    await client.put("b", KEY, b"x")
    await client.put("b", KEY, b"x")
    assert len(set(cluster.applied)) == 2


async def test_a_timed_out_write_is_repeated_until_it_is_confirmed(client, cluster):
    """504 means that it may appear; the repeat finds out."""
    for node in cluster.nodes.values():
        node.faults = [answering("write-timeout")]
    assert (await client.put("b", KEY, b"x")).siblings == 1
    assert len({c.idempotency_key for c in cluster.calls("PUT")}) == 1
    assert len(cluster.calls("PUT")) == 4


async def test_a_write_that_nobody_confirms_is_of_unknown_outcome(client, cluster, retries):
    """Not a failure and not a success, and it says how to repeat it."""
    everywhere(cluster, answering("write-timeout"))
    retries(4)
    with pytest.raises(OutcomeUnknown) as caught:
        await client.put("b", KEY, b"x", idempotency_key="mine")
    assert caught.value.members["idempotency_key"] == "mine"
    assert isinstance(caught.value.__cause__, WriteTimeout)
    everywhere(cluster, None)
    await client.put("b", KEY, b"x", idempotency_key="mine")
    assert cluster.applied == ["mine"]


async def test_doubt_survives_a_later_refusal(client, cluster):
    """The first attempt may have been applied; that the second was refused says nothing about it."""
    first, *others = cluster.replicas("b", KEY)
    first.faults = [applying(cluster, dropping)]
    for node in others:
        node.always = answering("too-many-siblings")
    with pytest.raises(OutcomeUnknown) as caught:
        await client.put("b", KEY, b"x")
    assert isinstance(caught.value.__cause__, TooManySiblings)
    assert len(cluster.applied) == 1


async def test_doubt_survives_refusals_to_the_end(client, cluster, retries):
    """Also when all that follows is `applied: no`."""
    first, *others = cluster.replicas("b", KEY)
    first.faults = [dropping]
    first.always = answering("quorum-unavailable")
    for node in others:
        node.always = answering("quorum-unavailable")
    retries(2)
    with pytest.raises(OutcomeUnknown):
        await client.put("b", KEY, b"x")


async def test_a_write_that_was_refused_everywhere_was_not_applied(client, cluster, retries):
    """The error is the last refusal, not a doubt."""
    everywhere(cluster, answering("quorum-unavailable"))
    retries(2)
    with pytest.raises(QuorumUnavailable):
        await client.put("b", KEY, b"x")
    assert cluster.applied == []


async def test_a_write_to_a_cluster_that_is_gone_was_not_sent(cluster, retries):
    """All nodes are named; nothing is in doubt."""
    for node in cluster.nodes.values():
        await node.stop()
    retries(1)
    async with AsyncClient(cluster.endpoints, timeout_s=WIDE_S) as client:
        with pytest.raises(NodeUnreachable) as caught:
            await client.put("b", KEY, b"x")
    assert all(endpoint in caught.value.detail for endpoint in cluster.endpoints)


async def test_a_wait_that_took_too_long_ends_the_call(client, cluster, monkeypatch, clock):
    """The loop was busy past the deadline: no attempt without time, which could be sent and never be heard of."""
    everywhere(cluster, answering("overloaded"))
    monkeypatch.setattr("dynamo.client.caller.backoff_s", lambda *_: 1.0)
    real = asyncio.sleep

    async def oversleep(seconds: float) -> None:
        clock.jump(seconds * 20)
        await real(0)

    monkeypatch.setattr("dynamo.client.caller.asyncio.sleep", oversleep)
    with pytest.raises(Overloaded):
        await client.put("b", KEY, b"x", timeout_s=4.0)
    assert len(cluster.calls("PUT")) == 1


async def test_attempts_are_counted(client, cluster):
    """A result says whether it came at once."""
    assert (await client.put("b", KEY, b"x")).attempts == 1
    cluster.first("b", KEY).faults = [dropping]
    assert (await client.put("b", KEY, b"x")).attempts == 2


async def test_what_a_node_said_is_not_hidden_by_one_that_is_down(client, cluster, retries):
    """Two nodes answer that a quorum is missing, the third is gone: the answer is the reason."""
    first, second, third = cluster.replicas("b", KEY)
    await third.stop()
    for node in (first, second):
        node.always = answering("quorum-unavailable")
    retries(4)
    with pytest.raises(QuorumUnavailable):
        await client.put("b", KEY, b"x")
    retries(4)
    with pytest.raises(QuorumUnavailable):
        await client.get("b", KEY)


async def test_a_cluster_that_comes_back_in_time_is_reached(client, cluster):
    """The call goes on until its deadline."""
    for node in cluster.nodes.values():
        await node.stop()
    call = asyncio.create_task(client.put("b", KEY, b"x"))
    await wait_until(lambda: len(client._routing._failures) == 3)
    for node in cluster.nodes.values():
        await node.start()
    assert (await call).siblings == 1


@pytest.mark.parametrize("code", ["read-timeout", "context-not-reached", "overloaded", "internal"])
async def test_reads_are_repeated(client, cluster, code: str):
    """They change nothing."""
    await client.put("b", KEY, b"x")
    cluster.first("b", KEY).faults = [answering(code)]
    assert (await client.get("b", KEY)).value == b"x"


async def test_a_read_that_fails_to_the_end_says_why(client, cluster, retries):
    """The node's own error, and never a doubt: a read has nothing to doubt."""
    everywhere(cluster, answering("read-timeout", received=1, required=2))
    retries(4)
    with pytest.raises(ReadTimeout) as caught:
        await client.get("b", KEY)
    assert caught.value.members["required"] == 2
    everywhere(cluster, dropping)
    with pytest.raises(Exception, match="broke"):
        await client.get("b", KEY)


@pytest.mark.parametrize(("code", "kind"), [("bad-context", BadContext), ("corrupt-value", CorruptValue)])
async def test_what_another_attempt_would_meet_too_ends_the_call(client, cluster, code, kind):
    """One request, one error."""
    everywhere(cluster, answering(code))
    with pytest.raises(kind):
        await client.get("b", KEY)
    assert len(cluster.calls("GET")) == 1


async def test_a_full_store_is_asked_once_each(client, cluster):
    """Another node may have room; the same one will not by next second."""
    everywhere(cluster, answering("storage-full"))
    with pytest.raises(StorageFull):
        await client.put("b", KEY, b"x")
    assert len(cluster.calls("PUT")) == 3


async def test_a_hanging_node_costs_half_of_the_time_only(client, cluster, monkeypatch, clock):
    """The rest is left for another one, and the hung write stays one write."""
    hang = Hang()
    first = cluster.first("b", KEY)
    first.faults = [hang]
    call = asyncio.create_task(client.put("b", KEY, b"x", timeout_s=4.0))
    await hang.arrived.wait()
    clock.jump(1.9)
    await asyncio.sleep(0)
    assert len(cluster.calls("PUT")) == 1
    clock.jump(0.2)
    monkeypatch.setattr("dynamo.client.caller.backoff_s", lambda *_: 0.0)
    written = await call
    assert written.coordinator != first.id
    hang.release.set()
    assert (await client.put("b", KEY, b"y")).coordinator != first.id
    assert len(cluster.applied) == 2


async def test_an_exhausted_budget_ends_retries(cluster, monkeypatch):
    """Under a general failure, calls fail rather than multiply."""
    monkeypatch.setattr(retry, "BUDGET_PER_S", 0.0)
    monkeypatch.setattr(retry, "BUDGET_MAX", 4.0)
    async with AsyncClient(cluster.endpoints, token_aware=False, timeout_s=WIDE_S) as client:
        everywhere(cluster, answering("internal"))
        for _ in range(20):
            with pytest.raises(Exception, match="because"):
                await client.get("b", KEY)
    assert len(cluster.calls("GET")) <= 20 + 4 + 20 * retry.BUDGET_PER_CALL


async def test_retry_after_is_honoured_once_all_were_asked(client, cluster, monkeypatch, retries):
    """Overloaded nodes ask for a second of peace: three requests at once, then none before it is over."""
    waits_s, real = [], asyncio.sleep

    async def waiting(seconds: float) -> None:
        waits_s.append(seconds)
        await real(0)

    monkeypatch.setattr("dynamo.client.caller.asyncio.sleep", waiting)
    everywhere(cluster, answering("overloaded"))
    retries(5)
    with pytest.raises(Overloaded):
        await client.get("b", KEY)
    assert len(cluster.calls("GET")) == 6
    assert [wait_s >= 1.0 for wait_s in waits_s] == [False, False, True, False, False]


async def test_a_new_epoch_is_fetched_and_routed_by(client, cluster):
    """The topology changes under a running client; after one answer of the new epoch it knows."""
    cluster.epoch = 2
    moved = cluster.nodes.pop("node2")
    for number in range(3):
        await client.put("b", f"warm-{number}".encode(), b"x")
    await wait_until(lambda: client._routing.ring.epoch == 2)
    asked = len(moved.seen)
    for number in range(30):
        await client.put("b", f"key-{number}".encode(), b"x")
    assert len(moved.seen) == asked
    await moved.stop()


async def test_the_ring_is_learnt_without_asking_for_it(cluster):
    """The first calls go to the seed, those after to replicas; one seed is enough."""
    async with AsyncClient([cluster.endpoints[0]], timeout_s=WIDE_S) as client:
        await client.put("b", KEY, b"x")
        await wait_until(lambda: client._routing.ring is not None)
        for number in range(10):
            key = f"key-{number}".encode()
            assert (await client.put("b", key, b"x")).coordinator == cluster.first("b", key).id
    assert sum(len(n.calls(prefix="/v1/ring")) for n in cluster.nodes.values()) == 1


async def test_a_client_may_be_told_to_stay_with_its_endpoints(cluster):
    """Behind a load balancer, the members' own addresses are of no use."""
    async with AsyncClient([cluster.endpoints[0]], timeout_s=WIDE_S, token_aware=False) as client:
        for number in range(5):
            await client.put("b", f"key-{number}".encode(), b"x")
        await client.ring()
        await client.put("b", KEY, b"x")
    assert {n.id for n in cluster.nodes.values() if n.calls("PUT")} == {"node1"}


async def test_a_cancelled_call_leaves_nothing_behind(client, cluster):
    """Its connection is closed and the client goes on."""
    hang = Hang()
    cluster.first("b", KEY).faults = [hang]
    call = asyncio.create_task(client.get("b", KEY))
    await hang.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    hang.release.set()
    await client.put("b", KEY, b"x")


async def wait_until(condition, within_s: float = WIDE_S) -> None:
    """Let the loop run until the condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)
