"""Every metric of a node, on one page.

The attributes are what the rest of the product counts with: `metrics.lww_discarded.value += 1`,
`metrics.storage_commit_duration.observe(seconds)`. A request looks its series up once, by (op, consistency). What a
label may say is listed here and nowhere else; never a key, a path, an address or an error text.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from dynamo.telemetry.exposition import OPEN_METRICS_TYPE, TEXT_TYPE, Cell, wants_open_metrics
from dynamo.telemetry.pbs_series import PbsSeries
from dynamo.telemetry.series import Catalogue, HintSeries, PaxosSeries, PeerSeries, RequestSeries
from dynamo.telemetry.staleness_series import StalenessSeries

OPS = ("get", "put", "delete", "list", "cas")
"""A resolve counts as the compare-and-set that it asks about."""
CONSISTENCIES = ("one", "quorum", "all", "linearizable", "none")
"""The API's words, for numbers as well (r=2 of 3 is `quorum`); `none` where a request was refused unread."""
OUTCOMES = ("ok", "timeout", "unavailable", "rejected", "error")
"""A missing key is `ok`; `rejected` is the client's doing, `unavailable` the cluster's, `error` a bug or damage."""
SHED_REASONS = ("overloaded", "deadline", "memory", "storage", "draining", "connections", "stalled", "key-queue")
"""Too many requests at work; no time left; too many bytes of bodies; too much waiting for the disk; stopping; too many
connections; read after this process had not run for a while; too many changes of one linearizable key."""
EXCHANGE_RESULTS = ("equal", "differed", "failed")
"""Of a comparison of one partition with one peer."""
PROBE_RESULTS = ("direct", "indirect", "failed", "late")
"""Spelt as in `membership.probe.Result`."""
HINT_REASONS = ("down", "failed", "silent")
"""Spelt as in `replication.write`."""
HEDGE_RESULTS = ("sent", "won", "refused")
"""`won`: of those sent, where the extra answer was among the first R; `refused`: the budget was used up."""
HINT_EVENTS = ("created", "merged", "delivered", "handed_over", "dropped", "refused", "damaged")
"""`handed_over`: to another replica, for age or because the target is none any more; `dropped`: by an operator or with
its bucket; `refused`: none was taken, for want of room.
"""

DAMAGE_PLACES = ("records", "hints", "ballots", "meta", "page")
"""Keyspaces, as they are named on disk."""
HEAL_OUTCOMES = ("repaired", "nothing")
FORGET_RESULTS = ("forgotten", "alive", "away", "damaged", "refused", "stores")
"""`consensus.forgetting.Attempt.result`."""
REAP_OBJECTIONS = ("unsteady", "hint", "damaged", "version", "bucket", "votes", "queued", "young", "silent")

SIZE_LIMITS = ("siblings", "object_bytes")
"""Spelt as in the configuration's section of limits."""

REQUEST_BOUNDS_S = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02),
    *(0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0),
)
COMMIT_BOUNDS_S = (0.00025, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0)
LAG_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SIBLING_BOUNDS = (0, 1, 2, 3, 5, 10, 100)


class Metrics:
    """All series of one node. `peers` are the ids of the other members, `replicas` those of the default bucket."""

    def __init__(self, peers: Sequence[str], version: str, replicas: int = 3) -> None:
        self._catalogue = Catalogue()
        self._refresh: list[Callable[[], None]] = []
        build = {"version": version, "python": platform.python_version()}
        self._gauge("dynamo_build_info", "Always 1; the labels say what runs.", **build).value = 1
        self._make_requests()
        self.peers = {peer: PeerSeries(self._catalogue, peer) for peer in peers}
        self._make_store()
        self._make_replication()
        self._make_membership(peers)
        self._make_quorums()
        self._make_hints(peers)
        self._make_audit()
        self._make_sizes()
        self._make_reaping()
        self._make_repair(peers)
        self._make_paxos()
        self._make_rejoin()
        self.staleness = StalenessSeries(self._catalogue, peers)
        self.pbs = PbsSeries(self._catalogue, replicas)
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)

    def _make_requests(self) -> None:
        requests = "Client requests by operation, consistency asked for and how they ended."
        duration = "Time from the request's headers to the answer."
        self.requests = {
            (op, level): RequestSeries(
                {
                    outcome: self._counter("dynamo_requests_total", requests, op=op, consistency=level, outcome=outcome)
                    for outcome in OUTCOMES
                },
                self._catalogue.histogram(
                    "dynamo_request_duration_seconds", duration, REQUEST_BOUNDS_S, op=op, consistency=level
                ),
            )
            for op in OPS
            for level in CONSISTENCIES
        }
        self.inflight_requests = self._gauge("dynamo_inflight_requests", "Client requests being worked on.")
        self.inflight_limit = self._gauge(
            "dynamo_inflight_max_requests", "Client requests that may be worked on at a time, as the load allows."
        )
        shed = "Requests or connections refused before work began."
        self.shed_requests = self._counters("dynamo_shed_requests_total", shed, "reason", SHED_REASONS)
        """By reason: one of SHED_REASONS."""
        lag = "How much later than asked the event loop ran a timer."
        self.event_loop_lag = self._catalogue.histogram("dynamo_event_loop_lag_seconds", lag, LAG_BOUNDS_S)

    def _make_store(self) -> None:
        self.store_keys = self._gauge("dynamo_store_keys", "Records held, tombstones included.")
        self.store_bytes = self._gauge("dynamo_store_bytes", "Bytes used in the store's file.")
        self.store_map_bytes = self._gauge("dynamo_store_map_bytes", "Largest size of the store's file.")
        self.storage_commits = self._counter(
            "dynamo_storage_commits_total", "Groups of batches written: one write to the log, or one transaction, each."
        )
        self.storage_commit_duration = self._catalogue.histogram(
            "dynamo_storage_commit_duration_seconds", "Time of writing one group, its sync included.", COMMIT_BOUNDS_S
        )
        self.storage_batch_size = self._catalogue.histogram(
            "dynamo_storage_batch_size", "Batches of changes that were written together.", BATCH_BOUNDS
        )
        self.storage_checkpoints = self._counter(
            "dynamo_storage_checkpoints_total", "Times that what the log held was taken over into LMDB."
        )
        self.storage_checkpoint_seconds = self._counter(
            "dynamo_storage_checkpoint_seconds_total", "Time that this took, all together."
        )
        self.storage_log_bytes = self._gauge("dynamo_storage_log_bytes", "Size of the log's files.")
        self.storage_memtable_bytes = self._gauge(
            "dynamo_storage_memtable_bytes", "Values that the log holds and LMDB does not yet."
        )
        self.corrupt_records = self._counter(
            "dynamo_corrupt_records_total", "Stored bytes that failed their checksum or format."
        )
        self.incarnation_renewals = self._counter(
            "dynamo_incarnation_renewals_total", "Times this node took a new identity for its versions."
        )

    def _make_replication(self) -> None:
        repairs = "Replicas that a read brought up to date."
        self.repairs_before_answer = self._counter("dynamo_read_repairs_total", repairs, trigger="before_answer")
        self.repairs_after_answer = self._counter("dynamo_read_repairs_total", repairs, trigger="after_answer")
        self.replication_factor = self._gauge(
            "dynamo_replication_factor", "Replicas of each key in buckets that name no number."
        )
        self.replica_mismatches = self._counter(
            "dynamo_replica_mismatches_total", "Reads whose replicas answered with different versions."
        )
        self.read_siblings = self._catalogue.histogram(
            "dynamo_read_siblings", "Concurrent values found by a read; 0 is a missing key.", SIBLING_BOUNDS
        )
        self.lww_discarded = self._counter(
            "dynamo_lww_discarded_total", "Concurrent values that last-write-wins threw away."
        )
        self.forwarded_requests = self._counter(
            "dynamo_forwarded_requests_total", "Writes and changes handed to the node that is to coordinate them."
        )
        self.repeated_requests = self._counter(
            "dynamo_repeated_requests_total", "Writes recognised as a repeat of one already made."
        )
        self.clock_drift_refusals = self._counter(
            "dynamo_clock_drift_refusals_total", "Timestamps refused for lying too far ahead of this node's clock."
        )

    def _make_membership(self, peers: Sequence[str]) -> None:
        states = "What this node holds the peer to be: 0 alive, 1 suspect, 2 dead."
        self.peer_states = {peer: self._gauge("dynamo_peer_state", states, peer=peer) for peer in peers}
        probes = "Probes of other nodes by how they ended; late: this node itself did not run, and knows nothing."
        self.probes = self._counters("dynamo_probes_total", probes, "result", PROBE_RESULTS)
        """By result: one of PROBE_RESULTS."""
        self.suspicions = self._counter("dynamo_suspicions_total", "Times a peer became suspect here.")
        self.refutations = self._counter(
            "dynamo_refutations_total", "Times this node contradicted that it was suspect or dead."
        )
        self.deaths_declared = self._counter(
            "dynamo_deaths_declared_total", "Times a suspect's time ran out here first, so that it counts as dead."
        )
        self.health_score = self._gauge(
            "dynamo_health_score", "How far this node mistrusts its own view of others: 0 not at all, 4 is the most."
        )

    def _make_reaping(self) -> None:
        self.reaped_records = self._counter(
            "dynamo_reaped_records_total", "Records of deleted or expired keys that this node has forgotten."
        )
        self.reap_waiting = self._gauge(
            "dynamo_reap_waiting_keys", "Dead keys that all nodes agreed on once, until they are asked again."
        )
        against = "Votes of this node against forgetting a key; `silent` counts nodes that did not answer it."
        self.reap_votes_against = self._counters("dynamo_reap_votes_against_total", against, "reason", REAP_OBJECTIONS)
        """By reason: one of REAP_OBJECTIONS."""
        self.reap_walks = self._counter(
            "dynamo_reap_walks_total", "Walks for dead keys through all this node keeps first."
        )
        self.reap_walk_seconds = self._gauge("dynamo_reap_walk_seconds", "Time that the last such walk took.")

    def _make_hints(self, peers: Sequence[str]) -> None:
        events = "What became of hints for replicas that could not take a write."
        self.hints = self._counters("dynamo_hints_total", events, "event", HINT_EVENTS)
        """By event: one of HINT_EVENTS."""
        self.hint_bytes_delivered = self._counter(
            "dynamo_hints_delivered_bytes_total", "Bytes of records in hints that were acknowledged."
        )
        self.inflight_hints = self._gauge("dynamo_inflight_hints", "Hints sent and not answered yet.")
        self.hint_delivery_up = self._gauge(
            "dynamo_hint_delivery_up", "Whether hints are delivered; 0 while an operator has paused it."
        )
        self.pending_hints = {peer: HintSeries(self._catalogue, peer) for peer in peers}

    def _make_audit(self) -> None:
        self.audit_entries = self._counter("dynamo_audit_entries_total", "Stored entries that the auditor verified.")
        damaged = "Damage found, by whoever came upon it; a page is one that the store cannot read at all."
        self.audit_damaged = self._counters("dynamo_audit_damaged_total", damaged, "where", DAMAGE_PLACES)
        """By place: one of DAMAGE_PLACES."""
        self.audit_quarantined = self._counter(
            "dynamo_audit_quarantined_total", "Damaged entries taken out of their keyspace."
        )
        healed = "Damaged keys that the other replicas brought back, or of which they hold nothing."
        self.audit_healed = self._counters("dynamo_audit_healed_total", healed, "outcome", HEAL_OUTCOMES)
        """By outcome: one of HEAL_OUTCOMES."""
        self.audit_in_doubt = self._gauge(
            "dynamo_audit_in_doubt_keys", "Damaged keys that are not brought back yet, and not read to anybody."
        )
        self.audit_leaves_rewritten = self._counter(
            "dynamo_audit_leaves_rewritten_total", "Merkle leaves that did not fit their records, or had none."
        )
        self.audit_finished = self._gauge(
            "dynamo_audit_finished_timestamp_seconds", "When the last whole audit ended; 0 before the first."
        )

    def _make_quorums(self) -> None:
        hints = "Shares of this node's writes that others keep for a replica, by why it did not take them itself."
        self.write_hints = self._counters("dynamo_write_hints_total", hints, "reason", HINT_REASONS)
        """By reason: one of HINT_REASONS."""
        self.unkept_shares = self._counter(
            "dynamo_write_hints_unkept_total", "Shares that a replica did not take and nobody would keep for it."
        )
        self.sloppy_writes = self._counter(
            "dynamo_sloppy_writes_total", "Writes acknowledged with the help of fallbacks: too few replicas had them."
        )
        self.stand_in_writes = self._counter(
            "dynamo_stand_in_writes_total", "Writes that this node coordinated while no replica of their key was alive."
        )
        hedges = "Reads whose slowest answer was late, by whether one more replica was asked, and whether that helped."
        self.hedges = self._counters("dynamo_hedged_reads_total", hedges, "result", HEDGE_RESULTS)
        """By result: one of HEDGE_RESULTS."""

    def _make_repair(self, peers: Sequence[str]) -> None:
        exchanges = "Comparisons of a partition with a peer that this node began, by what came of them."
        self.repair_exchanges = self._counters("dynamo_repair_exchanges_total", exchanges, "result", EXCHANGE_RESULTS)
        """By result: one of EXCHANGE_RESULTS."""
        self.repair_keys_compared = self._counter(
            "dynamo_repair_keys_compared_total", "Keys whose digests comparisons looked at, below hashes that differed."
        )
        keys = "Keys that anti-entropy found to differ, by what came of them."
        self.repair_keys_repaired = self._counter("dynamo_repair_keys_total", keys, result="repaired")
        self.repair_keys_failed = self._counter("dynamo_repair_keys_total", keys, result="failed")
        self.repair_bytes_sent = self._counter(
            "dynamo_repair_bytes_sent_total", "Bytes of questions, answers and records that anti-entropy sent to peers."
        )
        self.repair_last_sweep = self._gauge(
            "dynamo_repair_last_sweep_timestamp_seconds",
            "When all partitions had last been compared with all their replicas; 0 if not since the start.",
        )
        success = "When a partition had last been compared with the peer to its end; 0 if none was since the start."
        self.antientropy_last_success = {
            peer: self._gauge("dynamo_antientropy_last_success_timestamp_seconds", success, peer=peer) for peer in peers
        }
        self.rebuilding_partitions = self._gauge(
            "dynamo_rebuilding_partitions", "Partitions that a node which began empty has not compared with all others."
        )

    def _make_rejoin(self) -> None:
        self.rejoin_partitions = self._gauge(
            "dynamo_rejoin_partitions",
            "Partitions in which a node that began empty may not vote on linearizable keys yet.",
        )
        self.rejoin_keys = self._counter(
            "dynamo_rejoin_keys_total", "Keys whose votes a node that began empty has learned of others."
        )

        attempts = "Attempts to forget keys of linearizable buckets that were deleted long ago, by what came of them."
        self.forget_attempts = self._counters("dynamo_forget_attempts_total", attempts, "result", FORGET_RESULTS)
        """By result: one of FORGET_RESULTS."""
        self.forgotten_keys = self._counter(
            "dynamo_forgotten_keys_total", "Keys of linearizable buckets of whose votes nothing is left here."
        )

    def _make_paxos(self) -> None:
        self.paxos = PaxosSeries(self._catalogue)

    def _make_sizes(self) -> None:
        self.write_siblings = self._catalogue.histogram(
            "dynamo_write_siblings", "Concurrent values of a key after a client's write.", SIBLING_BOUNDS
        )
        refusals = "Client writes refused because the key would have grown over the limit."
        warnings = "Client writes that left a key above the mark at which the log warns."
        overruns = "Merges with other replicas that left a key over the limit; none is refused."
        self.limit_refusals = self._counters("dynamo_limit_refusals_total", refusals, "limit", SIZE_LIMITS)
        """By limit: one of SIZE_LIMITS."""
        self.limit_warnings = self._counters("dynamo_limit_warnings_total", warnings, "limit", SIZE_LIMITS)
        self.limit_overruns = self._counters("dynamo_limit_overruns_total", overruns, "limit", SIZE_LIMITS)

    def on_scrape(self, refresh: Callable[[], None]) -> None:
        """Call `refresh` before each rendering: for gauges that are cheaper to read than to keep."""
        self._refresh.append(refresh)

    def expose(self, accept: str = "") -> tuple[bytes, str]:
        """The whole page and its Content-Type, for a scraper's Accept header. Call on the loop's thread."""
        for refresh in self._refresh:
            refresh()
        if wants_open_metrics(accept):
            page = self._catalogue.render(open_metrics=True)
            process: bytes = openmetrics.generate_latest(self._process)  # type: ignore[no-untyped-call]
            return page.encode() + process, OPEN_METRICS_TYPE
        return self._catalogue.render(open_metrics=False).encode() + generate_latest(self._process), TEXT_TYPE

    def _counter(self, name: str, meaning: str, /, **labels: str) -> Cell:
        return self._catalogue.cell(name, "counter", meaning, **labels)

    def _counters(self, name: str, meaning: str, label: str, words: Sequence[str]) -> dict[str, Cell]:
        """One for each word that the label may say, by word."""
        return self._catalogue.counters(name, meaning, label, words)

    def _gauge(self, name: str, meaning: str, /, **labels: str) -> Cell:
        return self._catalogue.cell(name, "gauge", meaning, **labels)
