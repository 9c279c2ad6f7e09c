"""Layer 7. Builds one node on real ports and runs it until it is told to stop: where adapters meet ports.

Start: store and identity, peers, node, daemons, then the listeners, operators' last. Stop is the other way round:
refuse new requests, let those under way end, close the listeners, and only when the store has everything on disk is the
stop noted as clean.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable

from dynamo.api.app import App, client_app, operations_app
from dynamo.api.early_refusal import EarlyRefusal
from dynamo.api.hot_path import HotHandler
from dynamo.api.listener import serve_listener
from dynamo.config import Config, MemberSection
from dynamo.daemons.supervisor import Supervisor
from dynamo.errors import ConfigError, DynamoError
from dynamo.node.node import Node
from dynamo.ring.ring import Member, Ring, first_ring
from dynamo.storage.group_commit import GroupCommit
from dynamo.storage.identity import WHAT_TO_DO
from dynamo.storage.open import open_store
from dynamo.telemetry import logs, loop_lag
from dynamo.telemetry.logs import Log
from dynamo.telemetry.metrics import Metrics
from dynamo.transport.handshake import Introduction
from dynamo.transport.listener import Listener
from dynamo.transport.peers import TcpPeers
from dynamo.transport.tls import client_context, server_context
from dynamo.version import VERSION

journal = Log("server")

DRAIN_S = 5.0
"""How long a stopping node lets requests finish."""
_GC_THRESHOLDS = (10_000, 20, 50)
"""Requests leave no cycles behind, but a few dozen under way are a few thousand objects: at Python's threshold of 700
their coming and going alone starts a collection every dozen requests.
"""
_GIL_SWITCH_S = 0.0005
"""The store's writer must get the interpreter back quickly; the default of 5 ms costs it most of its throughput."""


class SystemClock:
    """`ports.Clock` on the running loop."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._call_at = loop.call_at
        self._call_soon = loop.call_soon
        self.monotonic: Callable[[], float] = time.monotonic

    def wall_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """See `ports.Clock`."""
        self._call_at(when, callback)

    def soon(self, callback: Callable[[], None]) -> None:
        """See `ports.Clock`."""
        self._call_soon(callback)


class SystemRandomness:
    """`ports.Randomness` of the operating system's seed."""

    def __init__(self) -> None:
        self.random: Callable[[], float] = random.Random().random  # noqa: S311  # jitter and sampling, no secrets

    def token_bytes(self, count: int) -> bytes:
        """Unpredictable bytes."""
        return os.urandom(count)


def run(config: Config) -> int:
    """Run a node until SIGINT or SIGTERM; the exit code. Errors of the start are logged and end it with 1."""
    if sys.flags.optimize:
        raise ConfigError("assertions guard the data: do not run with python -O or PYTHONOPTIMIZE")
    logs.configure(config.log, config.node.id)
    _allow_open_files()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(serve(config))
        except DynamoError as error:
            journal.error("not started", code=error.code, problem=error.detail)
        except OSError as error:
            journal.error("not started", code="listen", problem=str(error))
    return 1


async def serve(config: Config) -> int:
    """Run a node; returns the exit code after a clean stop, or 1 after the store had to be given up."""
    server = Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.end, 0)
    try:
        await server.start()
        return await server.ended
    finally:
        await server.stop()


class Server:
    """One node with its adapters."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Resolved with the exit code once the node is to stop."""
        self._cleanup = contextlib.AsyncExitStack()
        self._broken = False

    def end(self, code: int) -> None:
        """Ask for the stop; the first call decides the exit code."""
        if not self.ended.done():
            self.ended.set_result(code)

    async def start(self) -> None:
        """Bring everything up. Raises DynamoError or OSError; `stop` is to be called in any case."""
        sys.setswitchinterval(_GIL_SWITCH_S)
        config, member, ring = self.config, self.config.member, ring_of(self.config)
        metrics = Metrics([m.id for m in ring.members if m.id != member.id], VERSION, config.default_n)

        def committed(seconds: float, batches: int) -> None:
            metrics.storage_commit_duration.observe(seconds)
            metrics.storage_batch_size.observe(batches)

        loop = asyncio.get_running_loop()
        storage, identity = open_store(config, ring, loop, self._on_fatal, on_commit=committed)
        self._cleanup.push_async_callback(storage.close)
        me = Introduction(
            config.cluster.name,
            member.id,
            identity.incarnation,
            ring.epoch,
            frozenset(m.id for m in ring.members),
        )
        peers = TcpPeers(
            me,
            config.cluster.members,
            SystemRandomness(),
            limits=config.limits,
            tls=client_context(config.tls),
        )
        node = Node(config, ring, SystemClock(), SystemRandomness(), storage, identity, peers, metrics)
        me.age, me.judge, me.on_outdated = lambda: node.store_ages.mine, node.store_ages.judge, self._on_outdated
        listener = Listener(
            me,
            node.handle,
            limits=config.limits,
            tls=server_context(config.tls),
            greeted=peers.retry_now,
            stall=node.stall,
        )
        self._cleanup.push_async_callback(self._settle, node, storage)
        node.start()
        await self._listen(node, member, peers, listener)
        metrics.on_scrape(lambda: _refresh(node, storage, peers))
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        journal.info(
            "started",
            version=VERSION,
            client_port=member.client_port,
            incarnation=identity.incarnation,
            identity=identity.reason,
            store=identity.store,
            start=identity.starts,
        )

    async def _listen(self, node: Node, member: MemberSection, peers: TcpPeers, listener: Listener) -> None:
        host = self.config.listen.host
        await listener.start(host, member.peer_port)
        self._cleanup.push_async_callback(listener.stop)
        await peers.start()
        self._cleanup.push_async_callback(peers.stop)
        supervisor = Supervisor(node)
        supervisor.start()
        self._cleanup.push_async_callback(supervisor.stop)
        beat = loop_lag.measure(node.metrics.event_loop_lag, node.stall)
        lag = asyncio.get_running_loop().create_task(beat, name="loop-lag")
        self._cleanup.push_async_callback(_cancelled, lag)
        early = EarlyRefusal(node.admission, node.metrics.shed_requests["overloaded"])
        clients = client_app(node)
        hot = clients.hot if self.config.http.hot_path else None
        await self._serve_http(clients, node, host, member.client_port, early, hot)
        # After that of the clients: whoever is told here that the node is ready sends them.
        await self._serve_http(operations_app(node), node, self.config.listen.ops_host, member.ops_port)
        self._cleanup.push_async_callback(_drained, node)

    async def _serve_http(
        self,
        app: App,
        node: Node,
        host: str,
        port: int,
        early: EarlyRefusal | None = None,
        hot: HotHandler | None = None,
    ) -> None:
        shed = node.metrics.shed_requests["connections"]
        listener = await serve_listener(app, host, port, self.config.limits, shed, early, hot)
        self._cleanup.push_async_callback(listener.stop, DRAIN_S)

    async def stop(self) -> None:
        """Take everything down in the opposite order."""
        await self._cleanup.aclose()
        journal.info("stopped", clean=not self._broken)

    async def _settle(self, node: Node, storage: GroupCommit) -> None:
        """Wait until all that was written is on disk, then note the clean stop."""
        settled: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        storage.write((), True, settled.set_result)
        if await settled is None and not self._broken:
            node.stop()

    def _on_outdated(self, said: str) -> None:
        """Another node remembers a later state of this store: whatever it holds must not be spread."""
        self._broken = True
        journal.error("the store is an older copy", code="outdated-store", problem=f"{said}. {WHAT_TO_DO}")
        self.end(1)

    def _on_fatal(self, error: DynamoError) -> None:
        """The disk cannot be trusted: answer nobody any more, end, and let the next start find out what exists."""
        self._broken = True
        journal.error("the store is lost", code=error.code, problem=error.detail)
        self.end(1)


def ring_of(config: Config) -> Ring:
    """The ring that the configured members form; the same on every node."""
    members = [
        Member(m.id, m.host, m.peer_port, m.client_port, m.ops_port, m.zone, m.weight, m.host_label)
        for m in config.cluster.members
    ]
    return first_ring(members, config.cluster.partitions, config.cluster.epoch)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop of uvloop where it is installed; the standard loop otherwise."""
    try:
        import uvloop  # noqa: PLC0415  # optional: a platform without it still runs
    except ImportError:
        return None
    return uvloop.new_event_loop


def _allow_open_files() -> None:
    """Every connection is an open file, and many systems start a process with 1024 of them and let it have more."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _refresh(node: Node, storage: GroupCommit, peers: TcpPeers) -> None:
    """Fill in what others count, at each scrape."""
    metrics, sizes = node.metrics, storage.sizes()
    metrics.inflight_requests.value = node.admission.inflight
    metrics.rebuilding_partitions.value = len(node.rebuilding)
    metrics.inflight_limit.value = node.admission.limit
    metrics.store_keys.value = sizes.keys
    metrics.store_bytes.value = sizes.used_bytes
    metrics.store_map_bytes.value = sizes.map_bytes
    metrics.storage_commits.value = storage.commits
    metrics.storage_checkpoints.value = storage.checkpoints
    metrics.storage_checkpoint_seconds.value = storage.checkpoint_s
    metrics.storage_log_bytes.value = storage.log_bytes()
    metrics.storage_memtable_bytes.value = storage.memtable_bytes()
    metrics.audit_finished.value = node.audit.progress.finished_ms / 1000
    metrics.paxos.queued.value = len(node.key_queues)
    metrics.paxos.ballots_ahead_s.value = node.ballots.ahead_ms / 1000
    _refresh_hints(node)
    for peer, counted in peers.statistics().items():
        series = metrics.peers[peer]
        series.up.value = int(counted.is_up)
        series.messages_sent.value, series.messages_received.value = counted.messages_out, counted.messages_in
        series.bytes_sent.value, series.bytes_received.value = counted.bytes_out, counted.bytes_in
        series.reconnects.value = max(0, counted.connects - 1)
        for failure, cell in series.failures.items():
            cell.value = getattr(counted, failure)


def _refresh_hints(node: Node) -> None:
    metrics, desk = node.metrics, node.hint_desk
    metrics.inflight_hints.value, metrics.hint_delivery_up.value = desk.inflight, int(not desk.paused)
    pending = {status.target: status for status in desk.status()}
    for peer, series in metrics.pending_hints.items():
        status = pending.get(peer)
        series.count.value = 0 if status is None else status.count
        series.bytes.value = 0 if status is None else status.size_bytes
        series.oldest_age_s.value = 0 if status is None else status.oldest_age_s


async def _drained(node: Node) -> None:
    idle = asyncio.Event()
    node.drain(idle.set)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await idle.wait()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
