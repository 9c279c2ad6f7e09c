"""What a client says of its earlier attempts, and what it makes of a batch of which one may have been carried out."""

from __future__ import annotations

import pytest
from aiohttp import web

from dynamo.client.results import Missing, Operation, OutcomeUnknown, Value
from dynamo.errors import QuorumUnavailable
from dynamo.protocol import http_fields as fields
from dynamo.protocol.http_fields import parse_duration_s
from tests.unit.client.faults import answering, dropping
from tests.unit.client.patience import WIDE_S

KEY = b"k"


async def test_a_repeat_of_what_may_have_been_applied_says_so(client, cluster):
    """And how long ago the first one was sent: what is less long ago cannot have been forgotten."""
    for node in cluster.nodes.values():
        node.faults = [dropping]
    await client.put("b", KEY, b"x")
    first, *later = sorted(each.headers.get(fields.RETRY_AGE, "") for each in cluster.calls("PUT"))
    assert first == ""
    assert len(later) == 3
    assert all(WIDE_S / 16 < parse_duration_s(each) < 2 * WIDE_S for each in later), "with what the attempt may take"


async def test_a_caller_may_repeat_what_is_of_unknown_outcome(client, cluster):
    """And say how long ago it was; what the attempt takes is added."""
    cluster.first("b", KEY).faults = [answering("overloaded")]
    await client.put("b", KEY, b"x", idempotency_key="mine", retry_age_s=90)
    ages = [parse_duration_s(each.headers[fields.RETRY_AGE]) for each in cluster.calls("PUT")]
    assert len(ages) == 2
    assert all(90 < age < 90 + 2 * WIDE_S for age in ages)


@pytest.mark.parametrize("code", ["quorum-unavailable", "overloaded", "draining"])
async def test_a_repeat_of_what_was_refused_is_a_first_attempt(client, cluster, code):
    """Nothing came of the one before."""
    first, *_ = cluster.replicas("b", KEY)
    first.faults = [answering(code)]
    await client.put("b", KEY, b"x")
    assert [each.headers.get(fields.RETRY_AGE) for each in cluster.calls("PUT")] == [None, None]


async def test_a_read_has_no_earlier_attempts(client, cluster):
    """It changes nothing, however often it is sent."""
    await client.put("b", KEY, b"x")
    cluster.first("b", KEY).faults = [dropping]
    assert isinstance(await client.get("b", KEY), Value)
    assert not any(fields.RETRY_AGE in each.headers for each in cluster.calls("GET"))


async def test_doubt_survives_the_refusal_of_an_operation(client, cluster, monkeypatch):
    """The first batch may have been carried out. That its repeat was refused in part says nothing about that part."""
    asked = [Operation("put", "b", b"\xff", b"v"), Operation("get", "b", "none"), Operation("put", "b", "l", b"v")]
    refused = {"status": 503, "code": "quorum-unavailable", "detail": "none alive"}
    results = [refused, {"status": 404, "code": "key-not-found"}, refused]
    monkeypatch.setattr(cluster, "batch", lambda _: web.json_response({"results": results}))
    assert [type(each) for each in await client.batch(asked)] == [QuorumUnavailable, Missing, QuorumUnavailable]
    for node in cluster.nodes.values():
        node.faults = [dropping]
    first, missing, last = await client.batch(asked, idempotency_key="job")
    assert isinstance(missing, Missing)
    for index, result in ((0, first), (2, last)):
        assert isinstance(result, OutcomeUnknown)
        assert isinstance(result.__cause__, QuorumUnavailable)
        assert result.members["idempotency_key"] == f"job#{index}"
    assert (first.members["key_b64"], last.members["key"]) == ("/w==", "l")
