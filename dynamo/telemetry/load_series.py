"""The load generator's own series, `dynamo_load_*`: the truth beside what nodes say of themselves.

Same labels and bounds as the nodes' series where they measure the same, so that one query compares both. The levels and
operations are those of the run, hence closed; every series exists from the start.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamo.telemetry.exposition import Cell, Histogram
from dynamo.telemetry.series import Catalogue

LOAD_OUTCOMES = ("ok", "refused", "timeout", "unavailable", "rejected", "error")
LOAD_VERDICTS = ("fresh", "stale", "concurrent", "unknown")
LOAD_GUARANTEES = ("monotonic_reads", "read_your_writes")
LOAD_DURATION_BOUNDS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip
LOAD_STALENESS_BOUNDS = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""A fresh read observes 0, so that one histogram tells the stale share, too."""


class LoadSeries:
    """All series of one run. `kinds`: operation and level of all that is asked. `reads`: levels of reads."""

    def __init__(self, kinds: Sequence[tuple[str, str]], reads: Sequence[str]) -> None:
        self._catalogue = catalogue = Catalogue()
        requests = "Operations that ended, by what came of them."
        self.requests = {
            (op, level): [
                catalogue.cell(
                    "dynamo_load_requests_total", "counter", requests, op=op, consistency=level, outcome=outcome
                )
                for outcome in LOAD_OUTCOMES
            ]
            for op, level in kinds
        }
        """By operation and level: one cell for each of LOAD_OUTCOMES."""
        self.response = self._durations("dynamo_load_response_duration_seconds", "from the intended start", kinds)
        self.service = self._durations("dynamo_load_service_duration_seconds", "from the moment it was sent", kinds)
        delay = "From the intended start of an operation to the moment it was sent."
        self.send_delay = catalogue.histogram("dynamo_load_send_delay_seconds", delay, LOAD_DURATION_BOUNDS)
        checks = "Reads held against the writes that were acknowledged before they began."
        self.checks = {
            level: [
                catalogue.cell("dynamo_load_read_checks_total", "counter", checks, consistency=level, verdict=verdict)
                for verdict in LOAD_VERDICTS
            ]
            for level in reads
        }
        late = "Begin of a read minus the acknowledgement of the oldest write that it missed; 0 for a fresh one."
        self.staleness = {
            level: catalogue.histogram(
                "dynamo_load_read_staleness_seconds", late, LOAD_STALENESS_BOUNDS, consistency=level
            )
            for level in reads
        }
        self.violations = self._violations(reads)
        self.target_rate = self._plain(
            "dynamo_load_target_rate", "gauge", "Operations a second that the schedule asks for now."
        )
        self.in_flight = self._plain("dynamo_load_inflight_requests", "gauge", "Requests that are under way.")
        self.dropped = self._plain("dynamo_load_dropped_total", "counter", "Operations that were due and never sent.")

    def render(self, *, open_metrics: bool) -> str:
        """The page."""
        return self._catalogue.render(open_metrics=open_metrics)

    def _plain(self, name: str, kind: str, meaning: str) -> Cell:
        return self._catalogue.cell(name, kind, meaning)

    def _durations(self, name: str, since: str, kinds: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Histogram]:
        return {
            (op, level): self._catalogue.histogram(
                name,
                f"How long operations took, {since}.",
                LOAD_DURATION_BOUNDS,
                op=op,
                consistency=level,
            )
            for op, level in kinds
        }

    def _violations(self, reads: Sequence[str]) -> dict[tuple[str, str], Cell]:
        meaning = "Reads that broke what their session was promised."
        return {
            (level, guarantee): self._catalogue.cell(
                "dynamo_load_session_violations_total", "counter", meaning, consistency=level, guarantee=guarantee
            )
            for level in reads
            for guarantee in LOAD_GUARANTEES
        }
