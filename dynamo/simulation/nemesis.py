"""Who makes things go wrong: carries out the faults of a plan, then heals them all."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from dynamo.layout.keyspaces import Keyspace
from dynamo.simulation.cluster import BROKEN_S, POLL_S, Cluster
from dynamo.simulation.network import Weather
from dynamo.simulation.plan import Plan
from dynamo.simulation.recorder import Recorder

POWER_CUT_SHARE = 0.3
"""Of crashes, where several nodes may be down: all nodes at once."""
BREAK_S = 2.0
"""How long a disk waits for a sync that it can fail."""
WIPE_PAUSE_S = 5.0
"""Longer than any request."""
OLD_COPY_S = 5.0
"""How long an older copy may run without meeting anybody who knows better."""
ROTTING = (Keyspace.RECORDS, Keyspace.RECORDS, Keyspace.DIGESTS, Keyspace.HINTS)
"""Where bits flip, and how often."""
Fault = Callable[[], Coroutine[Any, Any, None]]


class Nemesis:
    """Carries out a plan until told to stop, then heals everything."""

    def __init__(
        self,
        cluster: Cluster,
        recorder: Recorder,
        plan: Plan,
        rotting: tuple[Keyspace, ...] = ROTTING,
        *,
        only_known_copies: bool = False,
    ) -> None:
        self._cluster = cluster
        self._only_known_copies = only_known_copies
        """Whether older copies are put back only where all others would know them (decision 0016, limits)."""
        self._rotting = rotting
        self._network = cluster.network
        self._recorder = recorder
        self._plan = plan
        self._dice = cluster.world.stream("nemesis")
        self._over = False
        self._rotten = ""
        self._wiped = False

    def faults(self) -> list[Fault]:
        """One endless task for each kind of fault that the plan has."""
        kinds = (
            (self._plan.partition_s, self._partition),
            (self._plan.slow_link_s, self._slow_link),
            (self._plan.reset_s, self._reset),
            (self._plan.crash_s, self._crash),
            (self._plan.stop_s, self._stop),
            (self._plan.clock_s, self._clock),
            (self._plan.full_s, self._full),
            (self._plan.break_s, self._break),
            (self._plan.away_s, self._away),
            (self._plan.old_copy_s, self._old_copy),
            (self._plan.freeze_s, self._freeze),
            (self._plan.rot_s, self._rot),
            (self._plan.wipe_s, self._wipe),
        )
        return [self._repeating(every_s, fault) for every_s, fault in kinds if every_s]

    def heal(self) -> None:
        """End all faults: links whole, disks with room, clocks right, messages no longer lost, every node up."""
        self._over = True
        self._network.mend_all()
        self._network.weather = self.calm(self._plan)
        for node in self._cluster.ids:
            habits = self._cluster.platters[node].habits
            habits.full, habits.broken, habits.stall = False, False, 0.0
            self._cluster.skew(node, 0)
        self._cluster.start_all()
        self._recorder.remark("all faults end")

    @staticmethod
    def calm(plan: Plan) -> Weather:
        """The plan's network on a day without faults."""
        return Weather(delay_s=plan.weather.delay_s, notice_s=plan.weather.notice_s)

    def _repeating(self, every_s: float, fault: Fault) -> Fault:
        async def repeat() -> None:
            while not self._over:
                await self._pause(every_s)
                if not self._over:
                    await fault()

        return repeat

    async def _pause(self, mean_s: float) -> None:
        await self._cluster.world.sleep(self._dice.expovariate(1 / mean_s))

    async def _partition(self) -> None:
        kind = self._dice.choice((self._isolate, self._halve, self._one_way, self._bridge, self._pair))
        for source, target in kind():
            self._network.cut(source, target)
        await self._pause(self._plan.partition_s)
        self._network.mend_all()
        self._recorder.remark("links are whole")

    def _isolate(self) -> list[tuple[str, str]]:
        """One node alone."""
        alone = self._any()
        self._recorder.remark(f"{alone} is isolated")
        return [link for other in self._cluster.ids if other != alone for link in ((alone, other), (other, alone))]

    def _halve(self) -> list[tuple[str, str]]:
        """Two sides."""
        mixed = self._mixed()
        left, right = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]
        self._recorder.remark(f"{' '.join(left)} are cut from {' '.join(right)}")
        return [link for one in left for other in right for link in ((one, other), (other, one))]

    def _bridge(self) -> list[tuple[str, str]]:
        """Two sides, and one node that sees both."""
        mixed = self._mixed()
        middle = mixed.pop()
        left, right = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]
        self._recorder.remark(f"{' '.join(left)} are cut from {' '.join(right)}, {middle} sees both")
        return [link for one in left for other in right for link in ((one, other), (other, one))]

    def _one_way(self) -> list[tuple[str, str]]:
        """Messages pass one way only."""
        source, target = self._mixed()[:2]
        self._recorder.remark(f"nothing passes from {source} to {target}")
        return [(source, target)]

    def _pair(self) -> list[tuple[str, str]]:
        """Two nodes lose each other."""
        one, other = self._mixed()[:2]
        self._recorder.remark(f"{one} and {other} are cut from each other")
        return [(one, other), (other, one)]

    async def _slow_link(self) -> None:
        source, target = self._mixed()[:2]
        self._network.delays[source, target] = self._dice.uniform(0.01, 1.0)
        self._recorder.remark(f"the link from {source} to {target} is slow")
        await self._pause(self._plan.slow_link_s)
        self._network.delays.pop((source, target), None)

    async def _reset(self) -> None:
        source, target = self._mixed()[:2]
        self._recorder.remark(f"the connection from {source} to {target} breaks")
        self._network.reset(source, target)

    async def _crash(self) -> None:
        struck = [self._any()]
        if self._plan.down_max > 1 and self._dice.random() < POWER_CUT_SHARE:
            struck = self._mixed()
        for node in struck:
            if node in self._cluster.running and self._down() < self._plan.down_max:
                self._recorder.remark(f"{node} loses power")
                self._cluster.crash(node)
        for node in struck:
            await self._restart(node)

    async def _stop(self) -> None:
        node = self._any()
        if node not in self._cluster.running or self._down() >= self._plan.down_max:
            return
        self._recorder.remark(f"{node} is stopped")
        await self._cluster.stop(node)
        await self._restart(node)

    async def _restart(self, node: str) -> None:
        await self._cluster.world.sleep(self._dice.choice((0.01, 0.3, 2.0)) * self._dice.random())
        if node not in self._cluster.running:
            self._recorder.remark(f"{node} is started")
            self._cluster.start(node)

    async def _clock(self) -> None:
        node = self._any()
        skew_ms = self._dice.randint(-self._plan.skew_max_ms, self._plan.skew_max_ms)
        self._recorder.remark(f"the clock of {node} is {skew_ms} ms off")
        self._cluster.skew(node, skew_ms)

    async def _full(self) -> None:
        node = self._any()
        self._recorder.remark(f"the disk of {node} is full")
        self._cluster.platters[node].habits.full = True
        await self._pause(self._plan.full_s)
        self._cluster.platters[node].habits.full = False

    async def _break(self) -> None:
        node = self._any()
        if node not in self._cluster.running or self._down() >= self._plan.down_max:
            return
        self._recorder.remark(f"the disk of {node} fails to sync")
        habits = self._cluster.platters[node].habits
        habits.broken = True
        until = self._cluster.world.now() + BREAK_S
        while node in self._cluster.running and habits.broken and self._cluster.world.now() < until:
            await self._cluster.world.sleep(POLL_S)
        habits.broken = False
        await self._cluster.world.sleep(2 * BROKEN_S)
        await self._restart(node)

    async def _away(self) -> None:
        """A node is gone for long, in one of the ways there are."""
        node = self._any()
        if node not in self._cluster.running or self._down() >= self._plan.down_max:
            return
        seconds = self._dice.uniform(0.0, self._plan.away_max_s)
        way = self._dice.choice(("loses power", "is stopped", "is paused", "is isolated"))
        self._recorder.remark(f"{node} {way} for {seconds:.0f} s")
        if way == "loses power":
            self._cluster.crash(node)
        elif way == "is stopped":
            await self._cluster.stop(node)
        elif way == "is paused":
            self._cluster.pause(node)
        else:
            for other in self._cluster.ids:
                if other != node:
                    self._network.cut(node, other)
        until = self._cluster.world.now() + seconds
        while not self._over and self._cluster.world.now() < until:
            await self._cluster.world.sleep(0.5)
        self._cluster.resume(node)
        self._network.mend_all()
        await self._restart(node)

    async def _old_copy(self) -> None:
        """An operator puts back a copy that was made some time ago, sees what comes of it, and takes the other disk."""
        node = self._any()
        copy = self._cluster.copy_disk(node)
        await self._pause(self._plan.old_copy_s)
        if node not in self._cluster.running or self._down() >= self._plan.down_max or self._over:
            return
        self._cluster.crash(node)
        present = self._cluster.copy_disk(node)
        if present.starts == copy.starts or (self._only_known_copies and not self._is_known(node, present.starts)):
            await self._restart(node)  # nothing would tell the copy from a crash that lost the last writes
            return
        self._recorder.remark(f"{node} is started on an older copy of its disk")
        refused = len(self._cluster.refused)
        self._cluster.put_back(node, copy)
        self._cluster.start(node)
        patience = self._cluster.world.now() + OLD_COPY_S
        while node in self._cluster.running and self._cluster.world.now() < patience:
            await self._cluster.world.sleep(POLL_S)
        self._recorder.remark(f"{node} {'ended itself' if len(self._cluster.refused) > refused else 'was not told'}")
        if node in self._cluster.running:
            self._cluster.crash(node)
        self._cluster.put_back(node, present)
        await self._restart(node)

    def _is_known(self, node: str, starts: int) -> bool:
        """Whether every other node runs, and has met that start of this one."""
        others = [self._cluster.running[other].node for other in self._cluster.ids if other in self._cluster.running]
        met = [other for other in others if any(a.node == node and a.starts >= starts for a in other.store_ages.all())]
        return len(met) == len(self._cluster.ids) - 1

    async def _freeze(self) -> None:
        """SIGSTOP, and SIGCONT after a while: shorter than anybody needs to notice, or longer."""
        node = self._any()
        if node in self._cluster.running:
            self._recorder.remark(f"{node} is frozen")
            self._cluster.pause(node)
            await self._cluster.world.sleep(self._dice.choice((0.3, 2.0, 10.0)) * self._dice.random())
            self._cluster.resume(node)

    async def _rot(self) -> None:
        self._rotten = self._rotten or self._any()
        running = self._cluster.running.get(self._rotten)
        if running is not None:
            running.storage.rot(self._dice.choice(self._rotting), self._dice)

    async def _wipe(self) -> None:
        node = self._any()
        if self._wiped or node not in self._cluster.running or self._down():
            return
        self._wiped = True
        self._recorder.remark(f"the disk of {node} breaks")
        self._cluster.crash(node)
        # What its acknowledgements were part of is answered before they are worth nothing any more.
        await self._cluster.world.sleep(WIPE_PAUSE_S)
        if node in self._cluster.running:
            return
        self._cluster.wipe(node)
        await self._restart(node)

    def _down(self) -> int:
        return len(self._cluster.ids) - len(self._cluster.running)

    def _any(self) -> str:
        return self._dice.choice(self._cluster.ids)

    def _mixed(self) -> list[str]:
        return self._dice.sample(self._cluster.ids, len(self._cluster.ids))
