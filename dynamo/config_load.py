"""Layer 0. Where a node's configuration comes from, and what is checked before it is used.

Sources in rising order: defaults (`config.py`), a TOML file, environment variables `DYNAMO__SECTION__KEY`, flags
(`section.key=value`). Unknown keys are errors with a suggestion; relations between settings are checked together.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from dynamo.config import Config, MemberSection, TelemetrySection, TlsSection
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
HOST_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
"""Whatever a machine is called, fully qualified or not."""
BACKGROUND = ("membership", "hints", "repair", "tombstones", "audit")
"""Sections of what runs when nobody asks: every duration in them is above 0."""


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
    yield from _background_problems(config)
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
    yield from _host_problems(config.cluster.members)


def _host_problems(members: Iterable[MemberSection]) -> Iterable[str]:
    zone_of: dict[str, str] = {}
    for member in members:
        label = member.host_label
        if label and not HOST_LABEL.fullmatch(label):
            yield f"the host_label {label!r} of member {member.id} must match {HOST_LABEL.pattern}"
        # A node without a label is the host of its own name.
        host = label or member.id
        if zone_of.setdefault(host, member.zone) != member.zone:
            yield (
                f"member {member.id} says that host {host!r} is in zone {member.zone!r}, and another member says "
                f"{zone_of[host]!r}: a machine is in one zone"
            )


def _word_problems(config: Config) -> Iterable[str]:
    for name, value, allowed in (
        ("storage.engine", config.storage.engine, ("log", "lmdb")),
        ("storage.durability", config.storage.durability, ("sync", "async")),
        ("storage.on_damage", config.storage.on_damage, ("refuse", "set-aside")),
        ("log.format", config.log.format, ("json", "text")),
        ("log.level", config.log.level, ("debug", "info", "warning", "error")),
        ("buckets.mode", config.buckets.mode, ("siblings", "lww")),
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
    background = (config.membership, config.hints, config.repair, config.tombstones, config.audit)
    for section, settings in zip(BACKGROUND, background, strict=True):
        for field, value in msgspec.structs.asdict(settings).items():
            if isinstance(value, float) and not (0 < value < math.inf):
                yield f"{section}.{field} must be a number above 0, not {value}"


def _background_problems(config: Config) -> Iterable[str]:
    if config.membership.probe_timeout_s >= config.membership.probe_period_s:
        yield "membership.probe_timeout_s must be below membership.probe_period_s"
    if config.membership.indirect_probes < 0:
        yield "membership.indirect_probes must not be below 0"
    for name, count in (
        ("hints.bytes_max", config.hints.bytes_max),
        ("hints.delivery_bytes_per_s", config.hints.delivery_bytes_per_s),
        ("repair.keys_per_s_max", config.repair.keys_per_s_max),
    ):
        if count < 1:
            yield f"{name} must be above 0, not {count}"
    longest_s = config.requests.timeout_max_s + config.hints.after_s
    if config.tombstones.settle_s < longest_s:
        yield (
            f"tombstones.settle_s must be at least {longest_s:g} (requests.timeout_max_s and hints.after_s): a request "
            "that began before a delete must have ended before the delete is forgotten"
        )


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
    for name in ("read_all_share", "hedge_share"):
        if not 0 <= getattr(config.requests, name) <= 1:
            yield f"requests.{name} must lie between 0 and 1"
    if not 0 < config.requests.timeout_s <= config.requests.timeout_max_s:
        yield "requests.timeout_s must be above 0 and not above requests.timeout_max_s"
    yield from _size_problems(config)
    yield from _telemetry_problems(config.telemetry)


def _telemetry_problems(telemetry: TelemetrySection) -> Iterable[str]:
    if not 0 <= telemetry.staleness_sample <= 1:
        yield "telemetry.staleness_sample must lie between 0 and 1"
    for name in ("acks_remembered", "checks_max"):
        if getattr(telemetry, name) < 0:
            yield f"telemetry.{name} must not be below 0"
    if not 0 < telemetry.acks_age_s < math.inf:
        yield f"telemetry.acks_age_s must be a number above 0, not {telemetry.acks_age_s}"
    if not (0.1 <= telemetry.history_period_s < math.inf or telemetry.history_period_s == 0):
        yield f"telemetry.history_period_s must be 0 or at least 0.1, not {telemetry.history_period_s}"


def _size_problems(config: Config) -> Iterable[str]:
    if config.limits.object_bytes_max < config.limits.value_bytes_max:
        yield "limits.object_bytes_max must not be below limits.value_bytes_max"
    if config.limits.inflight_bytes_max < config.limits.object_bytes_max:
        yield "limits.inflight_bytes_max must not be below limits.object_bytes_max, or the largest batch never fits"
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
