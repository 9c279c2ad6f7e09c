"""Where the nodes live: each in a network namespace of its own on a bridge, or all on loopback.

The whole run goes into new namespaces for mounts, processes and network (`unshare`), so that nothing of it touches the
machine, and nothing is left of it however it ends: when the run's first process goes, the kernel ends every process
below it, and with them the mounts, links and rules. Within, each node has a network namespace, one end of a virtual
link, and a small file system in memory. Without root this works where the machine allows user namespaces.

Where neither is allowed, the nodes listen on loopback addresses and there are fewer faults: links cannot be cut.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

INSIDE = "DYNAMO_CHAOS_INSIDE"
"""Set in the environment of a run that is already in its namespaces."""
NAMESPACES = ("--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
CLIENTS = "clients"
"""The name under which rules know the machine that the clients are on."""
CLIENTS_ADDRESS = "10.77.0.254"
BRIDGE = "chaos0"
DISK_BYTES = 96 * 2**20
Link = tuple[str, str]
"""From, to."""


def tool(*command: str, text: str | None = None) -> str:
    """Run a system tool to its end; its output. Raises RuntimeError with what it said."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def way_in() -> list[str] | None:
    """The command that puts a run into namespaces of its own, None where the machine does not allow it."""
    needed = ("unshare", "ip", "nft", "mount")
    if sys.platform != "linux" or not all(shutil.which(name) for name in needed):
        return None
    for user in ([], ["--user", "--map-root-user"]):
        command = ["unshare", *user, *NAMESPACES]
        script = "mount -t tmpfs none /run && ip link add name chaos type bridge && nft add table inet t"
        tried = subprocess.run([*command, "sh", "-c", script], capture_output=True, timeout=20, check=False)
        if tried.returncode == 0:
            return command
    return None


def enter(module: str, arguments: Sequence[str]) -> bool:
    """Start this program again inside namespaces, in place of this process. True: it is inside; False: it cannot be."""
    if INSIDE in os.environ:
        return True
    command = way_in()
    if command is None:
        return False
    environment = {**os.environ, INSIDE: "1"}
    os.execvpe(command[0], [*command, sys.executable, "-m", module, *arguments], environment)
    raise AssertionError("the line above does not return")


class Hosts(Protocol):
    """What a run needs of the place where its nodes are."""

    kind: str
    """In words, for the report."""
    can_cut: bool

    def address(self, node: str) -> str:
        """Where the node listens."""

    def command(self, node: str) -> list[str]:
        """What to put before a command that is to run on the node's host."""

    def raise_up(self, disks: dict[str, Path]) -> None:
        """Make links and disks. Called once."""

    def apply(self, cut: Iterable[Link], lossy: Iterable[Link]) -> None:
        """Let exactly these links be cut, those lose a part of what they carry, and all others be whole."""

    def fill(self, node: str, pid: int | None) -> None:
        """Leave no room on the node's disk."""

    def free(self, node: str, pid: int | None) -> None:
        """Give the room back."""


class Namespaces:
    """A bridge with five links. To be used inside the namespaces that `enter` makes."""

    kind = "one network namespace a node, on a bridge; data on a file system in memory of 96 MiB a node"
    can_cut = True
    LOSS_PERCENT = 30

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = list(nodes)
        self._disks: dict[str, Path] = {}
        self._rules: dict[str, list[str]] = {}

    def address(self, node: str) -> str:
        return CLIENTS_ADDRESS if node == CLIENTS else f"10.77.0.{self._nodes.index(node) + 1}"

    def command(self, node: str) -> list[str]:
        return ["ip", "netns", "exec", node]

    def raise_up(self, disks: dict[str, Path]) -> None:
        self._disks = disks
        # `ip netns` keeps its names in /run, and shared memory of killed nodes would stay in /dev/shm.
        for folder in ("/run", "/dev/shm"):
            tool("mount", "-t", "tmpfs", "none", folder)
        tool("ip", "link", "set", "lo", "up")
        tool("ip", "link", "add", "name", BRIDGE, "type", "bridge")
        tool("ip", "address", "add", f"{CLIENTS_ADDRESS}/24", "dev", BRIDGE)
        tool("ip", "link", "set", BRIDGE, "up")
        for node in self._nodes:
            self._connect(node)
            tool("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(disks[node]))

    def _connect(self, node: str) -> None:
        tool("ip", "netns", "add", node)
        tool("ip", "link", "add", f"to-{node}", "type", "veth", "peer", "name", "eth0", "netns", node)
        tool("ip", "link", "set", f"to-{node}", "master", BRIDGE, "up")
        tool("ip", "-n", node, "address", "add", f"{self.address(node)}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            tool("ip", "-n", node, "link", "set", device, "up")
        chain = "add chain inet chaos input { type filter hook input priority 0; policy accept; }"
        tool(*self.command(node), "nft", "-f", "-", text=f"add table inet chaos\n{chain}\n")

    def apply(self, cut: Iterable[Link], lossy: Iterable[Link]) -> None:
        rules: dict[str, list[str]] = {node: [] for node in self._nodes}
        for links, verdict in ((cut, "drop"), (lossy, f"numgen random mod 100 < {self.LOSS_PERCENT} drop")):
            for source, target in sorted(links):
                rules[target].append(f"add rule inet chaos input ip saddr {self.address(source)} {verdict}")
        for node, lines in rules.items():
            if lines != self._rules.get(node, []):
                script = "\n".join(["flush chain inet chaos input", *lines, ""])
                tool(*self.command(node), "nft", "-f", "-", text=script)
        self._rules = rules

    def fill(self, node: str, pid: int | None) -> None:
        with self._ballast(node).open("ab") as file:
            for step in (2**20, 2**16, 2**12):
                _grow(file.fileno(), step)

    def free(self, node: str, pid: int | None) -> None:
        self._ballast(node).unlink(missing_ok=True)

    def _ballast(self, node: str) -> Path:
        return self._disks[node] / "ballast"


def _grow(handle: int, step: int) -> None:
    """Make a file larger until its disk has less room than a step."""
    try:
        while True:
            os.posix_fallocate(handle, os.fstat(handle).st_size, step)
    except OSError as problem:
        if problem.errno != errno.ENOSPC:
            raise


class Loopback:
    """Addresses 127.0.77.1 and on. No link can be cut; a full disk is a limit on the size of the node's files."""

    kind = "loopback addresses, without namespaces: no link can be cut"
    can_cut = False

    def __init__(self, nodes: Sequence[str]) -> None:
        self._nodes = list(nodes)
        self._disks: dict[str, Path] = {}

    def address(self, node: str) -> str:
        return f"127.0.77.{self._nodes.index(node) + 1}"

    def command(self, node: str) -> list[str]:
        return []

    def raise_up(self, disks: dict[str, Path]) -> None:
        self._disks = disks

    def apply(self, cut: Iterable[Link], lossy: Iterable[Link]) -> None:
        assert not list(cut), "the schedule draws only what the hosts can do"
        assert not list(lossy), "the schedule draws only what the hosts can do"

    def fill(self, node: str, pid: int | None) -> None:
        if pid is not None:
            # Its log is a file as well, and a smaller one.
            grown = max(file.stat().st_size for file in self._disks[node].rglob("*.mdb"))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (grown, resource.RLIM_INFINITY))

    def free(self, node: str, pid: int | None) -> None:
        if pid is not None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
