"""After a heal: on how many of a sample of keys do all nodes agree, and who repairs the rest?

From outside a replica is asked by asking its node with R = 1, which answers from its own store where it is a replica.
That is so for every key where the cluster has N nodes. The keys are those that the run touches most, as they are the
ones that changed while a node was away. It runs in a thread of the parent, at a few hundred requests a second.
"""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from dynamo.load.plan import Plan
from dynamo.load.requests import Requests
from dynamo.report.result import Agreement
from dynamo.workload.choosers import chooser

KEYS = 40
EVERY_S = 0.5
FOR_S = 30.0
_DRAWS = 20_000
_TIMEOUT_S = 2.0
Repairs = Callable[[], dict[str, float]]
"""Repairs that the nodes have counted so far, by who made them."""


def busiest(plan: Plan, count: int = KEYS) -> list[int]:
    """The keys that the plan's chooser draws most often."""
    keys = plan.mix.keys
    choose = chooser(keys.chooser, plan.records, theta=keys.theta, hot=(keys.hot_data, keys.hot_operations))
    draw = random.Random(plan.seed).random
    drawn = Counter(choose(draw(), plan.records) for _ in range(_DRAWS))
    return [key for key, _ in drawn.most_common(count)]


def agree(tags: Sequence[str | None]) -> bool:
    """Whether all replicas show the same versions; None is a node that did not answer."""
    return None not in tags and len(dict.fromkeys(tags)) == 1


class Onlooker:
    """Looks from a heal on, until the time is over or `stop` is called. One heal at a time: a new one begins anew."""

    def __init__(self, plan: Plan, began: float, repairs: Repairs | None) -> None:
        self._endpoints = plan.endpoints
        requests = Requests(plan)
        names = [requests.key(key) for key in busiest(plan)]
        self._paths = [f"/v1/kv/{plan.bucket}/{name}?r=1&timeout=1s" for name in names]
        self._began = began
        self._repairs = repairs
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._links: list[http.client.HTTPConnection] = []
        self._differs_since: dict[str, float] = {}
        self.seen: list[Agreement] = []

    def look(self) -> None:
        """Something was healed just now."""
        self.stop()
        self._stopped.clear()
        self.seen = []
        # What differs at the first look has done so since the heal.
        self._differs_since = dict.fromkeys(self._paths, time.monotonic())
        self._thread = threading.Thread(target=self._run, name="onlooker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        if self._thread is not None:
            self._stopped.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        self._links = [http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S) for host, port in self._endpoints]
        until = time.monotonic() + FOR_S
        before = self._counted()
        try:
            while time.monotonic() < until and not self._stopped.wait(EVERY_S):
                self.seen.append(self._once(before))
        finally:
            for link in self._links:
                link.close()

    def _once(self, before: dict[str, float]) -> Agreement:
        differ = [path for path in self._paths if not agree([_tag(link, path) for link in self._links])]
        fixed = {name: max(0.0, number - before.get(name, 0.0)) for name, number in self._counted().items()}
        now = time.monotonic()
        self._differs_since = {path: self._differs_since.get(path, now) for path in differ}
        oldest_s = now - min(self._differs_since.values(), default=now)
        agreed = len(self._paths) - len(differ)
        return Agreement(round(now - self._began, 3), len(self._paths), agreed, fixed, round(oldest_s, 3))

    def _counted(self) -> dict[str, float]:
        return {} if self._repairs is None else self._repairs()


def _tag(link: http.client.HTTPConnection, path: str) -> str | None:
    """What names the versions that a node shows: empty where it has none, None where it does not answer."""
    try:
        link.request("GET", path)
        answer = link.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        link.close()
        return None
    if answer.status == 404:
        return ""
    return answer.getheader("ETag") if answer.status < 400 else None
