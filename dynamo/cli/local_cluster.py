"""The plan of a local cluster: which nodes, on which ports, in which folders; and the checks before it is started.

DATA/up.lock          held while `dynamo up` runs on the folder
DATA/nodeN/node.toml  the node's configuration, written once; yours to edit afterwards
DATA/nodeN/data/      the node's data
DATA/nodeN/log        its log of this run; `log.1` is that of the run before
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import msgspec

from dynamo.cli.toml_text import toml_of
from dynamo.config import Config, MemberSection
from dynamo.config_load import load
from dynamo.errors import ConfigError

NODES_DEFAULT = 3
BASE_PORT_DEFAULT = 7610
PORTS_PER_NODE = 10
PORT_MAX = 65535


class PlannedNode(msgspec.Struct, frozen=True):
    """One node of the plan."""

    folder: Path
    config: Config
    new_text: str | None
    """What its configuration file is to hold; None: there is one."""

    @property
    def id(self) -> str:
        return self.config.node.id

    @property
    def member(self) -> MemberSection:
        return self.config.member

    @property
    def config_file(self) -> Path:
        return self.folder / "node.toml"

    @property
    def log_file(self) -> Path:
        return self.folder / "log"


def lock(data: Path) -> IO[str]:
    """Take the folder; the lock ends with the file or the process. Raises ConfigError if another `up` has it."""
    data.mkdir(parents=True, exist_ok=True)
    file = (data / "up.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        file.seek(0)
        owner = file.read().strip()
        file.close()
        who = f"`dynamo up` (process {owner})" if owner else "`dynamo up`"
        raise ConfigError(f"another {who} runs on {data}; stop it, or choose another --data") from problem
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def plan(
    data: Path,
    count: int | None,
    base_port: int | None,
    settings: tuple[str, ...],
    environment: Mapping[str, str],
    hosts: int | None = None,
) -> list[PlannedNode]:
    """The nodes of `data`: those that it holds, or `count` new ones, in turn on that many hosts. Changes nothing.

    Raises ConfigError if the folder holds another cluster than the one asked for, or a setting is wrong.
    """
    _refuse_owned(settings)
    present = sorted(data.glob("node*/node.toml"))
    if present:
        tree = tomllib.loads(present[0].read_text(encoding="utf-8"))
        members = load(present[0], {}).cluster.members
        _refuse_other(data, members, count, base_port)
        _refuse_other_hosts(data, members, hosts)
    else:
        members = _new_members(NODES_DEFAULT if count is None else count, base_port, hosts)
        tree = {"cluster": {"members": [msgspec.to_builtins(m) for m in members]}}
    return [_planned(data / member.id, member.id, tree, environment, settings) for member in members]


def write(nodes: list[PlannedNode]) -> None:
    """Give every node its folder and, where it has none, its configuration file."""
    for node in nodes:
        node.folder.mkdir(parents=True, exist_ok=True)
        if node.new_text is not None:
            node.config_file.write_text(node.new_text, encoding="utf-8")


def refuse_used_ports(nodes: list[PlannedNode]) -> None:
    """Raises ConfigError, naming every port of the plan that something else listens on."""
    used = []
    for node in nodes:
        listen, member = node.config.listen, node.member
        for host, port, role in (
            (listen.host, member.client_port, "clients"),
            (listen.host, member.peer_port, "peers"),
            (listen.ops_host, member.ops_port, "operations"),
        ):
            if not _is_free(host, port):
                used.append(f"{port} ({node.id}, {role})")
    if used:
        raise ConfigError(
            f"ports in use: {', '.join(used)}; stop what listens there, or start another cluster with --data and "
            "--base-port"
        )


def _planned(
    folder: Path, node: str, tree: Mapping[str, object], environment: Mapping[str, str], settings: tuple[str, ...]
) -> PlannedNode:
    file = folder / "node.toml"
    store = str((folder / "data").resolve())
    if not file.exists():
        mine = {"node": {"id": node, "data_dir": store}, **{n: v for n, v in tree.items() if n != "node"}}
        config = load(None, environment, settings, toml_of(mine))
        return PlannedNode(folder, config, toml_of(_with(mine, settings, config)))
    config = load(file, environment, settings)
    if config.node.id != node or config.node.data_dir != store:
        raise ConfigError(
            f"{file} is for node {config.node.id} with its data in {config.node.data_dir}, and should be for {node} "
            f"with {store}; if the folder was moved, correct the file"
        )
    return PlannedNode(folder, config, None)


def _with(tree: Mapping[str, object], settings: tuple[str, ...], config: Config) -> dict[str, object]:
    """The tree with the settings that were asked for, in the types that they have in `config`."""
    found = {name: dict(values) for name, values in tree.items() if isinstance(values, Mapping)}
    for setting in settings:
        section, _, name = setting.partition("=")[0].partition(".")
        found.setdefault(section, {})[name] = getattr(getattr(config, section), name)
    return dict(found)


def _new_members(count: int, base_port: int | None, hosts: int | None) -> tuple[MemberSection, ...]:
    first = BASE_PORT_DEFAULT if base_port is None else base_port
    ports = [first + PORTS_PER_NODE * index for index in range(count)]
    if ports[-1] + 2 > PORT_MAX:
        raise ConfigError(f"--base-port {first} leaves no room for {count} nodes; ports end at {PORT_MAX}")
    if hosts is not None and hosts > count:
        raise ConfigError(f"--hosts {hosts}: {count} nodes run on at most {count} hosts")
    return tuple(
        MemberSection(
            id=f"node{index + 1}",
            client_port=port,
            peer_port=port + 1,
            ops_port=port + 2,
            host_label="" if hosts is None else f"h{index % hosts + 1}",
        )
        for index, port in enumerate(ports)
    )


def _refuse_owned(settings: tuple[str, ...]) -> None:
    for setting in settings:
        if setting.partition("=")[0] in ("node.id", "node.data_dir", "cluster.members"):
            raise ConfigError(f"{setting!r}: `dynamo up` decides this itself; see --data, --nodes and --base-port")


def _refuse_other(data: Path, members: tuple[MemberSection, ...], count: int | None, base_port: int | None) -> None:
    if count is not None and count != len(members):
        raise ConfigError(f"{data} holds a cluster of {len(members)} nodes, not {count}; choose another --data")
    if base_port is not None and base_port != members[0].client_port:
        raise ConfigError(
            f"the cluster in {data} listens from port {members[0].client_port}, not {base_port}; choose another "
            "--data, or correct the ports in every node.toml"
        )


def _refuse_other_hosts(data: Path, members: tuple[MemberSection, ...], hosts: int | None) -> None:
    present = len({m.host_label for m in members if m.host_label})
    if hosts is not None and hosts != present:
        there = f"{present} hosts" if present else "no host labels"
        raise ConfigError(f"the cluster in {data} has {there}, and --hosts is {hosts}; choose another --data")


def _is_free(host: str, port: int) -> bool:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as problem:
            if problem.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise ConfigError(f"cannot listen on {host}:{port}: {problem.strerror}") from problem
    return True
