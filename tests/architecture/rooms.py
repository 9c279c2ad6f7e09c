"""The layer table: every room, its layer, and what it may import. The one place to change when a room is added.

A room is a folder of `dynamo/`, or a single file at its top. Rooms "beside" serve several layers and have no number.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Room:
    """One row: `layer` is None for rooms beside the layers; `pure` rooms decide and touch nothing."""

    layer: int | None
    may_import: frozenset[str]
    pure: bool = False
    # Packages from outside; None lifts the limit (adapters and assembly know the world).
    packages: frozenset[str] | None = None


WORDS = frozenset({"errors", "config", "config_load", "version"})
DATA = frozenset({"versioning", "ring"})
LANGUAGE = frozenset({"protocol", "layout", "ports"})
MACHINES = frozenset({"replication", "consensus", "repair", "membership"})
UP_TO_DATA = WORDS | DATA
UP_TO_LANGUAGE = UP_TO_DATA | LANGUAGE
UP_TO_MACHINES = UP_TO_LANGUAGE | MACHINES
TELEMETRY = frozenset({"telemetry"})
BELOW_ASSEMBLY = (
    UP_TO_MACHINES
    | TELEMETRY
    | {
        "node",
        "daemons",
        "storage",
        "transport",
        "api",
        "checker",
        "client",
        "workload",
        "load",
        "growth",
        "report",
        "simulation",
    }
)

# Encoding and hashing are arithmetic: no clock, no IO. Everything else from outside stays above layer 5.
ARITHMETIC = frozenset({"msgspec", "xxhash"})


def _pure(layer: int, may_import: frozenset[str]) -> Room:
    return Room(layer, may_import, pure=True, packages=ARITHMETIC)


def _adapter(*also: str) -> Room:
    return Room(6, UP_TO_MACHINES | TELEMETRY | frozenset(also))


ROOMS: dict[str, Room] = {
    # The package root exports nothing, so that the graph below is the whole truth.
    "__init__": Room(0, frozenset(), packages=frozenset()),
    "errors": Room(0, frozenset(), packages=frozenset({"msgspec"})),
    "version": Room(0, frozenset()),
    "config": Room(0, frozenset(), packages=frozenset({"msgspec"})),
    "config_load": Room(0, frozenset({"errors", "config"}), packages=frozenset({"msgspec"})),
    "versioning": _pure(1, WORDS),
    "ring": _pure(1, WORDS),
    "protocol": _pure(2, UP_TO_DATA),
    "layout": _pure(2, UP_TO_DATA),
    # The ports are declared in the words of their own layer: messages, effects and keyspaces.
    "ports": _pure(2, UP_TO_DATA | {"protocol", "layout"}),
    "replication": _pure(3, UP_TO_LANGUAGE),
    "consensus": _pure(3, UP_TO_LANGUAGE),
    "repair": _pure(3, UP_TO_LANGUAGE),
    "membership": _pure(3, UP_TO_LANGUAGE),
    "node": Room(4, UP_TO_MACHINES | TELEMETRY, packages=ARITHMETIC),
    "daemons": Room(5, UP_TO_MACHINES | {"node"} | TELEMETRY, packages=ARITHMETIC),
    "storage": _adapter(),
    "transport": _adapter(),
    "api": _adapter("node"),
    "server": Room(7, BELOW_ASSEMBLY),
    "cli": Room(7, BELOW_ASSEMBLY | {"server"}),
    "__main__": Room(7, BELOW_ASSEMBLY | {"server", "cli"}),
    "telemetry": Room(None, WORDS),
    "checker": Room(None, frozenset(), packages=ARITHMETIC),
    "client": Room(None, UP_TO_LANGUAGE),
    "workload": Room(None, WORDS | {"client", "checker"}),
    # Histograms and their percentiles are the generator's own.
    "report": Room(None, frozenset({"workload"}), packages=ARITHMETIC),
    # Contexts as a reader holds them: `versioning` and `ring`.
    "growth": Room(None, UP_TO_DATA | {"workload", "report"}),
    "load": Room(None, WORDS | TELEMETRY | {"client", "checker", "workload", "report"}),
    # Whole nodes on simulated ports: a node is built with its metrics, hence telemetry.
    "simulation": Room(None, UP_TO_MACHINES | {"node", "daemons", "checker", "workload"} | TELEMETRY),
}

# Rooms whose every run must replay from a seed: the pure ones, what runs on the ports, and the simulator itself.
DETERMINISTIC = frozenset(name for name, room in ROOMS.items() if room.pure) | {"node", "daemons", "simulation"}

# Rooms whose files each have a unit test of their own.
MIRRORED = UP_TO_MACHINES | {"client", "checker", "workload", "load", "report", "growth"}
