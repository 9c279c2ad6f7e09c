"""Delivers hints: to each target that is back, one page after the other, until none is left.

A hint goes only when exactly the bytes that are kept were acknowledged; one that was merged meanwhile stays for the
next round. A target that comes back is often met by many nodes that hold hints for it, so each begins after a random
pause, with a few hints at a time and more with every page that went well; trouble makes it begin small again, after
pauses that double. A hint that its target will not take is passed over, and never holds up those behind it.
"""

from __future__ import annotations

import asyncio

from dynamo.daemons.daemon import pause
from dynamo.daemons.hint_shipment import Page, Shipment
from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout.hint import Hint, decode
from dynamo.layout.keyspaces import Keyspace, split_hint_key, split_record_key, successor
from dynamo.node.node import Node
from dynamo.protocol.bucket import Mode
from dynamo.protocol.effects import PeerFailure
from dynamo.repair.faults import hint_fault
from dynamo.replication.hints import Fate, fate
from dynamo.telemetry.logs import Log

journal = Log("daemons")

WINDOW_MIN = 4
WINDOW_MAX = 64
"""Hints sent to a target at a time."""
PAGE_BYTES = 2**20
"""They come to no more than this, unless one alone does."""
SLICE_S = 2.0
"""How long a round of the daemon works before it looks at all targets again."""
JITTER_S = 1.0
"""Longest pause before a target that has come back is sent its first hint."""
PATIENCE_S = 5.0
"""How long an acknowledgement may take."""
BACK_OFF_S = 1.0
BACK_OFF_MAX_S = 10.0
EXPIRED_PAUSE_S = 60.0
"""Between looks through the hints of a target that stays away."""


class _Course:
    """How far the delivery to one target is."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.cursor = b""
        """Where the present round goes on; empty before its first hint."""
        self.number = 0
        self.clean = True
        self.oldest_ms = 0
        """Of the hints that this round leaves."""
        self.was_alive = False
        self.window = WINDOW_MIN
        self.next_at = 0.0
        self.back_off_s = BACK_OFF_S

    def begin(self, number: int, now_ms: int) -> None:
        self.number, self.clean, self.oldest_ms = number, True, now_ms

    def leave(self, hint: Hint) -> None:
        self.clean = False
        self.oldest_ms = min(self.oldest_ms, hint.first_failed_ms)

    def went_well(self) -> None:
        self.window = min(self.window * 2, WINDOW_MAX)
        self.back_off_s = BACK_OFF_S

    def back_off(self, now: float, dice: float) -> None:
        self.next_at = now + self.back_off_s * (0.5 + dice)
        self.back_off_s = min(self.back_off_s * 2, BACK_OFF_MAX_S)
        self.window = WINDOW_MIN


class HintSender:
    """Daemon."""

    name = "hint-sender"
    period_s = 0.25

    def __init__(self, node: Node) -> None:
        self._node = node
        self._book = node.hints
        self._desk = node.hint_desk
        self._settings = node.config.hints
        self._members = frozenset(m.id for m in node.ring.members)
        self._courses: dict[str, _Course] = {}

    async def run_once(self) -> None:
        """Work for a while on every target that is due, on all of them side by side."""
        if self._desk.paused:
            return
        for target in self._book.targets():
            self._courses.setdefault(target, _Course(target))
        due = [course for course in self._courses.values() if self._is_due(course)]
        # All end before anything is said of one that broke: no target is ever worked on twice at a time.
        for outcome in await asyncio.gather(*(self._work(course) for course in due), return_exceptions=True):
            if outcome is not None:
                raise outcome

    def _is_due(self, course: _Course) -> bool:
        now, alive = self._node.clock.monotonic(), self._is_alive(course.target)
        if alive and not course.was_alive:
            course.next_at = now + JITTER_S * self._node.randomness.random()
            course.window, course.back_off_s = WINDOW_MIN, BACK_OFF_S
        course.was_alive = alive
        return now >= course.next_at and self._is_of_use(course.target, alive=alive)

    def _is_of_use(self, target: str, *, alive: bool) -> bool:
        """Whether any hint can go now: their target is back, or is to be replaced, or they are too old."""
        totals = self._book.totals(target)
        if alive or target not in self._members or not totals.count:
            return totals.count > 0
        return self._node.clock.wall_ms() >= totals.oldest_ms + int(self._settings.age_max_s * 1000)

    def _is_alive(self, node: str) -> bool:
        return node in self._members and self._node.liveness.is_alive(node)

    async def _work(self, course: _Course) -> None:
        """Pages until the slice is over, the round is, or something is in the way."""
        clock = self._node.clock
        until = clock.monotonic() + SLICE_S
        try:
            while clock.monotonic() < until and not self._desk.paused:
                began = clock.monotonic()
                if not course.cursor:
                    course.begin(self._desk.begin_round(course.target), clock.wall_ms())
                page = self._page(course)
                if not page:
                    self._end_round(course)
                    return
                if not await self._deliver(course, page):
                    return
                size = sum(len(stored) + len(data) for stored, data in page)
                course.next_at = began + size / self._settings.delivery_bytes_per_s
                if course.next_at >= until:
                    return
                await pause(clock, course.next_at - clock.monotonic())
        except DynamoError as error:
            self._trouble(course, error.code)

    def _page(self, course: _Course) -> list[tuple[bytes, bytes]]:
        page: list[tuple[bytes, bytes]] = []
        size = 0
        for stored, data in self._book.page(course.target, course.cursor, course.window):
            size += len(stored) + len(data)
            if page and size > PAGE_BYTES:
                break
            page.append((stored, data))
        return page

    async def _deliver(self, course: _Course, page: list[tuple[bytes, bytes]]) -> bool:
        """One page. False if the delivery has to wait a while."""
        ended: list[tuple[bytes, bytes]] = []
        shipments: list[Shipment] = []
        for stored, data in page:
            hint = self._readable(stored, data)
            shipment = None if hint is None else self._shipment(course.target, stored, data, hint)
            if hint is None or (shipment is not None and not shipment.to):
                ended.append((stored, data))
            elif shipment is None:
                course.leave(hint)
            else:
                shipments.append(shipment)
        await Page(self._node, shipments).sent(self._node.clock.monotonic() + PATIENCE_S)
        trouble = self._judge(course, shipments, ended)
        if ended and await self._desk.remove(course.target, ended) < len(ended):
            # One was merged meanwhile: it stays, and is as old as before.
            course.oldest_ms = min([course.oldest_ms, *(shipment.hint.first_failed_ms for shipment in shipments)])
        if trouble != PeerFailure.DOWN.value:
            # Also past what was not acknowledged: a hint that brings its target down must not do so for ever.
            course.cursor = successor(page[-1][0])
        if trouble:
            self._trouble(course, trouble)
            return False
        if ended:
            course.went_well()
        return True

    def _judge(self, course: _Course, shipments: list[Shipment], ended: list[tuple[bytes, bytes]]) -> str:
        """Sort out what was acknowledged. The failure that is not of one hint alone, if there is one."""
        metrics, trouble = self._node.metrics, ""
        for shipment in shipments:
            if not shipment.failure:
                metrics.hints[shipment.event].value += 1
                metrics.hint_bytes_delivered.value += len(shipment.hint.record)
                ended.append((shipment.stored, shipment.data))
                continue
            course.leave(shipment.hint)
            self._desk.problems[course.target] = shipment.failure
            if shipment.is_of_receiver:
                trouble = shipment.failure
        return trouble

    def _readable(self, stored: bytes, data: bytes) -> Hint | None:
        """None if it is damaged: then it is counted and has to go."""
        fault = hint_fault(stored, data, self._node.ring.partitions)
        if not fault:
            return decode(data)
        self._node.quarantine.keep(Keyspace.HINTS, stored, data, fault)
        self._book.report_damage(stored, CorruptValue(fault))
        return None

    def _shipment(self, target: str, stored: bytes, data: bytes, hint: Hint) -> Shipment | None:
        """Where a hint goes now: to nobody if it was dropped with its bucket; None if it has to wait."""
        node = self._node
        partition, name, _ = split_record_key(split_hint_key(stored)[1])
        primaries = node.preference.primaries(partition, node.buckets.placed(name).n)
        decided = fate(
            hint,
            target,
            primaries,
            self._is_alive,
            dropped=node.buckets.is_dropped(name) or node.buckets.placed(name).mode is Mode.LINEARIZABLE,
            now_ms=node.clock.wall_ms(),
        )
        if decided is Fate.WAIT:
            return None
        if decided is Fate.DROP:
            node.metrics.hints["dropped"].value += 1
            return Shipment(stored, data, hint, (), "dropped")
        if decided is Fate.DELIVER:
            return Shipment(stored, data, hint, (target,), "delivered")
        if decided is Fate.HAND_OVER:
            primaries = tuple(node for node in primaries if self._is_alive(node))
        return Shipment(stored, data, hint, primaries, "handed_over")

    def _end_round(self, course: _Course) -> None:
        self._desk.end_round(course.target, course.number, clean=course.clean)
        self._book.none_older(course.target, course.oldest_ms)
        course.cursor = b""
        if not course.clean:
            course.back_off(self._node.clock.monotonic(), self._node.randomness.random())
            if not course.was_alive:
                course.next_at = self._node.clock.monotonic() + EXPIRED_PAUSE_S * (0.5 + self._node.randomness.random())

    def _trouble(self, course: _Course, problem: str) -> None:
        self._desk.problems[course.target] = problem
        course.back_off(self._node.clock.monotonic(), self._node.randomness.random())
        journal.info("hints could not be delivered", target=course.target, problem=problem)
