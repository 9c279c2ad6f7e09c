"""Which part of the work a stack belongs to: that of the innermost frame that says so.

C code has no frame, so it is its caller's: decoding a message is the codec's if the codec asked for it. What runs
outside of all these modules is the event loop: reading sockets, writing them, choosing what to call next, and the
kernel below that. Packages of `dynamo/` that no server runs stand in BESIDE; a test sees to it that each module is in
one of the two.
"""

from __future__ import annotations

from tests.profile.stacks import Stack

HTTP = "HTTP"
ROUTING = "routing"
COORDINATOR = "coordinator"
REPLICA = "replica"
CODEC = "codec"
TRANSPORT = "transport"
STORE = "store, in the loop"
WRITER = "store, its threads"
CHILD = "store, its process"
TELEMETRY = "telemetry"
BACKGROUND = "background"
LOOP = "event loop, kernel"

WHAT = {
    HTTP: "aiohttp, api",
    ROUTING: "ring, buckets, choosing replicas, quorums",
    COORDINATOR: "requests, machines, rounds",
    REPLICA: "a node's own copies and votes",
    CODEC: "messages, versions, layouts",
    TRANSPORT: "frames between nodes",
    STORE: "log engine, memtables, LMDB",
    WRITER: "group commits, keeper",
    CHILD: "takes the log into LMDB",
    TELEMETRY: "metrics, judging reads, predictions",
    BACKGROUND: "daemons, membership, repair",
    LOOP: "sockets, callbacks, everything else",
}
"""In the order of the table."""

# The longest prefix wins: of a module of dynamo by its path below the package, of others by their package.
DYNAMO: dict[str, str] = {
    "api/": HTTP,
    "ring/": ROUTING,
    "node/buckets.py": ROUTING,
    "node/choosing.py": ROUTING,
    "node/liveness.py": ROUTING,
    "replication/quorum.py": ROUTING,
    "replication/sources.py": ROUTING,
    "replication/hedge.py": ROUTING,
    "node/": COORDINATOR,
    "replication/": COORDINATOR,
    "consensus/": COORDINATOR,
    "errors.py": COORDINATOR,
    "ports.py": COORDINATOR,
    "node/acceptors.py": REPLICA,
    "consensus/acceptor.py": REPLICA,
    "node/authoring.py": REPLICA,
    "node/chosen.py": REPLICA,
    "node/floors.py": REPLICA,
    "node/franchise.py": REPLICA,
    "node/hint_book.py": REPLICA,
    "node/learning.py": REPLICA,
    "node/minting.py": REPLICA,
    "node/peer_requests.py": REPLICA,
    "node/quarantine.py": REPLICA,
    "node/rebuilding.py": REPLICA,
    "node/records.py": REPLICA,
    "node/repeats.py": REPLICA,
    "node/replica.py": REPLICA,
    "node/replica_answers.py": REPLICA,
    "node/sizes.py": REPLICA,
    "node/unlearned.py": REPLICA,
    "node/unsettled.py": REPLICA,
    "node/voting.py": REPLICA,
    "consensus/record.py": REPLICA,
    "protocol/": CODEC,
    "versioning/": CODEC,
    "layout/": CODEC,
    "transport/": TRANSPORT,
    "storage/": STORE,
    "telemetry/": TELEMETRY,
    "node/judging.py": TELEMETRY,
    "node/pbs_book.py": TELEMETRY,
    "node/recent_acks.py": TELEMETRY,
    "node/steadiness.py": TELEMETRY,
    "replication/inquiry.py": TELEMETRY,
    "replication/legs.py": TELEMETRY,
    "replication/remote_clock.py": TELEMETRY,
    "replication/staleness.py": TELEMETRY,
    "daemons/predictor.py": TELEMETRY,
    "daemons/historian.py": TELEMETRY,
    "daemons/": BACKGROUND,
    "membership/": BACKGROUND,
    "repair/": BACKGROUND,
    "node/asking.py": BACKGROUND,
    "node/audit_book.py": BACKGROUND,
    "node/bucket_changes.py": BACKGROUND,
    "node/hint_desk.py": BACKGROUND,
    "node/probing.py": BACKGROUND,
    "node/reaping.py": BACKGROUND,
    "node/repairs.py": BACKGROUND,
    "node/store_ages.py": BACKGROUND,
    "node/trees.py": BACKGROUND,
    "server.py": LOOP,
    "cli/": LOOP,
    "__main__.py": LOOP,
    "__init__.py": LOOP,
    "version.py": LOOP,
    "config.py": LOOP,
    "config_load.py": LOOP,
}
BESIDE = ("checker/", "client/", "growth/", "load/", "report/", "simulation/", "workload/")
"""What no node runs."""
LIBRARIES: dict[str, str] = {
    "aiohttp": HTTP,
    "multidict": HTTP,
    "yarl": HTTP,
    "prometheus_client": TELEMETRY,
    "msgspec": CODEC,
    "xxhash": CODEC,
    "lmdb": STORE,
}
SENDS = frozenset({("api/answer.py", "Outbox.flush"), ("transport/connection.py", "Connection._write_frame")})
"""What these do themselves, and not by calling others, is the kernel's: it takes bytes for a socket."""
_PACKAGE = "/dynamo/"
_SITE = "/site-packages/"
_BY_LENGTH = sorted(DYNAMO, key=len, reverse=True)


def room(stack: Stack) -> str:
    """The part of the work that a sample counts for."""
    if stack and (stack[-1].file.rpartition(_PACKAGE)[2], stack[-1].name) in SENDS:
        return LOOP
    return next((found for frame in reversed(stack) if (found := of_file(frame.file))), LOOP)


def of_file(file: str) -> str:
    """The room of a source file; empty if it says nothing, as the standard library."""
    site, _, inside = file.rpartition(_SITE)
    if site:
        return LIBRARIES.get(inside.split("/")[0].removesuffix(".py"), "")
    _, found, module = file.rpartition(_PACKAGE)
    return of_module(module) if found else ""


def of_module(module: str) -> str:
    """The room of a module of the package, by its path below it; empty if it is in none."""
    return next((DYNAMO[prefix] for prefix in _BY_LENGTH if module.startswith(prefix)), "")
