"""Hints on the operations listener."""

import asyncio

import pytest

from dynamo.errors import StorageFull
from tests.api.serving import Api, assert_problem

HINTS = "/admin/v1/hints"


async def test_status(fake: Api):
    """For whom, how many, how large, how old."""
    shown = (await fake.call("GET", HINTS, ops=True)).json
    assert (shown["node"], shown["paused"], shown["inflight"]) == ("node1", False, 0)
    assert shown["targets"] == [
        {"target": "node2", "count": 3, "bytes": 300, "oldest_age_s": 1.5, "alive": False, "problem": ""},
        {"target": "node3", "count": 1, "bytes": 100, "oldest_age_s": 1.5, "alive": True, "problem": ""},
    ]


async def test_stop_and_go(api: Api):
    """Each answers with the state that holds from now on."""
    paused = (await api.call("POST", f"{HINTS}/pause", ops=True)).json
    assert paused["paused"] is True
    assert (await api.call("GET", HINTS, ops=True)).json["paused"] is True
    assert (await api.call("POST", f"{HINTS}/resume", ops=True)).json["paused"] is False


async def test_a_pause_that_would_not_last(fake: Api):
    """Is a failure."""
    fake.node.hint_desk.fail_with = StorageFull("no room")
    assert_problem(await fake.call("POST", f"{HINTS}/pause", ops=True), 503, "storage-full")


async def test_drop(fake: Api):
    """Says how many went."""
    reply = await fake.call("POST", f"{HINTS}/drop?target=node2", ops=True)
    assert reply.json == {"node": "node1", "target": "node2", "dropped": 3}
    assert [t["target"] for t in (await fake.call("GET", HINTS, ops=True)).json["targets"]] == ["node3"]


@pytest.mark.parametrize("query", ["", "?target=", "?target=node9", "?node=node2"])
async def test_nobody_to_drop_for(api: Api, query: str):
    """A word that is missing or wrong throws nothing away."""
    assert_problem(await api.call("POST", f"{HINTS}/drop{query}", ops=True), 400, "invalid-parameter")


async def test_a_drop_is_no_reading(api: Api):
    """A link that is followed, or a page that is fetched ahead, changes nothing."""
    for verb in ("drop?target=node2", "pause", "resume"):
        assert_problem(await api.call("GET", f"{HINTS}/{verb}", ops=True), 405, "method-not-allowed")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_wait(fake: Api, method: str):
    """Answers when all are delivered, not before."""
    waiting = asyncio.ensure_future(fake.call(method, f"{HINTS}/wait", ops=True))
    await fake.call("GET", HINTS, ops=True)
    assert not waiting.done()
    fake.node.hint_desk.delivered.set()
    reply = await waiting
    assert (reply.status, reply.json["targets"]) == (200, [])


async def test_a_wait_that_took_too_long(fake: Api):
    """504 with those who still have some, and why if the operator himself is the reason."""
    problem = assert_problem(await fake.call("POST", f"{HINTS}/wait?timeout=10ms", ops=True), 504, "hints-pending")
    assert problem["targets"] == ["node2", "node3"]
    assert "paused" not in problem["detail"]
    fake.node.hint_desk.paused = True
    problem = assert_problem(await fake.call("POST", f"{HINTS}/wait?timeout=10ms", ops=True), 504, "hints-pending")
    assert "paused" in problem["detail"]


async def test_a_wait_without_hints(api: Api):
    """Is over at once."""
    if api.node is not None:
        api.node.hint_desk.delivered.set()
    assert (await api.call("POST", f"{HINTS}/wait?timeout=5s", ops=True)).status == 200


@pytest.mark.parametrize("path", ["?x=1", "/wait?timeout=never", "/wait?target=node2"])
async def test_unknown_words(api: Api, path: str):
    """Refused as everywhere."""
    assert_problem(await api.call("GET", f"{HINTS}{path}", ops=True), 400, "invalid-parameter")


async def test_clients_do_not_reach_it(api: Api):
    """It is on the operators' listener."""
    assert_problem(await api.call("GET", HINTS), 404, "route-not-found")
