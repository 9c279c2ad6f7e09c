"""What a cluster carries, from what operations cost: a model, in formulas that docs/capacity.md explains.

Costs are microseconds of processor over all nodes for one operation, and each is `fixed + shared / x`, as work of the
kernel and of the loop is shared by all that comes in one turn: x is how many are in flight at a node, or on one link.
Loads are spread evenly, so a node's part is one n-th of the whole; a ring's small imbalance comes on top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

CALIBRATED_NODES = 3
IMBALANCE = 1.04
"""The most that a node holds above the mean: `tests/unit/ring` holds rings to it."""


class Fit(msgspec.Struct, frozen=True):
    """A cost in microseconds by how many share a turn."""

    fixed_us: float
    shared_us: float

    def at(self, x: float) -> float:
        """Where `x` are in flight. Fewer than one in a turn there cannot be."""
        return self.fixed_us + self.shared_us / max(1.0, x)


class Kind(msgspec.Struct, frozen=True):
    """One kind of operation. Figures are for N replicas of which R or W answer, as its name says."""

    name: str
    messages_each: float
    """Messages to other replicas, for each other replica."""
    messages: float
    """And those whose number does not depend on N."""
    wanted: int
    """Answers of other replicas that it waits for."""
    syncs: bool
    """Whether an answer waits for a disk."""
    routed: str
    """Who can coordinate it: `anyone`, a `replica`, or the `first` replica only."""

    def sent(self, n: int) -> float:
        """Messages to other replicas."""
        return self.messages + self.messages_each * (n - 1)

    def share_elsewhere(self, nodes: int, n: int) -> float:
        """How many arrive at a node that lacks what they need, if clients take any node."""
        return 1 - 1 / nodes if self.routed == "first" else max(0.0, 1 - n / nodes)


KINDS = (
    Kind("GET R=1", 0, 0, 0, syncs=False, routed="anyone"),
    Kind("GET R=2", 0, 1, 1, syncs=False, routed="anyone"),
    Kind("PUT W=2", 1, 0, 1, syncs=True, routed="replica"),
    Kind("CAS", 1, 0, 1, syncs=True, routed="first"),
)


class Costs(msgspec.Struct, frozen=True):
    """What one kind costs."""

    alone: Fit
    """At its only replica (N=1), by operations in flight at a node."""
    replica: Fit
    """For each message to another replica, with what it does there; by messages in flight on a link. Of a kind that
    sends none: what a bucket with more replicas costs beside, such as reads that are sampled.
    """
    elsewhere: Fit
    """More, where it arrives at a node that lacks what it needs; by messages in flight on a link."""
    client_us: float
    """Of the load generator."""
    busy: float
    """The share of the cores at hand that was used under as much load as there could be."""
    syncs: float
    """Commits of all stores together for each."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured."""

    costs: dict[str, Costs]
    """By name of the kind."""
    idle_us_per_s: float
    """Of a node that nobody asks and that has no peers."""
    idle_peer_us_per_s: float
    """And for each peer."""
    sync_us: float
    """One synced write to a log, nothing else on the disk."""

    def idle(self, nodes: int) -> float:
        """Processor time in a second that a node uses for itself, in microseconds."""
        return self.idle_us_per_s + self.idle_peer_us_per_s * (nodes - 1)


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster, and how it is asked."""

    nodes: int
    in_flight: float
    """Operations, at each node."""
    n: int = 3
    by_token: bool = False
    """Clients ask a replica of the key, and for a compare-and-set the first one."""


def fit(points: Sequence[tuple[float, float]]) -> Fit:
    """The line through (x, cost) by least squares of relative errors; neither part is below 0."""
    rows = [(1 / cost, 1 / max(1.0, x) / cost) for x, cost in points if cost > 0]
    if not rows:
        return Fit(0.0, 0.0)
    aa, ab, bb = (
        sum(p * q for p, q in pairs) for pairs in ([(a, a) for a, _ in rows], rows, [(b, b) for _, b in rows])
    )
    a1, b1 = sum(a for a, _ in rows), sum(b for _, b in rows)
    determinant = aa * bb - ab * ab
    if determinant > 1e-12 * aa * bb:
        fixed, shared = (a1 * bb - b1 * ab) / determinant, (b1 * aa - a1 * ab) / determinant
        if fixed >= 0 and shared >= 0:
            return Fit(fixed, shared)
        if fixed < 0:
            return Fit(0.0, b1 / bb)
    return Fit(a1 / aa, 0.0)


def on_a_link(nodes: int, in_flight: float, messages: float) -> float:
    """Messages in flight from one node to another."""
    return in_flight * messages / max(1, nodes - 1)


def cost_us(inputs: Inputs, kind: Kind, layout: Layout) -> float:
    """Processor time over all nodes for one operation."""
    costs = inputs.costs[kind.name]
    elsewhere = 0.0 if layout.by_token else kind.share_elsewhere(layout.nodes, layout.n)
    sent = kind.sent(layout.n) if layout.n > 1 else 0.0
    x = on_a_link(layout.nodes, layout.in_flight, sent + elsewhere)
    replicas = costs.replica.at(x) * (sent or min(1, layout.n - 1))
    return costs.alone.at(layout.in_flight) + replicas + elsewhere * costs.elsewhere.at(x)


def mixed_cost_us(inputs: Inputs, mix: Mapping[str, float], layout: Layout) -> float:
    """The mean over a mix of kinds: shares by name, which need not add up to 1."""
    whole = sum(mix.values())
    return sum(share * cost_us(inputs, kind_of(name), layout) for name, share in mix.items()) / whole


def kind_of(name: str) -> Kind:
    """The kind of that name."""
    return next(kind for kind in KINDS if kind.name == name)


def local_rate(inputs: Inputs, kind: Kind, layout: Layout, cores: float) -> float:
    """Operations a second where all nodes and the load generator share some cores."""
    costs = inputs.costs[kind.name]
    left_us = cores * 1e6 * costs.busy - layout.nodes * inputs.idle(layout.nodes)
    return max(0.0, left_us) / (cost_us(inputs, kind, layout) + costs.client_us)


def node_demand_us(inputs: Inputs, mix: Mapping[str, float], layout: Layout) -> float:
    """What one operation of the cluster takes of the fullest node."""
    return mixed_cost_us(inputs, mix, layout) * IMBALANCE / layout.nodes


def saturation(inputs: Inputs, mix: Mapping[str, float], layout: Layout) -> float:
    """Operations a second at which the fullest node's core is full; generators run elsewhere."""
    free_us = 1e6 - inputs.idle(layout.nodes)
    return max(0.0, free_us) / node_demand_us(inputs, mix, layout)
