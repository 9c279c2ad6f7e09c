"""What operators do with hints: stop and go over restarts, throw away, wait until what was there is delivered."""

import asyncio

import pytest

from dynamo.errors import InvalidParameter, StorageFull
from dynamo.layout.keyspaces import Keyspace
from dynamo.replication.hints import HintTotals
from dynamo.versioning.record import encode
from tests.unit.daemons.post import HOLDER, Post, of

TARGET = "node2"


@pytest.fixture
async def post() -> Post:
    return Post()


async def kept(post: Post, target: str = TARGET, count: int = 1) -> list[bytes]:
    keys = post.keys_of(target, count)
    for number, key in enumerate(keys):
        await post.keep(target, key, of("a", number + 1))
    return keys


async def test_status(post: Post):
    """How many, how large, how old, and whether they could go."""
    assert post.holder.hint_desk.status() == []
    await kept(post, TARGET, 2)
    await kept(post, "node3")
    post.world.network.down = {TARGET}
    post.turn(60)
    two, three = post.holder.hint_desk.status()
    assert (two.target, two.count, two.oldest_age_s, two.alive) == (TARGET, 2, 60, False)
    assert two.size_bytes == sum(len(stored) + len(data) for stored, data in post.book.page(TARGET, b"", 9))
    assert (three.target, three.count, three.alive) == ("node3", 1, True)


async def test_a_pause_outlives_the_node(post: Post):
    """Nothing is delivered until somebody says so, hints are kept all the same."""
    (key,) = await kept(post)
    await post.holder.hint_desk.pause()
    await post.work()
    assert post.sent() == []
    post.holder = post.world.crash(HOLDER)
    post.sender = type(post.sender)(post.holder)
    assert post.holder.hint_desk.paused
    await post.keep(TARGET, key, of("b", 1))
    await post.work()
    assert post.sent() == []
    await post.holder.hint_desk.resume()
    await post.work()
    assert post.book.targets() == []
    assert not post.world.crash(HOLDER).hint_desk.paused


async def test_a_pause_that_the_disk_refuses(post: Post):
    """Is reported: it would not outlive a restart."""
    post.world.storage[HOLDER].full = True
    with pytest.raises(StorageFull):
        await post.holder.hint_desk.pause()


async def test_dropped_hints_are_gone(post: Post):
    """All of one target, none of another; the log and a counter say so."""
    await kept(post, TARGET, 300)
    await kept(post, "node3")
    assert await post.holder.hint_desk.drop(TARGET) == 300
    assert post.book.targets() == ["node3"]
    assert post.book.totals(TARGET) == HintTotals()
    assert len(post.world.storage[HOLDER].durable[Keyspace.HINTS]) == 1
    assert post.counted("dropped") == 300


@pytest.mark.parametrize("target", [TARGET, "node9", ""])
async def test_nothing_to_drop(post: Post, target: str):
    """A name that was misspelt should not look like a success."""
    with pytest.raises(InvalidParameter):
        await post.holder.hint_desk.drop(target)


class TestWaiting:
    def begin(self, post: Post, timeout_s: float = 1000.0) -> asyncio.Task[list[str]]:
        deadline = post.world.clock.now + timeout_s
        return post.loop.create_task(post.holder.hint_desk.wait(deadline))

    async def test_without_hints_it_ends_at_once(self, post: Post):
        """There is nothing to wait for."""
        assert await self.begin(post) == []

    async def test_it_ends_when_the_hints_are_delivered(self, post: Post):
        """Not before, and for every target."""
        await kept(post, TARGET, 3)
        await kept(post, "node3")
        post.world.network.down = {TARGET}
        waiting = self.begin(post)
        await post.work()
        assert not waiting.done()
        post.world.network.down = set()
        await post.work()
        assert await waiting == []

    async def test_it_does_not_wait_for_hints_that_came_later(self, post: Post):
        """A node that goes on failing now and then would never let it end."""
        keys = await kept(post, TARGET, 3)
        waiting = self.begin(post)
        carry = post.world.network.carry

        def growing(*sending) -> None:
            carry(*sending)
            if growing.left:
                growing.left -= 1
                post.book.store(TARGET, "b", keys[0], encode(of(f"c{growing.left}", 1)), lambda _: None)

        growing.left = 1000
        post.world.network.carry = growing
        await post.work()
        assert post.book.totals(TARGET).count
        assert waiting.done()
        assert await waiting == []

    async def test_a_round_that_was_under_way_does_not_count(self, post: Post):
        """It may have passed by the place where a hint of before the call lies."""
        await kept(post, TARGET, 3)
        number = post.holder.hint_desk.begin_round(TARGET)
        waiting = self.begin(post)
        await post.settle()
        post.holder.hint_desk.end_round(TARGET, number, clean=True)
        await post.settle()
        assert not waiting.done()
        number = post.holder.hint_desk.begin_round(TARGET)
        post.holder.hint_desk.end_round(TARGET, number, clean=False)
        await post.settle()
        assert not waiting.done()
        number = post.holder.hint_desk.begin_round(TARGET)
        post.holder.hint_desk.end_round(TARGET, number, clean=True)
        assert await waiting == []

    async def test_too_late(self, post: Post):
        """Who still has hints is said, at the deadline and not after it."""
        await kept(post, TARGET)
        await kept(post, "node3")
        post.world.network.down = {TARGET}
        waiting = self.begin(post, 10)
        await post.work(9)
        assert not waiting.done()
        await post.work(2)
        assert await waiting == [TARGET]

    async def test_dropped_hints_are_not_waited_for(self, post: Post):
        """They will never be delivered."""
        await kept(post, TARGET)
        post.world.network.down = {TARGET}
        waiting = self.begin(post)
        await post.settle()
        await post.holder.hint_desk.drop(TARGET)
        assert await waiting == []
