"""Series that belong together: of one kind of request, of one peer, of linearizable keys. `metrics.py` makes them.

What a label may say is listed where its series are made and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynamo.telemetry.exposition import Cell, Family, Histogram

PEER_FAILURES = ("down", "lost", "timeout", "refused")
"""Spelt as in `protocol.effects.PeerFailure`."""
ROUND_KINDS = ("lead", "full", "contended")
LEAD_RESULTS = ("used", "lost")
CHANGE_RESULTS = ("applied", "unchanged", "repeated", "refused", "unknown")
"""`unchanged`: its condition did not hold, or it was a read."""
READ_WAYS = ("fast", "replayed", "round")
PAXOS_PHASES = ("prepare", "accept")
ROUND_TRIP_BOUNDS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 32)
FOLD_BOUNDS = (1, 2, 4, 8, 16, 32, 64)


class Catalogue:
    """The families made so far, in order."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    def cell(self, name: str, kind: str, meaning: str, /, **labels: str) -> Cell:
        return self._family(name, kind, meaning).cell(labels)

    def counters(self, name: str, meaning: str, label: str, words: Sequence[str]) -> dict[str, Cell]:
        """One for each word that the label may say, by word."""
        return {word: self.cell(name, "counter", meaning, **{label: word}) for word in words}

    def histogram(self, name: str, meaning: str, bounds: Sequence[float], /, **labels: str) -> Histogram:
        return self._family(name, "histogram", meaning).histogram(labels, bounds)

    def _family(self, name: str, kind: str, meaning: str) -> Family:
        return self._families.setdefault(name, Family(name, kind, meaning))

    def render(self, *, open_metrics: bool) -> str:
        out: list[str] = []
        for family in self._families.values():
            family.render(out, open_metrics=open_metrics)
        return "".join(out)


class RequestSeries:
    """The series of one op at one consistency."""

    __slots__ = ("duration", "outcomes")

    def __init__(self, outcomes: dict[str, Cell], duration: Histogram) -> None:
        self.outcomes = outcomes
        self.duration = duration

    def finished(self, outcome: str, seconds: float) -> None:
        """Count one request: how it ended (one of OUTCOMES) and how long it took."""
        self.outcomes[outcome].value += 1
        self.duration.observe(seconds)


class PeerSeries:
    """The series of one peer, as this node sees it."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "failures",
        "messages_received",
        "messages_sent",
        "reconnects",
        "up",
    )

    def __init__(self, catalogue: Catalogue, peer: str) -> None:
        def counter(name: str, meaning: str, /, **labels: str) -> Cell:
            return catalogue.cell(name, "counter", meaning, peer=peer, **labels)

        self.up = catalogue.cell("dynamo_peer_up", "gauge", "Whether this node is connected to the peer.", peer=peer)
        messages = "Messages exchanged with the peer, requests and replies."
        self.messages_sent = counter("dynamo_peer_messages_total", messages, direction="sent")
        self.messages_received = counter("dynamo_peer_messages_total", messages, direction="received")
        volume = "Bytes of frames exchanged with the peer."
        self.bytes_sent = counter("dynamo_peer_bytes_total", volume, direction="sent")
        self.bytes_received = counter("dynamo_peer_bytes_total", volume, direction="received")
        self.reconnects = counter("dynamo_peer_reconnects_total", "Connections to the peer made after the first.")
        self.failures = {
            kind: counter("dynamo_peer_failures_total", "Sends that brought no answer.", kind=kind)
            for kind in PEER_FAILURES
        }
        """By kind: one of PEER_FAILURES."""


class HintSeries:
    """The hints that wait for one peer."""

    __slots__ = ("bytes", "count", "oldest_age_s")

    def __init__(self, catalogue: Catalogue, peer: str) -> None:
        def gauge(name: str, meaning: str) -> Cell:
            return catalogue.cell(name, "gauge", meaning, peer=peer)

        self.count = gauge("dynamo_pending_hints", "Hints kept for the peer.")
        self.bytes = gauge("dynamo_pending_hints_bytes", "Their bytes in the store, keys included.")
        oldest = "No hint for the peer is older; 0 without hints."
        self.oldest_age_s = gauge("dynamo_pending_hints_oldest_age_seconds", oldest)


class PaxosSeries:
    """Linearizable keys: what this node did as a coordinator, and what it refused as an acceptor."""

    __slots__ = (
        "backoffs",
        "ballots_ahead_s",
        "changes",
        "leads",
        "queued",
        "reads",
        "rejections",
        "round_changes",
        "round_trips",
        "rounds",
        "takeovers",
    )

    def __init__(self, catalogue: Catalogue) -> None:
        rounds = "Rounds of changes that this node coordinated: on a lead, in two phases, or with others interfering."
        self.rounds = catalogue.counters("dynamo_paxos_rounds_total", rounds, "kind", ROUND_KINDS)
        """By kind: one of ROUND_KINDS."""
        trips = "Round trips that such a round took."
        self.round_trips = catalogue.histogram("dynamo_paxos_round_trips", trips, ROUND_TRIP_BOUNDS)
        folded = "Changes of one key that were made in one round."
        self.round_changes = catalogue.histogram("dynamo_paxos_round_changes", folded, FOLD_BOUNDS)
        self.backoffs = catalogue.cell(
            "dynamo_paxos_backoffs_total", "counter", "Times a round was begun anew, as another node had gone further."
        )
        leads = "Rounds that began with the lead of the one before, by whether it was still worth something."
        self.leads = catalogue.counters("dynamo_paxos_leads_total", leads, "result", LEAD_RESULTS)
        """By result: one of LEAD_RESULTS."""
        changes = "Changes that this node coordinated, reads that needed a round among them, by what came of them."
        self.changes = catalogue.counters("dynamo_paxos_changes_total", changes, "result", CHANGE_RESULTS)
        """By result: one of CHANGE_RESULTS."""
        reads = "Linearizable reads by what they took: one question, a replay of what was found, or a round."
        self.reads = catalogue.counters("dynamo_paxos_reads_total", reads, "way", READ_WAYS)
        """By way: one of READ_WAYS."""
        self.takeovers = catalogue.cell(
            "dynamo_paxos_takeovers_total", "counter", "Changes taken over from a coordinator that was silent."
        )
        self.queued = catalogue.cell("dynamo_paxos_queue_changes", "gauge", "Changes that wait for their key's turn.")
        rejections = "Messages that this node rejected as an acceptor: it had promised or accepted more."
        self.rejections = catalogue.counters("dynamo_paxos_rejections_total", rejections, "phase", PAXOS_PHASES)
        """By phase: one of PAXOS_PHASES."""
        ahead = "How far the highest ballot seen is ahead of this node's clock: much, if some node's clock was wrong."
        self.ballots_ahead_s = catalogue.cell("dynamo_paxos_ballots_ahead_seconds", "gauge", ahead)
