"""A hint ends when a replica has it: delivered, handed over, or passed on; never unread, and never in another's way."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dynamo.daemons.hint_sender import WINDOW_MAX, WINDOW_MIN
from dynamo.errors import ClockDrift, Overloaded, StorageFull
from dynamo.layout.keyspaces import Keyspace
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.codec import refusal
from dynamo.replication.hints import HintTotals
from dynamo.versioning.record import encode
from tests.unit.daemons.post import HOLDER, Post, of

TARGET = "node2"


@pytest.fixture
async def post() -> Post:
    return Post()


async def test_a_hint_is_delivered_and_goes(post: Post):
    """The target has the record, byte for byte; nothing is left here."""
    key = post.key_of(TARGET)
    await post.keep(TARGET, key, of("a", 1))
    await post.work()
    assert post.held(TARGET, key) == of("a", 1)
    assert post.book.targets() == []
    assert post.world.storage[HOLDER].durable[Keyspace.HINTS] == {}
    assert post.counted("delivered") == 1
    assert post.holder.metrics.hint_bytes_delivered.value == len(encode(of("a", 1)))


async def test_a_target_that_is_away_is_sent_nothing(post: Post):
    """Until it is back; then it gets everything, and nobody else does."""
    keys = post.keys_of(TARGET, 3)
    for number, key in enumerate(keys):
        await post.keep(TARGET, key, of("a", number + 1))
    post.world.network.down = {TARGET}
    await post.work(30)
    assert post.sent() == []
    post.world.network.down = set()
    await post.work()
    assert [post.held(TARGET, key) for key in keys] == [of("a", 1), of("a", 2), of("a", 3)]
    assert len(post.sent(TARGET)) == len(post.sent()) == 3


async def test_a_hint_merged_while_it_was_sent_stays(post: Post):
    """Only what was acknowledged goes; the rest is in the next round."""
    key = post.key_of(TARGET)
    await post.keep(TARGET, key, of("a", 1))
    carry = post.world.network.carry

    def merging(*sending) -> None:
        post.world.network.carry = carry
        post.book.store(TARGET, "b", key, encode(of("c", 1)), lambda _: None)
        carry(*sending)

    post.world.network.carry = merging
    await post.work(5)
    assert post.counted("delivered") == 2
    held = post.held(TARGET, key)
    assert held is not None
    assert [s.dot for s in held.siblings] == [("a", 1), ("c", 1)]
    assert post.book.totals(TARGET) == HintTotals()


async def test_a_merged_hint_is_as_old_as_its_first_write(post: Post):
    """The round that delivered the first part of it does not make it younger."""
    key = post.key_of(TARGET)
    await post.keep(TARGET, key, of("a", 1))
    born_ms = post.world.clock.wall
    post.turn(50)
    carry = post.world.network.carry

    def merging(*sending) -> None:
        carry(*sending)
        post.book.store(TARGET, "b", key, encode(of("c", 1)), lambda _: None)
        post.loop.call_later(0, post.world.network.down.add, TARGET)

    post.world.network.carry = merging
    await post.work(5)
    assert post.book.totals(TARGET).count == 1
    assert post.book.totals(TARGET).oldest_ms == born_ms


async def test_delivery_goes_on_where_it_was(post: Post):
    """A target that goes away in the middle gets the rest when it is back, each hint once."""
    keys = post.keys_of(TARGET, 20)
    for number, key in enumerate(keys):
        await post.keep(TARGET, key, of("a", number + 1))
    carry, left = post.world.network.carry, [7]

    def dying(*sending) -> None:
        left[0] -= 1
        if left[0] == 0:
            post.world.network.down = {TARGET}
        carry(*sending)

    post.world.network.carry = dying
    await post.work(5)
    delivered = post.counted("delivered")
    assert 0 < delivered < 20
    assert post.book.totals(TARGET).count == 20 - delivered
    post.world.network.down = set()
    await post.work(20)
    assert all(post.held(TARGET, key) is not None for key in keys)
    assert post.counted("delivered") == 20


@pytest.mark.parametrize("error", [ClockDrift("ahead"), StorageFull("full"), Overloaded("busy")])
async def test_a_refused_hint_stays_and_is_sent_again(post: Post, error):
    """Ever more rarely while the target refuses."""
    key = post.key_of(TARGET)
    await post.keep(TARGET, key, of("a", 1))
    post.refuse(TARGET, refusal(error))
    await post.work(60)
    assert 3 <= len(post.sent()) <= 12, "pauses double"
    assert post.book.totals(TARGET).count == 1
    assert post.holder.hint_desk.status()[0].problem == error.code
    post.accept(TARGET)
    await post.work(60)
    assert post.held(TARGET, key) == of("a", 1)
    assert post.book.targets() == []


async def test_a_hint_that_is_not_taken_holds_up_no_other(post: Post):
    """The first one is refused for ever, those behind it arrive."""
    keys = post.keys_of(TARGET, 12)
    for number, key in enumerate(keys):
        await post.keep(TARGET, key, of("a", number + 1))
    first = min(keys, key=lambda k: post.holder.preference.partition("b", k).to_bytes(2, "big") + k)
    post.refuse(TARGET, refusal(ClockDrift("ahead")), first)
    await post.work(5)
    assert [key for key in keys if post.held(TARGET, key) is None] == [first]
    assert post.book.totals(TARGET).count == 1


async def test_a_hint_that_silences_its_target_holds_up_no_other(post: Post):
    """Nor does one that is never answered."""
    keys = post.keys_of(TARGET, 3 * WINDOW_MIN)
    for number, key in enumerate(keys):
        await post.keep(TARGET, key, of("a", number + 1))
    first = min(keys, key=lambda k: post.holder.preference.partition("b", k).to_bytes(2, "big") + k)
    carry = post.world.network.carry

    def losing(sender, peer, message, *rest) -> None:
        post.world.network.silent = {TARGET} if getattr(message, "key", b"") == first else set()
        carry(sender, peer, message, *rest)

    post.world.network.carry = losing
    await post.work(20)
    assert [key for key in keys if post.held(TARGET, key) is None] == [first]


async def test_a_damaged_hint_goes(post: Post):
    """It is counted and logged, and the others are delivered."""
    keys = post.keys_of(TARGET, 3)
    for number, key in enumerate(keys):
        await post.keep(TARGET, key, of("a", number + 1))
    hints = post.world.storage[HOLDER].durable[Keyspace.HINTS]
    stored = sorted(hints)[1]
    hints[stored] = hints[stored][:-1] + b"?"
    await post.work()
    assert hints == {}
    assert post.book.totals(TARGET) == HintTotals()
    assert (post.counted("damaged"), post.counted("delivered")) == (1, 2)


class TestTooOld:
    AGE_S = 100.0

    @pytest.fixture
    async def post(self) -> Post:
        return Post(age_max_s=self.AGE_S)

    async def test_it_is_handed_to_the_other_replicas(self, post: Post):
        """All that are alive have it on disk before the hint goes."""
        key = post.key_of(TARGET)
        await post.keep(TARGET, key, of("a", 1))
        post.world.network.down = {TARGET}
        await post.work(self.AGE_S - 5)
        assert post.sent() == []
        await post.work(10)
        others = [node for node in post.world.primaries(key) if node != TARGET]
        assert [post.held(node, key) for node in others] == [of("a", 1)] * 2
        assert post.book.targets() == []
        assert (post.counted("handed_over"), post.counted("delivered")) == (1, 0)

    async def test_it_waits_while_no_replica_is_there(self, post: Post):
        """Never unread, however old."""
        key = post.key_of(TARGET)
        await post.keep(TARGET, key, of("a", 1))
        post.world.network.down = set(post.world.primaries(key))
        await post.work(self.AGE_S * 3)
        assert post.book.totals(TARGET).count == 1
        post.world.network.down = {TARGET}
        await post.work(self.AGE_S)
        assert post.book.targets() == []

    async def test_younger_ones_stay(self, post: Post):
        """Each hint has an age of its own."""
        old, young = post.keys_of(TARGET, 2)
        await post.keep(TARGET, old, of("a", 1))
        post.world.network.down = {TARGET}
        await post.work(self.AGE_S / 2)
        await post.keep(TARGET, young, of("a", 2))
        born_ms = post.world.clock.wall
        await post.work(self.AGE_S / 2 + 5)
        assert not post.book.holds_any("b", old)
        assert post.book.holds_any("b", young)
        assert born_ms - 100 <= post.book.totals(TARGET).oldest_ms <= born_ms

    async def test_the_keeper_may_be_a_replica_itself(self):
        """Three nodes of three: nobody else is left to keep a hint. Its own copy alone is not enough to let it go."""
        post = Post(3, age_max_s=self.AGE_S)
        await post.keep(TARGET, b"k", of("a", 1))
        post.world.network.down = {"node2", "node3"}
        await post.work(self.AGE_S + 5)
        assert post.book.targets() == [TARGET]
        post.world.network.down = {"node2"}
        await post.work(self.AGE_S)
        assert [post.held(node, b"k") for node in (HOLDER, "node3")] == [of("a", 1)] * 2
        assert post.book.targets() == []


class TestElsewhere:
    async def test_a_target_that_is_no_replica_any_more(self, post: Post):
        """All present replicas get the record."""
        key = post.key_of("node3", "node4", "node5")
        await post.keep(TARGET, key, of("a", 1))
        await post.work()
        assert [post.held(node, key) for node in ("node3", "node4", "node5")] == [of("a", 1)] * 3
        assert post.held(TARGET, key) is None
        assert post.counted("handed_over") == 1

    async def test_not_before_all_of_them_have_it(self, post: Post):
        """One that is away is waited for."""
        key = post.key_of("node3", "node4", "node5")
        await post.keep(TARGET, key, of("a", 1))
        post.world.network.down = {"node4"}
        await post.work()
        assert post.book.totals(TARGET).count == 1
        post.world.network.down = set()
        await post.work(60)
        assert post.book.targets() == []
        assert post.held("node4", key) == of("a", 1)

    async def test_a_target_that_has_left_the_cluster(self, post: Post):
        """Its hints go to those who took over."""
        key = post.key_of(TARGET)
        await post.keep(TARGET, key, of("a", 1))
        durable = post.world.storage[HOLDER].durable
        for space in (Keyspace.HINTS, Keyspace.META):
            for stored in [stored for stored in durable[space] if b"node2" in stored]:
                durable[space][stored.replace(b"node2", b"gone")] = durable[space].pop(stored)
        durable[Keyspace.META].pop(b"hints/totals/node2", None)
        post.book.load()
        assert post.book.targets() == ["gone"]
        await post.work()
        assert [post.held(node, key) for node in post.world.primaries(key)] == [of("a", 1)] * 3
        assert post.book.targets() == []

    @pytest.mark.parametrize("now", [{"deleted": True}, {"mode": Mode.LINEARIZABLE, "generation": 2}])
    async def test_a_bucket_dropped_meanwhile(self, post: Post, now: dict):
        """Takes its hints along, without a message; also where one that takes none was made in its place."""
        key = post.key_of(TARGET)
        await post.keep(TARGET, key, of("a", 1))
        post.holder.buckets.learn(
            [BucketProperties(name="b", created=(1, "z"), changed=(2, "z"), **now)], lambda _: None
        )
        await post.work()
        assert post.sent() == []
        assert post.book.targets() == []
        assert post.counted("dropped") == 1


async def test_pages_grow_while_all_goes_well(post: Post):
    """A target that has just come back is not buried."""
    keys = post.keys_of(TARGET, 100)
    for number, key in enumerate(keys):
        await post.keep(TARGET, key, of("a", number + 1))
    waves: list[int] = []
    carry = post.world.network.carry
    ticks = [0]

    def counting(*sending) -> None:
        if post.holder.hint_desk.inflight != (waves[-1] if waves else 0) or ticks[0] == 0:
            waves.append(post.holder.hint_desk.inflight)
        ticks[0] += 1
        carry(*sending)

    post.world.network.carry = counting
    await post.work()
    assert waves[:4] == [WINDOW_MIN, WINDOW_MIN * 2, WINDOW_MIN * 4, WINDOW_MIN * 8]
    assert max(waves) <= WINDOW_MAX
    assert post.holder.hint_desk.inflight == 0


async def test_the_throttle(post: Post):
    """Bytes a second and no more, over many hints."""
    slow = Post(delivery_bytes_per_s=2_000)
    keys = slow.keys_of(TARGET, 40)
    for number, key in enumerate(keys):
        await slow.keep(TARGET, key, of("a", number + 1, b"x" * 450))
    began = slow.world.clock.now
    seconds = []
    while slow.book.targets():
        await slow.work(0.1)
        seconds.append((slow.world.clock.now - began, 40 - slow.book.totals(TARGET).count))
        assert slow.world.clock.now - began < 60
    assert 7 <= seconds[-1][0] <= 20
    assert all(count * 500 <= 2_000 * (after_s + 1) + 16 * 600 for after_s, count in seconds)


async def test_a_restart_of_the_keeper_loses_nothing(post: Post):
    """Hints are on disk, and so is whom they are for."""
    key = post.key_of(TARGET)
    await post.keep(TARGET, key, of("a", 1))
    post.holder = post.world.crash(HOLDER)
    post.sender = type(post.sender)(post.holder)
    await post.work()
    assert post.held(TARGET, key) == of("a", 1)


async def test_one_broken_target_does_not_stop_the_others(post: Post):
    """A bug on the way to one of them is reported once all have had their turn."""
    for target in (TARGET, "node3"):
        await post.keep(target, post.key_of(target), of("a", 1))
    carry = post.world.network.carry

    def breaking(sender, peer, *rest) -> None:
        if peer == TARGET:
            raise RuntimeError("a bug")
        carry(sender, peer, *rest)

    post.world.network.carry = breaking
    with pytest.raises(RuntimeError, match="a bug"):
        await post.work()
    await post.settle()
    assert post.book.targets() == [TARGET]


happenings = st.lists(
    st.tuples(st.sampled_from(["keep", "keep", "away", "back", "crash", "work", "full", "room"]), st.integers(0, 2)),
    max_size=14,
)


@given(happenings)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_was_kept_arrives_whatever_happens(happening):
    """Any order of new hints, absences, crashes of both sides, full disks and deliveries: in the end the target holds
    all that was acknowledged, no hint is left, and the totals say so.
    """
    asyncio.run(_story(happening))


async def _story(happening) -> None:
    post = Post()
    keys, kept, counter = post.keys_of(TARGET, 3), set(), 0
    for event, choice in happening:
        if event == "keep":
            counter += 1
            record, told = of(f"a{counter}", 1), []
            try:
                post.book.store(TARGET, "b", keys[choice], encode(record), told.append)
            except StorageFull:
                continue
            await post.settle(choice)
            if told == [None]:
                kept.add((keys[choice], f"a{counter}"))
        elif event == "away":
            post.world.network.down = {TARGET}
        elif event == "back":
            post.world.network.down = set()
        elif event == "crash":
            victim = (HOLDER, TARGET, HOLDER)[choice]
            post.world.crash(victim)
            if victim == HOLDER:
                post.holder = post.world[HOLDER]
                post.sender = type(post.sender)(post.holder)
        elif event in ("full", "room"):
            post.world.storage[(HOLDER, TARGET, TARGET)[choice]].full = event == "full"
        else:
            await post.work(1.0)
    post.world.network.down = set()
    for storage in post.world.storage.values():
        storage.full = False
    await post.settle()
    await post.work(120)
    assert (post.book.targets(), post.world.storage[HOLDER].durable[Keyspace.HINTS]) == ([], {})
    for key, actor in sorted(kept):
        held = post.held(TARGET, key)
        assert actor in held.clock
        assert actor in {s.actor for s in held.siblings}
