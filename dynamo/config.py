"""Layer 0. All settings of a node: one frozen section each, with their defaults. Units are in the names.

Where they come from, and what is checked: `config_load.py`.
"""

from __future__ import annotations

import msgspec


class NodeSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This node."""

    id: str = "node1"
    data_dir: str = ".dynamo/node1"


class MemberSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One node of the cluster, as the others reach it."""

    id: str
    host: str = "127.0.0.1"
    client_port: int = 7610
    peer_port: int = 7611
    ops_port: int = 7612
    zone: str = ""
    weight: int = 1
    host_label: str = ""
    """Which machine the node runs on, where several run on one; `host` is only how it is reached."""


class ClusterSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all nodes of a cluster must agree on; the same in every node's file."""

    name: str = "dynamo"
    epoch: int = 1
    """Number of the topology below. Makes no change of it possible: a store with data refuses another placement under
    any number. Nodes of different numbers refuse each other's requests.
    """
    partitions: int = 256
    """Chosen when the cluster is made; a power of two."""
    members: tuple[MemberSection, ...] = (MemberSection(id="node1"),)


class ListenSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where this node listens. Ports come from its own entry among the members."""

    host: str = "127.0.0.1"
    """For clients and peers."""
    ops_host: str = "127.0.0.1"


class TlsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """TLS 1.3 with mutual authentication between nodes. PEM files; a certificate's DNS name must be its node's id."""

    enabled: bool = False
    cert_file: str = ""
    """This node's certificate, with any intermediate ones after it."""
    key_file: str = ""
    """Its private key, not encrypted."""
    ca_file: str = ""
    """The authority that every node's certificate must come from."""


class StorageSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The store on disk."""

    engine: str = "log"
    """`log`: a write is one append to a log, which LMDB takes over by and by. `lmdb`: it is a transaction of LMDB."""
    durability: str = "sync"
    """`sync`: an acknowledgement means it is on disk. `async`: the machine's crash may lose it, the process's not."""
    map_size_bytes: int = 16 * 2**30
    """Largest size of the LMDB file; sparse, so it costs nothing until it is used."""
    on_damage: str = "refuse"
    """What a start does that finds the file truncated or unreadable: `refuse`, or `set-aside`: move it out of the way,
    begin empty under a new incarnation, and be filled by the other nodes.
    """


class LimitsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bounds on what a client may send or hold."""

    value_bytes_max: int = 2**20
    siblings_warn: int = 10
    siblings_max: int = 100
    object_bytes_warn: int = 2 * 2**20
    object_bytes_max: int = 16 * 2**20
    """A record with all its siblings."""
    connections_max: int = 4096
    inflight_max: int = 1024
    """Client requests being worked on."""
    header_timeout_s: float = 10.0
    """A connection that has not finished its headers, or is idle, by then is closed."""
    body_timeout_s: float = 10.0
    """Time for a client to send a whole body."""
    peer_frame_bytes_max: int = 32 * 2**20
    peer_queue_bytes_max: int = 64 * 2**20
    """Bytes waiting to be sent to one peer; above it, sends to it fail at once."""
    inflight_bytes_max: int = 256 * 2**20
    """Bodies of client requests being worked on; above it a request with a body is refused."""
    store_queue_bytes_max: int = 64 * 2**20
    """Changes waiting for the disk; above it writes are refused, those of peers, too."""


class HttpSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How clients are listened to."""

    hot_path: bool = True
    """Carry out plain requests for keys without aiohttp's machinery: the same answers for less than half the work."""


class RequestsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How requests are carried out."""

    timeout_s: float = 2.0
    """Deadline of a request that names none."""
    timeout_max_s: float = 60.0
    read_all_share: float = 0.1
    """Share of reads that are sent to all N replicas, so that late answers can repair the others."""
    repeats_remembered: int = 65536
    """Requests whose identity a node keeps in memory to recognise a repeat of a superseded write."""
    clock_drift_max_ms: int = 5000
    """A timestamp further ahead of the local clock than this is refused (lww buckets)."""
    hedge_share: float = 0.05
    """Extra requests that hedged reads may cost, as a share of all reads; 0 switches hedging off."""


class MembershipSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Failure detection (SWIM)."""

    probe_period_s: float = 1.0
    """One other node is probed in each."""
    probe_timeout_s: float = 0.3
    """How long a direct probe may take before others are asked to try."""
    indirect_probes: int = 3
    """Nodes that are asked to probe one that did not answer."""
    suspicion_multiplier: float = 3.0
    """A suspected node has so many periods, times the decimal logarithm of the cluster's size where that is over 1, to
    say that it is alive; up to three times as long while only one other node accuses it.
    """


class HintsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Hinted handoff: what a node keeps for replicas that could not take it."""

    enabled: bool = True
    after_s: float = 0.5
    """A write that still waits for its quorum by then leaves a hint for whoever has not acknowledged it; any other one
    does so at its deadline.
    """
    bytes_max: int = 512 * 2**20
    """Of all hints for one node; above it further ones are refused, and left to anti-entropy."""
    age_max_s: float = 10_800.0
    """Older hints are handed to the other replicas of their key, a majority of all, and dropped."""
    delivery_bytes_per_s: int = 8 * 2**20
    """Throttle for each node that gets its hints."""


class RepairSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Merkle anti-entropy."""

    enabled: bool = True
    period_s: float = 600.0
    """In this time a node compares all its partitions with all their other replicas."""
    settle_s: float = 1.0
    """Differences must be there at two looks so far apart: what is still on its way is none."""
    keys_per_s_max: int = 1000
    """Keys that a node repairs."""


class TombstonesSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When deleted and expired keys are forgotten: never by time alone (docs/guarantees.md)."""

    reap: bool = True
    age_min_s: float = 3600.0
    """A key must have been dead for so long before anybody asks whether it may go."""
    settle_s: float = 90.0
    """All replicas must agree at two looks so far apart; longer than any message or request can live."""
    period_s: float = 60.0
    """Pause between rounds."""


class AuditSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The auditor: re-reads everything that is stored, and verifies it."""

    enabled: bool = True
    period_s: float = 86_400.0
    """In this time a node looks at everything it holds once."""


class PbsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How stale reads would be, predicted from what messages took lately (docs/pbs.md)."""

    enabled: bool = True
    """If not, nothing is measured for it either."""
    period_s: float = 60.0
    """Pause between predictions."""
    trials: int = 20_000
    """Pairs of a write and a read that are drawn for each: a tenth of a second of processor."""


class BucketsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Defaults of new buckets, and whether a first write makes one."""

    create_on_write: bool = True
    count_max: int = 10_000
    """Buckets a cluster may have: every node holds the properties of all, and compares them every second."""
    mode: str = "siblings"
    """`siblings` or `lww`. A linearizable bucket is made on purpose: were it made by first writes, two of them at the
    same time could each have its own n, and count different majorities.
    """
    n: int = 3
    """Replicas of a bucket that names no number; where the cluster has fewer nodes, as many as it has."""


class TelemetrySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Staleness, measured: docs/staleness.md."""

    staleness: bool = True
    """Whether reads are judged, and what that takes is kept; operators can change it while the node runs."""
    staleness_sample: float = 0.1
    """Share of the reads that is judged, for buckets that do not say. A judged read is sent to all N replicas."""
    acks_remembered: int = 65536
    """Writes of which this node, as their coordinator, remembers whether and when it acknowledged them."""
    acks_age_s: float = 60.0
    """And for how long."""
    checks_max: int = 1024
    """Judged reads that may wait for a coordinator's answer; those above are unresolved."""
    history_period_s: float = 5.0
    """The console draws the last 180 windows of this length; 0: no history is kept."""


class LogSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Logs, to standard error."""

    level: str = "info"
    format: str = "json"
    """`json` or `text`."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All sections."""

    node: NodeSection = NodeSection()
    cluster: ClusterSection = ClusterSection()
    listen: ListenSection = ListenSection()
    tls: TlsSection = TlsSection()
    storage: StorageSection = StorageSection()
    limits: LimitsSection = LimitsSection()
    http: HttpSection = HttpSection()
    requests: RequestsSection = RequestsSection()
    membership: MembershipSection = MembershipSection()
    hints: HintsSection = HintsSection()
    repair: RepairSection = RepairSection()
    tombstones: TombstonesSection = TombstonesSection()
    audit: AuditSection = AuditSection()
    pbs: PbsSection = PbsSection()
    buckets: BucketsSection = BucketsSection()
    telemetry: TelemetrySection = TelemetrySection()
    log: LogSection = LogSection()

    @property
    def default_n(self) -> int:
        """Replicas of a bucket that names no number."""
        return min(self.buckets.n, len(self.cluster.members))

    @property
    def member(self) -> MemberSection:
        """This node's own entry."""
        return next(m for m in self.cluster.members if m.id == self.node.id)
