"""One seed, one world: virtual time, random streams by label, and a trace of all that happened.

The loop is asyncio's own with one change: where it would wait, the clock jumps to the next timer. So a day of idle time
costs nothing, and the order of all callbacks follows from the seed alone. If nothing is left to wait for, a real loop
would hang for ever; this one raises `Stalled`.

Every part of a simulation draws from its own stream, forked from the seed by a label: one more draw in one part does
not shift the draws of another. The trace's hash is what a replay is compared by; it must not depend on PYTHONHASHSEED.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from math import inf, nextafter
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")

WALL_START_MS = 1_700_000_000_000
"""Wall-clock time of every node when a world begins."""
TURN_S = 0.0005
"""How long a turn of a node's loop lasts at most, if it is not busy: what comes within it leaves together."""
IDLE_STEPS_MAX = 200_000
"""Steps of the loop without time passing, after which it is taken to spin."""


class Stalled(RuntimeError):
    """The loop can never go on: nothing is due and nothing is scheduled, or it spins without time passing."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose clock jumps instead of waiting. It has no sockets and no threads."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._idle_steps = 0
        self._clock_resolution = 1e-9
        self._selector = self
        """The base class asks its selector to wait; here that is `select` below."""

    def __del__(self) -> None:
        """It holds nothing of the system's, so one that was never closed is no leak, and needs no warning."""

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        """Stands in for waiting: jumps to the next timer, exactly, so that no callback sees a time before its own."""
        if timeout is None:
            raise Stalled(f"at {self._now:.6f} s everything waits and nothing is scheduled")
        if timeout > 0:
            due: float = self._scheduled[0].when()  # type: ignore[attr-defined]
            self._now = max(self._now, min(due, self._now + timeout + 1.0))
            self._idle_steps = 0
        self._idle_steps += 1
        if self._idle_steps > IDLE_STEPS_MAX:
            raise Stalled(f"at {self._now:.6f} s the loop spins without time passing")
        return []

    def _process_events(self, event_list: list[object]) -> None:
        """No sockets, no events."""

    def _write_to_self(self) -> None:
        """No other thread ever has to wake this loop."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        raise RuntimeError("a simulated node has no threads; the work belongs behind a port")


class World:
    """What all parts of one simulation share."""

    def __init__(self, seed: int, *, keep_trace: bool = False) -> None:
        self.seed = seed
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._on_unhandled)
        self.trace: list[str] = []
        """Lines of the trace, if they are kept."""
        self.unhandled: list[str] = []
        """Exceptions that no code caught. Each is a bug."""
        self.events = 0
        self._keep_trace = keep_trace
        self._hash = hashlib.blake2b(digest_size=8)

    def stream(self, *labels: object) -> Random:
        """The random stream of that label: equal for equal seed and label, unrelated to every other."""
        name = "/".join(map(str, (self.seed, *labels)))
        return Random(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "big"))

    def now(self) -> float:
        """Seconds since the world began."""
        return self.loop.time()

    def note(self, line: str) -> None:
        """Add an event to the trace."""
        self.events += 1
        text = f"{self.loop.time():.6f} {line}"
        self._hash.update(text.encode())
        if self._keep_trace:
            self.trace.append(text)

    @property
    def trace_hash(self) -> str:
        """Sixteen hex digits over every event so far."""
        return self._hash.hexdigest()

    def after(self, delay_s: float, callback: Callable[..., None], *args: object) -> None:
        """Call back after a virtual delay."""
        self.loop.call_later(delay_s, callback, *args)

    async def sleep(self, delay_s: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(delay_s)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to the end, then close the loop; whatever still runs in it is cancelled. Raises Stalled."""
        asyncio.set_event_loop(self.loop)
        try:
            return self.loop.run_until_complete(main)
        finally:
            self._close()

    def _close(self) -> None:
        left = sorted(asyncio.all_tasks(self.loop), key=lambda task: task.get_name())
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        self.loop.close()

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        said = f"{context.get('message')}: {problem!r}" if problem is not None else str(context.get("message"))
        self.unhandled.append(said)
        self.note(f"unhandled {said}")
        if problem is not None and self._keep_trace:
            self.trace.extend(_stack(problem))


def _stack(problem: BaseException) -> list[str]:
    lines = []
    at = problem.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        lines.append(f"    {code.co_filename.rpartition('/')[2]}:{at.tb_lineno} {code.co_name}")
        at = at.tb_next
    return lines


_Call = tuple[Callable[..., None], tuple[object, ...]]


class Life:
    """One run of a node, from start to stop or crash. After its end nothing it asked for happens any more.

    A life can be paused, as SIGSTOP does to a process: its sockets stay open and nobody is told. Whatever is due to it,
    timers, messages and answers of its disk, is held back, and happens at once when it is resumed: first the timers,
    as a loop runs them before it reads its sockets (uvloop does), then the rest, each in the order in which it was due.
    """

    __slots__ = ("_held", "_overdue", "alive", "node", "number", "paused", "resumed_at")

    def __init__(self, node: str, number: int) -> None:
        self.node = node
        self.number = number
        self.alive = True
        self.paused = False
        self.resumed_at = -inf
        """When it was last resumed, in seconds of the world."""
        self._overdue: list[_Call] = []
        self._held: list[_Call] = []

    def do(self, callback: Callable[..., None], *args: object) -> None:
        """Call now, or when it is resumed; never if it has ended by then."""
        if not self.alive:
            return
        if self.paused:
            self._held.append((callback, args))
        else:
            callback(*args)

    def wake(self, callback: Callable[..., None], *args: object) -> None:
        """The same for a timer."""
        if self.alive and self.paused:
            self._overdue.append((callback, args))
        else:
            self.do(callback, *args)

    def pause(self) -> None:
        """From now on nothing happens to it."""
        self.paused = True

    def resume(self, world: World) -> None:
        """All that was held back happens in this moment."""
        self.paused = False
        self.resumed_at = world.now()
        held, self._overdue, self._held = self._overdue + self._held, [], []
        for callback, args in held:
            world.loop.call_soon(self.do, callback, *args)

    def was_paused_since(self, when: float) -> bool:
        """Whether it is paused, or was at any time after `when`: what it was to do by then may be late."""
        return self.paused or self.resumed_at > when


class SimulatedClock:
    """The Clock port of one life of a node.

    Monotonic time has another origin on every node, so that a deadline which leaks from one node to another is found.
    Wall time may be skewed and may jump. Wake-ups come up to `lag_s` late, and turns last as long, as on a busy loop.
    """

    def __init__(self, world: World, life: Life, skew_ms: int = 0, lag_s: float = 0.0) -> None:
        self._world = world
        self._life = life
        self._dice = world.stream("clock", life.node, life.number)
        self._turns = world.stream("turns", life.node, life.number)
        self._origin_s = float(self._dice.randrange(1_000, 1_000_000))
        self._lag_s = lag_s
        self.skew_ms = skew_ms
        """What wall time is ahead by; may be changed at any time."""

    def monotonic(self) -> float:
        return self._world.loop.time() + self._origin_s

    def wall_ms(self) -> int:
        return WALL_START_MS + int(self._world.loop.time() * 1000) + self.skew_ms

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        due = when - self._origin_s
        while due + self._origin_s < when:
            due = nextafter(due, inf)
        lag_s = self._dice.random() * self._lag_s if self._lag_s else 0.0
        self._world.loop.call_at(max(due, self._world.loop.time()) + lag_s, self._life.wake, callback)

    def soon(self, callback: Callable[[], None]) -> None:
        turn_s = self._turns.random() * max(TURN_S, self._lag_s)
        self._world.loop.call_at(self._world.loop.time() + turn_s, self._life.wake, callback)


class SeededRandomness:
    """The Randomness port, from a stream."""

    def __init__(self, stream: Random) -> None:
        self._stream = stream

    def random(self) -> float:
        return self._stream.random()

    def token_bytes(self, count: int) -> bytes:
        return self._stream.randbytes(count)
