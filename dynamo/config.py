"""Layer 0. All settings of a node: one frozen section each, read once at start.

Sources in rising order: defaults here, a TOML file, environment variables `DYNAMO__SECTION__KEY`, flags
(`section.key=value`). Unknown keys are errors with a suggestion; relations between settings are checked together.
Units are in the names.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from dynamo.errors import ConfigError

ENV_PREFIX = "DYNAMO__"
PARTITIONS_MAX = 65536
N_MAX = 16
"""As in `protocol.bucket`."""
MAP_BYTES_MIN = 2**20
"""Below it the share that the store keeps free leaves no room to write."""
MAP_BYTES_MAX = 2**46
"""What a process can map."""
NODE_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


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


class ClusterSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all nodes of a cluster must agree on; the same in every node's file."""

    name: str = "dynamo"
    epoch: int = 1
    """Number of the topology below; grows with every change of it."""
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

    durability: str = "sync"
    """`sync`: an acknowledgement means it is on disk. `async`: the machine's crash may lose it, the process's not."""
    map_size_bytes: int = 16 * 2**30
    """Largest size of the LMDB file; sparse, so it costs nothing until it is used."""


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


class BucketsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Defaults of new buckets, and whether a first write makes one."""

    create_on_write: bool = True
    count_max: int = 10_000
    """Buckets a cluster may have: every node holds the properties of all, and compares them every second."""
    mode: str = "siblings"
    n: int = 3
    """Replicas of a bucket that names no number; where the cluster has fewer nodes, as many as it has."""


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
    requests: RequestsSection = RequestsSection()
    buckets: BucketsSection = BucketsSection()
    log: LogSection = LogSection()

    @property
    def default_n(self) -> int:
        """Replicas of a bucket that names no number."""
        return min(self.buckets.n, len(self.cluster.members))

    @property
    def member(self) -> MemberSection:
        """This node's own entry."""
        return next(m for m in self.cluster.members if m.id == self.node.id)


def load(
    file: Path | None, environment: Mapping[str, str], flags: Iterable[str] = (), text: str | None = None
) -> Config:
    """The configuration of a node. `text` stands in for the file's content. Raises ConfigError."""
    tree: dict[str, object] = {}
    if file is not None or text is not None:
        tree = _parse(text if text is not None else _read(file), str(file or "configuration"))
    for name, value in sorted(environment.items()):
        if name.startswith(ENV_PREFIX):
            _set(tree, [part.lower() for part in name[len(ENV_PREFIX) :].split("__")], value, name)
    for flag in flags:
        path, equals, value = flag.partition("=")
        if not equals:
            raise ConfigError(f"{flag!r} is not of the form section.key=value")
        _set(tree, path.split("."), value, flag)
    _refuse_unknown(tree, Config, "")
    try:
        config = msgspec.convert(tree, Config, strict=False)
    except msgspec.ValidationError as problem:
        raise ConfigError(f"configuration: {problem}") from problem
    return checked(config)


def checked(config: Config) -> Config:
    """The configuration itself. Raises ConfigError if its parts contradict each other."""
    for problem in _problems(config):
        raise ConfigError(f"configuration: {problem}")
    return config


def _problems(config: Config) -> Iterable[str]:
    yield from _cluster_problems(config)
    yield from _word_problems(config)
    yield from _duration_problems(config)
    yield from _limit_problems(config)
    yield from _tls_problems(config.tls)


def _cluster_problems(config: Config) -> Iterable[str]:
    ids = [m.id for m in config.cluster.members]
    if config.node.id not in ids:
        yield f"node.id {config.node.id!r} is not among cluster.members ({', '.join(ids)})"
    if len(set(ids)) != len(ids):
        yield "cluster.members has two entries with the same id"
    for node in ids:
        if not NODE_ID.fullmatch(node):
            yield f"node id {node!r} must match {NODE_ID.pattern}"
    partitions = config.cluster.partitions
    if partitions < 1 or partitions > PARTITIONS_MAX or partitions & (partitions - 1):
        yield f"cluster.partitions must be a power of two up to {PARTITIONS_MAX}, not {partitions}"
    if len(ids) > partitions:
        yield f"{len(ids)} cluster.members cannot share {partitions} partitions"
    for member in config.cluster.members:
        if member.weight < 1:
            yield f"the weight of member {member.id} must be at least 1, not {member.weight}"
        for port in (member.client_port, member.peer_port, member.ops_port):
            if not 0 <= port <= 65535:
                yield f"member {member.id} has the port {port}, which is none"


def _word_problems(config: Config) -> Iterable[str]:
    for name, value, allowed in (
        ("storage.durability", config.storage.durability, ("sync", "async")),
        ("log.format", config.log.format, ("json", "text")),
        ("log.level", config.log.level, ("debug", "info", "warning", "error")),
        ("buckets.mode", config.buckets.mode, ("siblings", "lww", "linearizable")),
    ):
        if value not in allowed:
            yield f"{name} must be {' or '.join(allowed)}, not {value!r}"


def _duration_problems(config: Config) -> Iterable[str]:
    for name, seconds in (
        ("requests.timeout_s", config.requests.timeout_s),
        ("requests.timeout_max_s", config.requests.timeout_max_s),
        ("limits.header_timeout_s", config.limits.header_timeout_s),
        ("limits.body_timeout_s", config.limits.body_timeout_s),
    ):
        if not math.isfinite(seconds):
            yield f"{name} must be a number of seconds, not {seconds}"


def _limit_problems(config: Config) -> Iterable[str]:
    if not 1 <= config.buckets.n <= N_MAX:
        yield f"buckets.n must lie between 1 and {N_MAX}, not {config.buckets.n}"
    for name, limit in msgspec.structs.asdict(config.limits).items():
        if not limit > 0:
            yield f"limits.{name} must be above 0, not {limit}"
    if not MAP_BYTES_MIN <= config.storage.map_size_bytes <= MAP_BYTES_MAX:
        yield (
            f"storage.map_size_bytes must lie between {MAP_BYTES_MIN} and {MAP_BYTES_MAX}, "
            f"not {config.storage.map_size_bytes}"
        )
    for name in ("repeats_remembered", "clock_drift_max_ms"):
        if getattr(config.requests, name) < 0:
            yield f"requests.{name} must not be below 0"
    if not 0 <= config.requests.read_all_share <= 1:
        yield "requests.read_all_share must lie between 0 and 1"
    if not 0 < config.requests.timeout_s <= config.requests.timeout_max_s:
        yield "requests.timeout_s must be above 0 and not above requests.timeout_max_s"
    if config.limits.object_bytes_max < config.limits.value_bytes_max:
        yield "limits.object_bytes_max must not be below limits.value_bytes_max"
    if config.limits.peer_frame_bytes_max < config.limits.object_bytes_max + 65536:
        yield "limits.peer_frame_bytes_max must exceed limits.object_bytes_max by 64 KiB for a record to fit in a frame"


def _tls_problems(tls: TlsSection) -> Iterable[str]:
    if tls.enabled:
        for field in ("cert_file", "key_file", "ca_file"):
            if not getattr(tls, field):
                yield f"tls.enabled needs tls.{field}"


def _read(file: Path | None) -> str:
    assert file is not None
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise ConfigError(f"cannot read {file}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{file} is not text in UTF-8: {problem}") from problem


def _parse(text: str, name: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{name} is not valid TOML: {problem}") from problem


def _set(tree: dict[str, object], path: list[str], value: str, source: str) -> None:
    if len(path) != 2 or not all(path):
        raise ConfigError(f"{source!r} does not name a setting; write section.key (or {ENV_PREFIX}SECTION__KEY)")
    section = tree.setdefault(path[0], {})
    if not isinstance(section, dict):
        raise ConfigError(f"{source!r}: {path[0]!r} is not a section")
    section[path[1]] = value


def _refuse_unknown(tree: Mapping[str, object], model: type[msgspec.Struct], where: str) -> None:
    fields = {f.name: f.type for f in msgspec.structs.fields(model)}
    for key, value in tree.items():
        if key not in fields:
            close = difflib.get_close_matches(key, fields, n=1)
            hint = f"; did you mean {where}{close[0]}?" if close else f"; there are {', '.join(sorted(fields))}"
            raise ConfigError(f"unknown setting {where}{key}{hint}")
        kind = fields[key]
        if isinstance(value, Mapping) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            _refuse_unknown(value, kind, f"{where}{key}.")
        elif key == "members" and isinstance(value, list):
            for entry in value:
                if isinstance(entry, Mapping):
                    _refuse_unknown(entry, MemberSection, f"{where}{key}.")
