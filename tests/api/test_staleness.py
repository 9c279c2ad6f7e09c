"""The switch of staleness measuring on the operations listener, and the share that is a bucket's."""

import pytest

from tests.api.serving import Api, assert_problem, fresh

STALENESS = "/admin/v1/staleness"


async def test_status(fake: Api):
    """The switch, the share, and what is kept for it."""
    assert (await fake.call("GET", STALENESS, ops=True)).json == {
        "node": "node1",
        "enabled": True,
        "sample": 0.1,
        "waiting": 2,
        "acks_remembered": 34,
    }


async def test_it_is_switched(api: Api):
    """Off and on again; the answer says what holds now."""
    assert (await api.call("POST", f"{STALENESS}?enabled=false", ops=True)).json["enabled"] is False
    assert (await api.call("GET", STALENESS, ops=True)).json["enabled"] is False
    assert (await api.call("POST", f"{STALENESS}?enabled=true", ops=True)).json["enabled"] is True


@pytest.mark.parametrize("query", ["", "?enabled=", "?enabled=perhaps", "?on=true"])
async def test_what_is_no_switch(api: Api, query: str):
    """Is refused, and nothing changes."""
    assert_problem(await api.call("POST", STALENESS + query, ops=True), 400, "invalid-parameter")
    assert (await api.call("GET", STALENESS, ops=True)).json["enabled"] is True


@pytest.mark.parametrize("share", [0, 0.25, 1, None])
async def test_a_bucket_has_its_own_share(api: Api, share: float | None):
    """From none to all of its reads; null goes back to the node's."""
    at = f"/v1/buckets/{fresh()}"
    assert (await api.json("PUT", at, {"staleness_sample": 0.5})).json["staleness_sample"] == 0.5
    assert (await api.json("PUT", at, {"staleness_sample": share})).json["staleness_sample"] == share


@pytest.mark.parametrize("share", [-0.1, 1.5])
async def test_what_is_no_share(api: Api, share: float):
    """Is refused."""
    reply = await api.json("PUT", f"/v1/buckets/{fresh()}", {"staleness_sample": share})
    assert_problem(reply, 400, "invalid-parameter")


async def kept(api: Api, guarantee: str) -> float:
    """How often the node has found a guarantee kept at quorum."""
    page = (await api.call("GET", "/metrics", ops=True)).body.decode()
    labels = f'{{consistency="quorum",guarantee="{guarantee}",verdict="kept"}} '
    (line,) = [each for each in page.splitlines() if each.startswith(f"dynamo_session_checks_total{labels}")]
    return float(line.rpartition(" ")[2])


async def test_a_session_reads_its_own_write(api: Api):
    """The context of a write says that it is one, that of a read does not: so the two guarantees are told apart."""
    at = f"/v1/kv/{fresh()}/k"
    written = (await api.call("PUT", at, b"v")).context
    before = [await kept(api, guarantee) for guarantee in ("read_your_writes", "monotonic_reads")]
    read = (await api.call("GET", at, Dynamo_Context=written)).context
    assert (await api.call("GET", at, Dynamo_Context=read)).status == 200
    after = [await kept(api, guarantee) for guarantee in ("read_your_writes", "monotonic_reads")]
    if api.node is None:
        assert after == [before[0] + 1, before[1] + 1]
