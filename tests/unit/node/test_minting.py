import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamo.errors import StorageFull
from dynamo.node.minting import RENEWAL_PAUSE_MAX_S, RENEWAL_PAUSE_S, Mint
from dynamo.telemetry.metrics import Metrics
from tests.unit.node.world import ManualClock, MemoryIdentity

METRICS = Metrics([], "test")


@pytest.fixture
def identity() -> MemoryIdentity:
    return MemoryIdentity()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def mint(clock, identity) -> Mint:
    return Mint("node1", clock, identity, METRICS)


def test_dots_count_up(mint):
    """The actor is node and incarnation; the counter grows over all keys."""
    assert [mint.dot({}), mint.dot({"node1.00000001": 1}), mint.dot({})] == [("node1.00000001", i) for i in (1, 2, 3)]


def test_counting_goes_on_after_a_clean_stop(clock, identity):
    """Where the last run ended, as the identity has noted it."""
    identity.counter = 41
    mint = Mint("node1", clock, identity, METRICS)
    assert mint.dot({}) == ("node1.00000001", 42)
    mint.close()
    assert identity.closed_at == 42


@pytest.mark.parametrize(("known", "renewed"), [(2, False), (3, True), (10**12, True)])
def test_a_counter_of_ours_that_we_have_not_reached(mint, known, renewed):
    """Someone knows an event of ours that we do not: we have forgotten, and become another actor."""
    mint.dot({})
    mint.dot({})
    assert mint.dot({"node1.00000001": known}) == (("node1.00000002", 1) if renewed else ("node1.00000001", 3))


def test_a_counter_shown_by_anyone_counts(mint):
    """Not only the record that is written over: whatever came in by a message."""
    mint.check({"node1.00000001": 1})
    assert mint.dot({}) == ("node1.00000002", 1)


def test_other_actors_do_not_matter(mint):
    """Neither other nodes nor earlier incarnations."""
    mint.check({"node2.00000001": 99, "node1.00000000": 99, "node1": 99})
    assert mint.dot({}) == ("node1.00000001", 1)


def test_after_a_failed_batch_another_actor_mints(mint, clock, identity):
    """Its dots may have left the node; and a stop then is no clean one."""
    mint.dot({})
    mint.forgot()
    mint.close()
    assert identity.closed_at is None
    clock.turn(RENEWAL_PAUSE_S)
    assert mint.dot({}) == ("node1.00000002", 1)
    mint.close()
    assert identity.closed_at == 1


def test_while_writes_keep_failing_actors_are_taken_ever_more_rarely(mint, clock, identity):
    """Each one stays in the clocks of the keys that it wrote: an hour of a full disk costs sixty, not thousands."""
    for _ in range(36_000):
        with contextlib.suppress(StorageFull):
            mint.dot({})
            mint.forgot()
        clock.turn(0.1)
    assert 60 <= identity.number <= 70
    assert RENEWAL_PAUSE_MAX_S == 60


def test_a_batch_that_is_kept_ends_the_pause(mint, clock):
    """Whoever wrote it: there is room again, and the next pause is a short one."""
    for _ in range(5):
        mint.dot({})
        mint.forgot()
        clock.turn(RENEWAL_PAUSE_MAX_S)
    mint.dot({})
    mint.forgot()
    with pytest.raises(StorageFull):
        mint.dot({})
    mint.kept()
    mint.dot({})
    mint.forgot()
    mint.dot({})
    mint.forgot()
    clock.turn(RENEWAL_PAUSE_S)
    mint.dot({})


def test_nothing_is_minted_without_a_kept_identity(mint, clock, identity):
    """While the new incarnation cannot be stored no write is taken; later it is tried again."""
    mint.forgot()
    clock.turn(RENEWAL_PAUSE_S)
    identity.full = True
    for _ in range(2):
        with pytest.raises(StorageFull):
            mint.dot({})
    identity.full = False
    assert mint.dot({}) == ("node1.00000002", 1)


_step = st.sampled_from(["dot", "dot", "forgot", "check", "behind", "clean stop", "crash", "full", "room"])


@given(st.lists(_step, max_size=40))
def test_no_dot_is_ever_minted_twice(steps):
    """Over failed batches, forgotten counters, clean and unclean stops, and a disk that is full for a while."""
    clock, identity = ManualClock(), MemoryIdentity()
    mint = Mint("node1", clock, identity, METRICS)
    minted = []
    for step in steps:
        if step in {"dot", "behind"}:
            try:
                minted.append(mint.dot({mint.actor: mint.counter + 1} if step == "behind" else {}))
            except StorageFull:
                clock.turn(RENEWAL_PAUSE_S)
        elif step == "clean stop":
            identity.closed_at = None
            mint.close()
            if identity.closed_at is None:
                identity.number += 1
                identity.counter = 0
            else:
                identity.counter = identity.closed_at
            mint = Mint("node1", clock, identity, METRICS)
        elif step == "crash":
            identity.number += 1
            identity.counter = 0
            mint = Mint("node1", clock, identity, METRICS)
        elif step in ("full", "room"):
            identity.full = step == "full"
        elif step == "forgot":
            mint.forgot()
        else:
            mint.check({mint.actor: mint.counter})
    assert len(set(minted)) == len(minted)
