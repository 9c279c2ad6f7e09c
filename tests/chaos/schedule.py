"""What befalls the cluster and when, drawn from a seed.

Kinds are dealt from a shuffled deck, so that each comes up before one comes twice. Most faults stand alone, some
overlap with the one before, and every gap is long enough to see the cluster mend itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from random import Random

CUTS = ("isolate", "halves", "one-way", "bridge", "ring", "pair", "unplug")
"""Partitions: one node alone; two sides; messages pass one way only; two sides and a node that sees both; each node
sees its two neighbours only; two nodes lose each other; one node alone, also for its clients.
"""
NETWORK = (*CUTS, "lossy")
ELSEWHERE = ("kill", "stop", "disk", "clock", "blackout", "wipe")
"""SIGKILL and a start later; SIGSTOP; a full disk; a clock that is wrong; SIGKILL to all nodes at once; SIGKILL, and a
start later without anything of what was on the disk.
"""
KINDS = (*NETWORK, *ELSEWHERE)
ALIASES = {"partition": CUTS, "network": NETWORK, "all": KINDS}

LASTS_S = (4.0, 14.0)
GAP_S = (4.0, 9.0)
OVERLAP = 0.25
"""Probability that a fault begins while the one before lasts."""
CLOCK_S = (-20, -4, -2, 2, 4, 20)
"""Seconds that a clock may be wrong."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault. `nodes` are in the order that its kind gives a meaning to."""

    at_s: float
    lasts_s: float
    kind: str
    nodes: tuple[str, ...]
    amount: int = 0
    """Of a clock: seconds that it is wrong by."""

    @property
    def ends_s(self) -> float:
        return self.at_s + self.lasts_s

    def __str__(self) -> str:
        return f"{self.kind}{f' {self.amount:+d} s' if self.amount else ''}: {' '.join(self.nodes)}"


def kinds_of(words: str, impossible: Collection[str]) -> tuple[str, ...]:
    """The kinds that a comma-separated list names, less those that cannot be made. Raises ValueError."""
    named: dict[str, None] = {}
    for word in words.split(","):
        name = word.strip()
        if name not in ALIASES and name not in KINDS:
            raise ValueError(f"there is no fault {name!r}; there are {', '.join((*ALIASES, *KINDS))}")
        named.update(dict.fromkeys(ALIASES.get(name, (name,))))
    return tuple(kind for kind in named if kind not in impossible)


def draw(seed: int, nodes: Sequence[str], kinds: Sequence[str], begin_s: float, end_s: float) -> list[Planned]:
    """Faults between two moments of a run, all over by the second one. The same arguments give the same ones."""
    dice = Random(seed)
    deck: list[str] = []
    found: list[Planned] = []
    at_s = begin_s
    while kinds:
        lasts_s = round(dice.uniform(*LASTS_S), 1)
        if at_s + lasts_s > end_s:
            break
        if not deck:
            deck = dice.sample(list(kinds), len(kinds))
        kind = deck.pop()
        mixed = tuple(dice.sample(list(nodes), len(nodes)))
        amount = dice.choice(CLOCK_S) if kind == "clock" else 0
        if kind == "wipe":
            # Always the same one: of two that have lost their disks, a key may have no majority left that remembers.
            mixed = (nodes[seed % len(nodes)],)
        found.append(Planned(round(at_s, 1), lasts_s, kind, _struck(kind, mixed), amount))
        overlaps = dice.random() < OVERLAP and kind != "blackout"
        at_s += lasts_s / 2 if overlaps else lasts_s + dice.uniform(*GAP_S)
    return found


def _struck(kind: str, mixed: tuple[str, ...]) -> tuple[str, ...]:
    """The nodes that a fault concerns."""
    if kind in ("kill", "stop", "disk", "clock", "wipe", "isolate", "unplug"):
        return mixed[:1]
    return mixed[:2] if kind in ("pair", "one-way") else mixed


def links(fault: Planned, nodes: Sequence[str], clients: str) -> set[tuple[str, str]]:
    """The links, from and to, that a fault of the network concerns."""
    struck = fault.nodes
    if fault.kind in ("isolate", "unplug"):
        others = [node for node in nodes if node != struck[0]]
        # What clients send does not arrive; so they have no answers either, and no rule is needed on their side.
        return _both(struck, others) | ({(clients, struck[0])} if fault.kind == "unplug" else set())
    if fault.kind == "one-way":
        return {(struck[0], struck[1])}
    if fault.kind == "pair":
        return _both(struck[:1], struck[1:])
    if fault.kind == "bridge":
        half = (len(struck) - 1) // 2
        return _both(struck[1 : 1 + half], struck[1 + half :])
    if fault.kind == "halves":
        return _both(struck[: len(struck) // 2], struck[len(struck) // 2 :])
    if fault.kind == "ring":
        count = len(struck)
        far = [(a, b) for a in range(count) for b in range(count) if (a - b) % count not in (0, 1, count - 1)]
        return {(struck[a], struck[b]) for a, b in far}
    if fault.kind == "lossy":
        return {(a, b) for a in struck for b in struck if a != b}
    return set()


def _both(left: Sequence[str], right: Sequence[str]) -> set[tuple[str, str]]:
    return {link for one in left for other in right for link in ((one, other), (other, one))}
