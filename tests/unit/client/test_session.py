import pytest

from dynamo.client.results import Missing, Siblings, Written
from dynamo.client.session import Contexts
from dynamo.errors import ContextNotReached
from dynamo.ring.token import key_hash
from dynamo.versioning.context import Context, from_token, to_token
from tests.unit.client.faults import dropping

KEY = b"k"
PLACE = key_hash("b", KEY)


def token(**clock: int) -> str:
    return to_token(Context(dict(clock)), PLACE)


def clock(text: str | None) -> dict[str, int]:
    assert text is not None
    return from_token(text, PLACE).clock


async def test_a_session_reads_its_own_writes(client, cluster, retries):
    """The read demands what the write made; a node that does not have it may not answer with less."""
    session = client.session()
    written = await session.put("b", KEY, b"1")
    assert (await session.get("b", KEY)).value == b"1"
    assert cluster.calls("GET")[-1].context == written.context
    cluster.records.clear()
    retries(2)
    with pytest.raises(ContextNotReached):
        await session.get("b", KEY)
    assert isinstance(await client.get("b", KEY), Missing)


async def test_reads_of_a_session_never_go_back(client, cluster, retries):
    """What one read has shown, the next one demands."""
    await client.put("b", KEY, b"1")
    session = client.session()
    await session.get("b", KEY)
    assert cluster.calls("GET")[-1].context is None
    older = dict(cluster.records)
    await client.put("b", KEY, b"2", seen=await client.get("b", KEY))
    await session.get("b", KEY)
    cluster.records.update(older)
    retries(2)
    with pytest.raises(ContextNotReached):
        await session.get("b", KEY)


async def test_writes_of_a_session_follow_one_another(client):
    """A second write replaces the first, without a read between."""
    session = client.session()
    await session.put("b", KEY, b"1")
    assert (await session.put("b", KEY, b"2")).siblings == 1
    await session.delete("b", KEY)
    assert isinstance(await session.get("b", KEY), Missing)
    assert (await session.put("b", KEY, b"3")).siblings == 1


async def test_a_session_never_drops_what_it_did_not_read(client):
    """Its first, blind write stands beside another's; the second one may not claim to have seen that."""
    await client.put("b", KEY, b"theirs")
    session = client.session()
    assert (await session.put("b", KEY, b"mine")).siblings == 2
    await session.put("b", KEY, b"mine again")
    found = await client.get("b", KEY)
    assert isinstance(found, Siblings)
    assert b"theirs" in {v.value for v in found.values}


async def test_a_delete_never_drops_what_the_session_did_not_read(client):
    """A value that came meanwhile is all that lives after it, and it is not the session's."""
    session = client.session()
    await session.put("b", KEY, b"mine")
    await client.put("b", KEY, b"theirs")
    await session.delete("b", KEY)
    assert (await client.get("b", KEY)).value == b"theirs"
    assert (await session.put("b", KEY, b"mine again")).siblings == 2


async def test_a_lost_answer_teaches_a_session_nothing_to_claim(client, cluster):
    """The write was applied, somebody read and replaced it, then it was repeated: theirs must not be dropped unread."""

    async def overtaken(request):
        first = cluster.first("b", KEY)
        await first._handle(request)
        context = cluster.headers(cluster.records["b", KEY], "b", KEY)["Dynamo-Context"]
        cluster.write("b", KEY, b"theirs", context, "their request")
        return await dropping(request)

    session = client.session()
    cluster.first("b", KEY).faults = [overtaken]
    assert (await session.put("b", KEY, b"mine")).siblings == 1
    assert (await session.put("b", KEY, b"mine again")).siblings == 2


async def test_what_a_session_read_its_next_write_replaces(client):
    """Both siblings were shown, so both go."""
    await client.put("b", KEY, b"1")
    await client.put("b", KEY, b"2")
    session = client.session()
    await session.get("b", KEY)
    assert (await session.put("b", KEY, b"3")).siblings == 1


async def test_keys_do_not_share_contexts(client, cluster):
    """A token of one key says nothing of another."""
    session = client.session()
    await session.put("b", KEY, b"1")
    await session.get("b", b"other")
    assert cluster.calls("GET")[-1].context is None


async def test_a_token_from_another_channel_can_be_demanded(client, cluster, retries):
    """The receiver of a message reads at least what its sender wrote."""
    written = await client.put("b", KEY, b"1")
    session = client.session()
    session.contexts.demand("b", KEY, written.context)
    cluster.records.clear()
    retries(2)
    with pytest.raises(ContextNotReached):
        await session.get("b", KEY)


def test_contexts_of_concurrent_answers_are_joined():
    """Neither covers the other, and a later read must have seen both."""
    contexts = Contexts()
    contexts.demand("b", KEY, token(a=2, b=1))
    contexts.demand("b", KEY, token(a=1, c=3))
    assert clock(contexts.demanded("b", KEY)) == {"a": 2, "b": 1, "c": 3}


def test_a_token_of_an_unknown_format_is_kept_as_it_is():
    """A newer server's token is opaque; the last one wins."""
    contexts = Contexts()
    contexts.demand("b", KEY, token(a=1))
    contexts.demand("b", KEY, "opaque")
    assert contexts.demanded("b", KEY) == "opaque"


def test_a_write_beside_siblings_is_demanded_but_not_claimed():
    """Two tokens, two meanings."""
    contexts = Contexts()
    contexts.after_write(Written(bucket="b", key=KEY, context=token(a=2)), alone=False)
    assert contexts.read("b", KEY) is None
    assert clock(contexts.demanded("b", KEY)) == {"a": 2}
    contexts.after_write(Written(bucket="b", key=KEY, context=token(a=3)), alone=True)
    assert clock(contexts.read("b", KEY)) == {"a": 3}


def test_the_answer_to_a_repeat_is_demanded_but_not_claimed():
    """It may show a later write of somebody else, standing alone as well."""
    contexts = Contexts()
    contexts.after_write(Written(bucket="b", key=KEY, context=token(a=2), attempts=2), alone=True)
    assert contexts.read("b", KEY) is None
    assert clock(contexts.demanded("b", KEY)) == {"a": 2}


def test_a_session_is_bounded():
    """The keys used last are kept; a key that was used again is not the oldest."""
    contexts = Contexts(keys_max=2)
    for key in (b"1", b"2", b"1", b"3"):
        contexts.after_read("b", key, "t")
    assert contexts.demanded("b", b"2") is contexts.read("b", b"2") is None
    assert contexts.demanded("b", b"1") == contexts.demanded("b", b"3") == "t"
