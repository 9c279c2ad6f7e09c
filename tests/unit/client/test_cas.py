"""Keys of linearizable buckets: conditional changes, versions, and what a lost answer leaves open."""

import json

import pytest

from dynamo.client import answers, updating
from dynamo.client.client import AsyncClient
from dynamo.client.results import Changed, Conflict, Missing, Operation, OutcomeUnknown, Resolved, Value, Written
from dynamo.errors import CalledOff, InvalidParameter, NotAnInteger, PreconditionFailed
from tests.unit.client.fake_cluster import FakeCluster
from tests.unit.client.faults import answering, dropping
from tests.unit.client.test_answers import answer
from tests.unit.client.test_caller import applying, everywhere

AT = ("lin", b"k")


@pytest.fixture
async def client(cluster, client) -> AsyncClient:
    await client.put_bucket("lin", mode="linearizable")
    return client


def asked(cluster: FakeCluster, root: str = "/v1/cas") -> list:
    return [seen for node in cluster.nodes.values() for seen in node.calls("POST", root)]


async def test_a_change_makes_the_next_version(client):
    """Applied: version and entity tag, and after an add the sum."""
    made = await client.cas("lin", "k", if_absent=True, set=b"5", content_type="text/plain", meta={"who": "me"})
    assert isinstance(made, Changed)
    assert (made.version, made.exists, made.repeated, made.attempts, made.value) == (1, True, False, 1, None)
    found = await client.get("lin", "k")
    assert (found.value, found.content_type, found.version, found.etag) == (b"5", "text/plain", 1, made.etag)
    added = await client.cas("lin", "k", add=-7)
    assert (added.version, added.value) == (2, b"-2")
    gone = await client.cas("lin", "k", if_version=2, delete=True)
    assert (gone.version, gone.exists) == (3, False)
    assert (await client.get("lin", "k")) == Missing(bucket="lin", key=b"k", context=gone.context, version=3)


async def test_what_stands_against_a_condition_is_shown(client):
    """A conflict is a result: value and version of the other, to go on from without another read."""
    await client.cas("lin", "k", set=b"\xff", content_type="image/png", meta={"who": "me"})
    for condition in ({"if_absent": True}, {"if_version": 9}, {"if_etag": "0000"}, {"if_value": b"x"}):
        conflict = await client.cas("lin", "k", **condition, set=b"mine")
        assert isinstance(conflict, Conflict)
        assert isinstance(conflict.found, Value)
        assert (conflict.version, conflict.found.version, conflict.found.value) == (1, 1, b"\xff")
        assert (conflict.found.content_type, conflict.found.meta) == ("image/png", {"who": "me"})
    for condition in ({"if_absent": False}, {"if_etag": conflict.found.etag}, {"if_value": b"\xff"}):
        assert isinstance(await client.cas("lin", "k", **condition, set=b"\xff"), Changed) is (
            "if_etag" not in condition
        )
    nothing = await client.cas("lin", "other", if_absent=False, set=b"x")
    assert (nothing.version, nothing.found.version, isinstance(nothing.found, Missing)) == (0, 0, True)


async def test_what_was_read_can_be_handed_back(client):
    """The context of a result is a condition on its version: the second of two writers is refused."""
    await client.put("lin", "k", b"1")
    found = await client.get("lin", "k")
    written = await client.put("lin", "k", b"2", seen=found)
    assert (written.version, written.siblings, written.repeated) == (2, 1, False)
    with pytest.raises(PreconditionFailed) as refused:
        await client.put("lin", "k", b"3", seen=found)
    assert refused.value.members["version"] == 2
    assert (await client.delete("lin", "k", seen=written)).version == 3
    made = await client.cas("lin", "k", set=b"4")
    assert (await client.put("lin", "k", b"5", seen=made)).version == 5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"set": b"a", "delete": True},
        {"set": b"a", "add": 1},
        {"delete": False},
        {"add": 1, "content_type": "a/b"},
        {"delete": True, "meta": {"a": "b"}},
        {"set": b"a", "if_version": 1, "if_absent": False},
    ],
)
async def test_what_says_more_than_one_thing_is_refused_before_it_is_sent(client, cluster, options):
    """One action, one condition at most."""
    with pytest.raises(InvalidParameter):
        await client.cas("lin", "k", **options)
    assert asked(cluster) == []


async def test_every_change_has_a_name_of_its_own(client, cluster):
    """Minted once a call, unless the caller names it."""
    for _ in range(2):
        await client.cas("lin", "k", add=1)
    await client.cas("lin", "k", add=1, idempotency_key="pay-1")
    again = await client.cas("lin", "k", add=1, idempotency_key="pay-1")
    assert (again.version, again.repeated, again.value) == (3, True, b"3")
    names = [seen.idempotency_key for seen in asked(cluster)]
    assert len(set(names)) == 3
    assert names.count("pay-1") == 2


async def test_a_change_whose_answer_is_lost_is_repeated_under_its_name(client, cluster):
    """It had been applied: the repeat says so, with the version of then."""
    cluster.first(*AT).faults = [applying(cluster, dropping)]
    made = await client.cas("lin", "k", if_absent=True, set=b"mine")
    assert (made.version, made.repeated, made.attempts) == (1, True, 2)
    assert len({seen.idempotency_key for seen in asked(cluster)}) == 1


async def test_a_refusal_after_a_lost_answer_is_no_answer(client, cluster):
    """The first attempt may be on its way still, so that it conflicts now does not say that it never was applied."""
    cluster.first(*AT).faults = [dropping]
    cluster.registers.put("lin", b"k", b"theirs")
    with pytest.raises(OutcomeUnknown) as unknown:
        await client.cas("lin", "k", if_absent=True, set=b"mine")
    assert unknown.value.members["last_code"] == "precondition-failed"


async def test_an_unknown_outcome_brings_what_resolves_it(client, cluster, retries):
    """Its name and place; the answer is for good, so a late arrival is refused."""
    everywhere(cluster, answering("write-timeout"))
    retries(2)
    with pytest.raises(OutcomeUnknown) as unknown:
        await client.cas("lin", b"k\xff", add=1)
    everywhere(cluster, None)
    members = unknown.value.members
    assert (members["bucket"], members["key_b64"]) == ("lin", "a/8=")
    name = str(members["idempotency_key"])
    decided = await client.resolve("lin", b"k\xff", name)
    assert decided == Resolved(bucket="lin", key=b"k\xff", applied=False, version=0, etag="", exists=False)
    with pytest.raises(CalledOff):
        await client.cas("lin", b"k\xff", add=1, idempotency_key=name)


async def test_what_nobody_can_know_is_of_unknown_outcome(client, cluster):
    """Asked once: another node would know no more."""
    everywhere(cluster, answering("outcome-forgotten"))
    for call in (client.cas("lin", "k", add=1), client.resolve("lin", "k", "pay-1"), client.put("lin", "k", b"v")):
        with pytest.raises(OutcomeUnknown) as unknown:
            await call
        assert unknown.value.members["last_code"] == "outcome-forgotten"
    assert len(asked(cluster)) == len(asked(cluster, "/v1/resolve")) == len(cluster.calls("PUT")) == 1


async def test_resolve_finds_what_was_applied(client, cluster, retries):
    """Also a PUT, and after others have written."""
    everywhere(cluster, applying(cluster, answering("write-timeout")))
    retries(1)
    with pytest.raises(OutcomeUnknown) as unknown:
        await client.put("lin", "k", b"mine")
    everywhere(cluster, None)
    cluster.registers.put("lin", b"k", b"theirs")
    decided = await client.resolve("lin", unknown.value.members["key"], unknown.value.members["idempotency_key"])
    assert (decided.applied, decided.version, decided.exists) == (True, 1, True)
    assert decided.etag
    (question,) = asked(cluster, "/v1/resolve")
    assert json.loads(question.body) == {"idempotency_key": unknown.value.members["idempotency_key"]}
    assert question.idempotency_key not in ("", unknown.value.members["idempotency_key"])


async def test_errors_of_the_action_are_raised(client):
    """They are no conflicts: trying again would not help."""
    await client.put("lin", "k", b"three")
    with pytest.raises(NotAnInteger):
        await client.cas("lin", "k", add=1)


async def test_update_loses_nobodys_change(client, cluster):
    """Somebody comes in between: the change is made again, on what is there now, without another read."""
    await client.put("lin", "k", b"1", content_type="text/plain")
    seen = []

    def add_one(value: bytes | None) -> bytes:
        seen.append(value)
        if len(seen) < 3:
            cluster.registers.put("lin", b"k", b"%d0" % len(seen))
        return b"%d" % (int(value or b"0") + 1)

    written = await client.update("lin", "k", add_one)
    assert isinstance(written, Written)
    assert (seen, written.version, written.siblings) == ([b"1", b"10", b"20"], 4, 1)
    assert (await client.get("lin", "k")).value == b"21"
    assert len(cluster.calls("GET")) == 2
    assert len({call.idempotency_key for call in asked(cluster)}) == 3


async def test_update_makes_and_deletes(client):
    """From a key that was never written; None deletes."""
    made = await client.update("lin", "k", lambda value: b"first" if value is None else b"", content_type="text/plain")
    assert (made.version, (await client.get("lin", "k")).content_type) == (1, "text/plain")
    await client.update("lin", "k", lambda _: b"second")
    assert (await client.get("lin", "k")).content_type == "text/plain"
    gone = await client.update("lin", "k", lambda _: None)
    assert (gone.version, gone.siblings) == (3, 0)


async def test_update_gives_up_on_a_key_that_others_keep_changing(client, cluster, monkeypatch):
    """Not applied, and it says how often it tried."""
    monkeypatch.setattr(updating, "ATTEMPTS_MAX", 3)
    tried = []

    def too_late(value: bytes | None) -> bytes:
        tried.append(value)
        cluster.registers.put("lin", b"k", b"theirs")
        return b"mine"

    with pytest.raises(PreconditionFailed) as refused:
        await client.update("lin", "k", too_late)
    assert refused.value.members == {"version": 3, "attempts": 3}
    assert len(tried) == 3
    assert (await client.get("lin", "k")).value == b"theirs"


async def test_a_session_follows_its_own_writes(client, cluster):
    """Its next write replaces what it last wrote or read, also after a repeat; and no more than that."""
    session = client.session()
    await session.put("lin", "k", b"1")
    cluster.first(*AT).faults = [applying(cluster, dropping)]
    assert (await session.put("lin", "k", b"2")).attempts == 2
    assert (await session.put("lin", "k", b"3")).version == 3
    cluster.registers.put("lin", b"k", b"theirs")
    with pytest.raises(PreconditionFailed):
        await session.put("lin", "k", b"4")
    assert (await session.get("lin", "k")).version == 4
    assert (await session.put("lin", "k", b"5")).version == 5
    assert (await session.delete("lin", "k")).version == 6
    assert (await session.put("lin", "k", b"6")).version == 7


async def test_results_of_a_batch_have_versions():
    """Of writes, values and missing keys; none where there are none."""
    results = [
        {"status": 204, "version": 4, "siblings_count": 1, "repeated": True},
        {"status": 200, "version": 4, "value_b64": "AA=="},
        {"status": 404, "code": "key-not-found", "version": 0},
        {"status": 204},
    ]
    operations = tuple(Operation(op, "lin", "k", b"v") for op in ("put", "get", "get", "put"))
    found = answers.batched(answer(200, {"results": results}), operations, "name")
    assert [each.version for each in found] == [4, 4, 0, None]
    assert found[0].repeated
