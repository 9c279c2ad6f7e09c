"""Virtual time, streams from one seed, and a trace that a replay can be compared by."""

import asyncio
import time

import pytest

from dynamo.simulation.world import WALL_START_MS, Life, SimulatedClock, Stalled, World


def test_a_day_costs_nothing():
    """The clock jumps to each timer, exactly."""
    world = World(1)
    seen: list[float] = []

    async def main() -> float:
        world.loop.call_later(0.1, lambda: seen.append(world.now()))
        world.loop.call_later(3600.0, lambda: seen.append(world.now()))
        async with asyncio.timeout(90_000):
            await world.sleep(86_400)
        return world.now()

    began = time.monotonic()
    assert world.run(main()) == 86_400
    assert time.monotonic() - began < 5
    assert seen == [0.1, 3600.0]


def test_waiting_for_nothing_is_an_error():
    """A real loop would hang."""
    world = World(1)

    async def main() -> None:
        await world.loop.create_future()

    with pytest.raises(Stalled, match="nothing is scheduled"):
        world.run(main())


def test_spinning_is_an_error():
    """Callbacks that call each other without time passing."""
    world = World(1)

    def again() -> None:
        world.loop.call_soon(again)

    async def main() -> None:
        again()
        await world.sleep(1)

    with pytest.raises(Stalled, match="spins"):
        world.run(main())


def test_there_are_no_threads():
    """Work that would leave the loop is refused."""
    world = World(1)

    async def main() -> None:
        await asyncio.to_thread(lambda: 1)

    with pytest.raises(RuntimeError, match="no threads"):
        world.run(main())


def test_streams_are_forked_by_label():
    """Equal labels give equal draws; more draws from one stream shift no other."""
    one, two = World(5), World(5)
    [one.stream("a").random() for _ in range(10)]
    assert one.stream("b", 1).random() == two.stream("b", 1).random()
    assert one.stream("b", 1).random() != one.stream("b", 2).random()
    assert one.stream("b").random() != World(6).stream("b").random()


def test_the_trace_tells_runs_apart():
    """By what happened, in which order, and when."""

    def hash_of(*lines: str, pause_s: float = 0.0) -> str:
        world = World(1)

        async def main() -> None:
            for line in lines:
                await world.sleep(pause_s)
                world.note(line)

        world.run(main())
        return world.trace_hash

    assert hash_of("a", "b") == hash_of("a", "b")
    assert len({hash_of("a", "b"), hash_of("b", "a"), hash_of("a"), hash_of("a", "b", pause_s=0.5)}) == 4


def test_the_trace_is_kept_when_asked():
    """With the time of each line."""
    world = World(1, keep_trace=True)
    world.note("begin")
    assert world.trace == ["0.000000 begin"]
    world.loop.close()


def test_an_exception_that_nobody_caught_is_kept():
    """It does not stop the world, and is not lost."""
    world = World(1)

    async def main() -> None:
        world.after(0.5, lambda: {}[1])
        await world.sleep(1)

    world.run(main())
    assert len(world.unhandled) == 1
    assert "KeyError" in world.unhandled[0]


def test_tasks_that_are_left_are_ended():
    """A finished world leaves nothing behind."""
    world = World(1)
    ended: list[bool] = []

    async def endless() -> None:
        try:
            await world.loop.create_future()
        finally:
            ended.append(True)

    async def main() -> None:
        task = world.loop.create_task(endless())
        await world.sleep(1)
        assert not task.done()

    world.run(main())
    assert ended == [True]
    assert world.loop.is_closed()


def test_wake_ups_come_at_their_time():
    """Not before, to the nanosecond, on a clock whose origin is another on every node."""
    world = World(1)
    clocks = [SimulatedClock(world, Life(node, number), lag_s=0.01) for number, node in enumerate(("n1", "n2", "n3"))]
    assert len({clock.monotonic() for clock in clocks}) == 3
    late: list[float] = []

    async def main() -> None:
        for clock in clocks:
            for number in range(50):
                when = clock.monotonic() + number * 0.1
                clock.call_at(when, lambda clock=clock, when=when: late.append(clock.monotonic() - when))
        await world.sleep(60)

    world.run(main())
    assert len(late) == 150
    assert all(-1e-9 <= late_s <= 0.011 for late_s in late)


def test_a_dead_node_is_not_woken():
    """Its wake-ups die with it."""
    world = World(1)
    life = Life("n1", 1)
    woken: list[str] = []

    async def main() -> None:
        clock = SimulatedClock(world, life)
        clock.call_at(clock.monotonic() + 1, lambda: woken.append("before"))
        clock.call_at(clock.monotonic() + 3, lambda: woken.append("after"))
        await world.sleep(2)
        life.alive = False
        await world.sleep(2)

    world.run(main())
    assert woken == ["before"]


def test_wall_clocks_can_be_wrong():
    """They jump; monotonic time does not."""
    world = World(1)

    async def main() -> None:
        clock = SimulatedClock(world, Life("n1", 1), skew_ms=500)
        before = clock.monotonic()
        assert clock.wall_ms() == WALL_START_MS + 500
        clock.skew_ms = -2000
        await world.sleep(1)
        assert clock.wall_ms() == WALL_START_MS - 1000
        assert clock.monotonic() == before + 1

    world.run(main())


def test_a_paused_node_is_woken_when_it_is_resumed():
    """All that was due meanwhile happens then: timers first, in the order in which they were due, then what came in."""
    world = World(1)
    life = Life("n1", 1)
    woken: list[tuple[str, float]] = []

    async def main() -> None:
        clock = SimulatedClock(world, life)
        for name, after_s in (("second", 2), ("first", 1), ("third", 3), ("later", 9)):
            clock.call_at(clock.monotonic() + after_s, lambda name=name: woken.append((name, world.now())))
        life.pause()
        life.do(lambda: woken.append(("message", world.now())))
        await world.sleep(5)
        assert woken == []
        life.resume(world)
        await world.sleep(5)

    world.run(main())
    assert [name for name, _ in woken] == ["first", "second", "third", "message", "later"]
    assert [round(at, 3) for _, at in woken] == [5.0, 5.0, 5.0, 5.0, 9.0]


def test_a_node_that_is_killed_while_paused_is_never_woken():
    """As a stopped process that gets SIGKILL."""
    world = World(1)
    life = Life("n1", 1)
    woken: list[str] = []

    async def main() -> None:
        life.pause()
        life.do(woken.append, "held")
        life.alive = False
        life.resume(world)
        await world.sleep(1)

    world.run(main())
    assert woken == []


def test_what_may_be_late_because_of_a_pause():
    """What began before its end, and nothing that began after it."""
    world = World(1)
    life = Life("n1", 1)

    async def main() -> None:
        assert not life.was_paused_since(0.0)
        await world.sleep(1)
        life.pause()
        assert life.was_paused_since(1.0)
        await world.sleep(1)
        life.resume(world)
        assert life.was_paused_since(1.5)
        assert not life.was_paused_since(2.0)

    world.run(main())
