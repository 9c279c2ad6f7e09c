"""What the nodes say of themselves on their operations listeners, as far as a run shows it: repairs, waiting hints, and
how fresh they predict reads to be.

A node that does not answer counts nothing: it is away, which the run knows already.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from dynamo.report.result import Predicted

REPAIRS: dict[str, tuple[str, ...]] = {
    "read repair": ("dynamo_read_repairs_total",),
    "hints": ('dynamo_hints_total{event="delivered"}',),
    "anti-entropy": ('dynamo_repair_keys_total{result="repaired"}',),
}
"""Series of the nodes that count repairs, by who makes them."""
PENDING = ("dynamo_pending_hints{",)
EVERY_S = 1.0
_TIMEOUT_S = 1.0


class NodePages:
    """The operations listeners of some nodes."""

    def __init__(self, addresses: Sequence[tuple[str, int]]) -> None:
        self._addresses = addresses

    def repairs(self) -> dict[str, float]:
        """What the nodes have counted since they started, by who repaired."""
        pages = list(self._pages())
        return {name: _sum(pages, series) for name, series in REPAIRS.items()}

    def pending_hints(self) -> float:
        """Hints that wait for somebody."""
        return _sum(list(self._pages()), PENDING)

    def predicted(self, n: int) -> list[Predicted]:
        """The predictions for N replicas; empty while no node has one."""
        answers = [json.loads(page)["prediction"] for page in self._pages("/admin/v1/pbs")]
        return averaged([each for each in answers if each is not None and each["replicas"] == n])

    def _pages(self, path: str = "/metrics") -> Iterator[str]:
        for host, port in self._addresses:
            connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                page = answer.read().decode()
            except (OSError, http.client.HTTPException):
                continue
            finally:
                connection.close()
            if answer.status == 200:
                yield page


class HintWatch:
    """Looks at the waiting hints once a second from a moment on, in a thread of its own."""

    def __init__(self, pages: NodePages, began: float) -> None:
        self._pages = pages
        self._began = began
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hint-watch", daemon=True)
        self.seen: list[tuple[float, float]] = []
        """Seconds since the begin, hints."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            hints = self._pages.pending_hints()
            self.seen.append((round(time.monotonic() - self._began, 3), hints))


def averaged(predictions: Sequence[dict[str, Any]]) -> list[Predicted]:
    """One curve for each quorum: probes go through all nodes in turn, so what they see is the nodes' average."""
    found = []
    for same in zip(*(each["quorums"] for each in predictions), strict=True):
        together = zip(*(each["curve"] for each in same), strict=True)
        curve = [(points[0][0], sum(share for _, share in points) / len(points)) for points in together]
        found.append(Predicted(same[0]["read_replies"], same[0]["write_acks"], curve, len(same)))
    return found


def _sum(pages: Sequence[str], series: tuple[str, ...]) -> float:
    """Over all lines that begin with one of these."""
    return sum(float(line.rsplit(" ", 1)[1]) for page in pages for line in page.splitlines() if line.startswith(series))
