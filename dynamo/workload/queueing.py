"""Waiting, worked out: a queue in front of one core, and the k-th of n answers. No clock, no randomness.

A node is one server. Requests and messages arrive at random (Poisson) and are taken in turn. The formula of Pollaczek
and Khinchine gives their mean wait, and who waits does so for an exponential time: exact for exponential services, and
the limit of every such queue under heavy load. Times are spread over a grid of equal steps; sums and order statistics
are worked out on it, and nothing is drawn.
Source: Kleinrock, Queueing Systems, vol. 1, 1975, sections 3.2 and 5.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import comb, exp

import msgspec

STEPS = 256
"""Of a grid. What lies beyond its end is counted at the end."""
NEGLIGIBLE = 1e-9
"""Shares that do not show in a sum."""


class Job(msgspec.Struct, frozen=True):
    """One kind of work of a server: how many come for each operation, and how long one takes on average."""

    count: float
    service_us: float


def utilisation(jobs: Sequence[Job], operations_per_s: float) -> float:
    """The share of its time that the server works."""
    return operations_per_s * sum(job.count * job.service_us for job in jobs) / 1e6


def mean_wait_us(jobs: Sequence[Job], operations_per_s: float) -> float:
    """Mean time before a job is begun, where each kind's services are exponential. The server must keep up."""
    busy = utilisation(jobs, operations_per_s)
    assert busy < 1, "a queue that only grows has no mean"
    square = sum(job.count * 2 * job.service_us**2 for job in jobs)
    return operations_per_s / 1e6 * square / (2 * (1 - busy))


class Spread:
    """A time that varies: the share that lies in each step of a grid. What may follow it makes another one."""

    def __init__(self, step_us: float, shares: Sequence[float]) -> None:
        assert len(shares) == STEPS, "all spreads are added on grids of one length"
        self.step_us = step_us
        self.shares = list(shares)

    def later(self, time_us: float) -> Spread:
        """And always the same on top."""
        steps = min(int(time_us / self.step_us), STEPS - 1)
        found = [0.0] * steps + self.shares[: STEPS - steps]
        found[-1] += sum(self.shares[STEPS - steps :]) if steps else 0.0
        return Spread(self.step_us, found)

    def served(self, mean_us: float) -> Spread:
        """And an exponential service of that mean: geometric on the grid, so a step follows from the one before."""
        if mean_us <= 0:
            return self
        stays = exp(-self.step_us / mean_us)
        found: list[float] = []
        under_way = 0.0
        for share in self.shares:
            under_way += share
            found.append(under_way * (1 - stays))
            under_way *= stays
        found[-1] += under_way
        return Spread(self.step_us, found)

    def queued(self, busy: float, mean_us: float) -> Spread:
        """And the wait in front of a server: none with the share of time that it is free, else exponential."""
        if busy <= 0:
            return self
        waits = self.served(mean_us / busy).shares
        return Spread(self.step_us, [(1 - busy) * a + busy * b for a, b in zip(self.shares, waits, strict=True)])

    def of_several(self, wanted: int, asked: int) -> Spread:
        """When `wanted` of `asked` independent ones are over."""
        assert 0 < wanted <= asked, "no more answers than questions"
        below = [
            sum(comb(asked, done) * there**done * (1 - there) ** (asked - done) for done in range(wanted, asked + 1))
            for there in (min(1.0, each) for each in accumulate(self.shares))
        ]
        return Spread(self.step_us, [now - before for now, before in zip(below, [0.0, *below[:-1]], strict=True)])

    def plus(self, other: Spread) -> Spread:
        """The sum of two independent times."""
        assert self.step_us == other.step_us, "grids of one step"
        found = [0.0] * STEPS
        for place, share in enumerate(self.shares):
            if share > NEGLIGIBLE:
                for more, its in enumerate(other.shares):
                    found[min(place + more, STEPS - 1)] += share * its
        return Spread(self.step_us, found)

    def quantile_us(self, share: float) -> float:
        """The time by which that share is over: the middle of its step."""
        reached = accumulate(self.shares)
        place = next((place for place, so_far in enumerate(reached) if so_far >= share - 1e-9), STEPS)
        return (place + 0.5) * self.step_us


def at_once(step_us: float) -> Spread:
    """No time at all."""
    return Spread(step_us, [1.0, *([0.0] * (STEPS - 1))])
