"""Every message between nodes, one class each: the peer protocol on one page, but for Paxos (`protocol/paxos.py`).

Requests and replies are told apart by their envelope, not by class. Tags and field order are the wire format
(`array_like`): append fields, never reorder, never reuse a tag (28 to 42, 44 and 47 are Paxos). Golden bytes:
`tests/unit/protocol/test_codec.py`.
"""

from __future__ import annotations

import msgspec

from dynamo.protocol.bucket import BucketProperties
from dynamo.protocol.commands import WriteCommand, WriteOutcome
from dynamo.protocol.paxos import (
    Accept,
    Accepted,
    AcceptMany,
    AskBallots,
    Ballots,
    ForgetKey,
    Forgotten,
    ForwardChange,
    ForwardedChange,
    Inspect,
    Inspected,
    Learn,
    Learned,
    LearnMany,
    Prepare,
    Promised,
    Rejected,
)


class Ping(msgspec.Struct, tag=1, array_like=True, gc=False):
    """Are you there? Answered by Pong."""


class Pong(msgspec.Struct, tag=2, array_like=True, gc=False):
    """Yes."""


class Fetch(msgspec.Struct, tag=3, array_like=True, gc=False):
    """What do you hold under this key? Answered by Fetched, from durable state only."""

    bucket: str
    key: bytes
    hint_for: str = ""
    """Answer with the hint that you keep for that node instead: asked of a fallback that stands in for it."""
    for_repair: bool = False
    """Say what you hold even if you are still being rebuilt: nobody takes it for a replica's vote."""


class Fetched(msgspec.Struct, tag=4, array_like=True, gc=False):
    """The record in its byte form; empty if there is none."""

    record: bytes
    at_us: int = 0
    """When it was read, in microseconds of the answerer's monotonic clock; 0 if it does not say."""


class Store(msgspec.Struct, tag=5, array_like=True, gc=False):
    """Merge this record into yours. Answered by Stored once it is as durable as asked. Repeats harmlessly."""

    bucket: str
    key: bytes
    record: bytes
    durable: bool = True
    """Sync before answering even where the node runs with `durability = "async"`."""
    hint_for: str = ""
    """Keep it as a hint for that node instead; empty for a write of the receiver's own."""


class Stored(msgspec.Struct, tag=6, array_like=True, gc=False):
    """It is on disk (or, where async durability was asked for, in the store)."""

    at_us: int = 0
    """Since when it can be read, in microseconds of the answerer's monotonic clock; 0 if it does not say."""
    spent_us: int = 0
    """How long before that the Store had come."""


class Forward(msgspec.Struct, tag=7, array_like=True, gc=False):
    """Coordinate this write for me: I am no replica of its key. Answered by Forwarded; never forwarded again."""

    command: WriteCommand


class Forwarded(msgspec.Struct, tag=8, array_like=True, gc=False):
    """The outcome of a forwarded write."""

    outcome: WriteOutcome


class Scan(msgspec.Struct, tag=9, array_like=True, gc=False):
    """Records of a bucket in one partition, in key order, from `start` up to and without `end`. Answered by Scanned."""

    bucket: str
    partition: int
    start: bytes
    end: bytes
    """Empty for no end."""
    prefix: bytes
    limit: int
    values: bool


class Scanned(msgspec.Struct, tag=10, array_like=True, gc=False):
    """Keys with records (values blanked unless wanted), tombstones included."""

    entries: list[tuple[bytes, bytes]]
    more: bool
    """The scan stopped at its limit; more may follow the last key."""


class ShareBuckets(msgspec.Struct, tag=11, array_like=True, gc=False):
    """Properties I know; merge them. Answered by Buckets."""

    buckets: list[BucketProperties]
    digest: int = 0
    """Hash of all properties I hold; if yours differs after the merge, answer with all of yours. 0: do not compare."""


class Buckets(msgspec.Struct, tag=12, array_like=True, gc=False):
    """The merged properties of the names that were shared, durable at the sender; or all that it holds."""

    buckets: list[BucketProperties]


class Refused(msgspec.Struct, tag=13, array_like=True, gc=False):
    """I will not, or could not: an error of the catalogue. `members` are its extra fields in JSON."""

    code: str
    detail: str
    members: bytes = b"{}"


class Status(msgspec.Struct, tag=14, array_like=True, gc=False):
    """How do you see the cluster? Answered by StatusReport."""


class StatusReport(msgspec.Struct, tag=15, array_like=True, gc=False):
    """A node's own view, for `dynamo cluster status`."""

    node: str
    version: str
    epoch: int
    incarnation: str
    peers_up: list[str]
    keys: int
    store_bytes: int
    uptime_s: float
    members: list[MemberState] = []
    """How it sees the other nodes."""


class MemberState(msgspec.Struct, frozen=True, array_like=True):
    """What somebody says of a node. Which of two sayings holds: `membership/view.py`."""

    node: str
    state: int
    """0 alive, 1 suspect, 2 dead."""
    incarnation: int
    """Grows each time the node contradicts what is said of it; only the node itself raises it."""
    by: str = ""
    """Who found out: a suspicion counts for more the more nodes have it from probes of their own."""


class Probe(msgspec.Struct, tag=16, array_like=True, gc=False):
    """Do you work? Answered by ProbeAck from the node's own loop, not by its transport. Carries news on the way."""

    news: list[MemberState]
    """What is to be spread, the sender's own state among it."""


class ProbeAck(msgspec.Struct, tag=17, array_like=True, gc=False):
    """Yes, I do; or, in answer to ProbeFor, the target does."""

    news: list[MemberState]


class ProbeFor(msgspec.Struct, tag=18, array_like=True, gc=False):
    """Probe `target` for me. Answered by ProbeAck if it answered, else Refused."""

    target: str
    news: list[MemberState]


class AskRoots(msgspec.Struct, tag=19, array_like=True, gc=False):
    """Hashes of whole trees: one for each bucket in a partition. Answered by Roots."""

    partition: int


class Roots(msgspec.Struct, tag=20, array_like=True, gc=False):
    """Buckets with their root hashes, in name order; a bucket without records in the partition is left out."""

    roots: list[tuple[str, int]]


class AskTree(msgspec.Struct, tag=21, array_like=True, gc=False):
    """Hashes of one level of a bucket's tree in a partition. Answered by TreeHashes."""

    partition: int
    bucket: str
    level: int
    """1 for branches, 2 for leaves (`repair/merkle.py`)."""
    below: list[int]
    """Only nodes below these of the level above; empty for all."""


class TreeHashes(msgspec.Struct, tag=22, array_like=True, gc=False):
    """Places in the level with their hashes, in order; empty ones are left out."""

    hashes: list[tuple[int, int]]


class AskKeys(msgspec.Struct, tag=23, array_like=True, gc=False):
    """Keys under some leaves, with the digests of their versions. Answered by Keys."""

    partition: int
    bucket: str
    leaves: list[int]
    start: bytes = b""
    """First key wanted."""


class Keys(msgspec.Struct, tag=24, array_like=True, gc=False):
    """Keys in order, each with the digest of its versions (`versioning/record.py`)."""

    keys: list[tuple[bytes, int]]
    more: bool = False
    """The list is cut; more may follow the last key."""


class StoreAge(msgspec.Struct, frozen=True, array_like=True):
    """How old the data of a node are, as it says itself. What others conclude from it: `membership/store_ages.py`."""

    node: str
    store: str
    """Drawn when the store was made; empty if the node does not say."""
    starts: int
    """Which start of the node on this store this is, from 1."""
    run: str
    """Drawn at this start: two copies of a store that start once each are told apart by it."""
    reaps: int = 0
    """How often this store has agreed that records be forgotten; grows, on disk, before any of them is."""


class DeadKey(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A key that may be forgotten, and which version of it."""

    bucket: str
    key: bytes
    digest: int


class MayReap(msgspec.Struct, tag=25, array_like=True, gc=False):
    """May these be forgotten, as far as you know? Asked of every node of the cluster. Answered by ReapVotes.

    A replica of the key says yes if it holds exactly that version and finds it dead by its own clock; every node says
    no if it keeps a hint for the key, for whomever.
    """

    keys: list[DeadKey]
    ages: list[StoreAge] = []
    """Of the stores that the sender knows, its own among them."""


class Reap(msgspec.Struct, tag=26, array_like=True, gc=False):
    """Forget these, if you hold exactly those versions. Answered by ReapVotes: which are gone, durably."""

    keys: list[DeadKey]
    ages: list[StoreAge] = []
    """As in MayReap."""


class ReapVotes(msgspec.Struct, tag=27, array_like=True, gc=False):
    """Yes or no for each key, in the order asked."""

    votes: list[bool]
    age: StoreAge | None = None
    """The voter's store, this consent included."""


class TellStores(msgspec.Struct, tag=43, array_like=True, gc=False):
    """These are the stores that I know, of each node in the order in which it had them, mine included.

    Answered by the same, once what was told is on the answerer's disk. What is believed of it:
    `membership/store_ages.py`.
    """

    stores: list[list[StoreAge]]


class AskAcknowledged(msgspec.Struct, tag=45, array_like=True, gc=False):
    """Which writes of this key have you acknowledged, and when? Answered by Acknowledged, from memory."""

    bucket: str
    key: bytes
    spans: list[tuple[str, int, int]]
    """Actors of yours, each with the counters asked about: those above the first number, up to the second."""


class SpanAcks(msgspec.Struct, array_like=True, gc=False):
    """What a coordinator knows of one span."""

    writes: list[tuple[int, float, int]]
    """Counters of writes of the key; how many seconds ago each was acknowledged, -1 if it was not; and how many of the
    key's replicas are known to have had its record on disk then.
    """
    unknown_upto: int = 0
    """Of other counters up to this one, nothing is known any more."""


class Acknowledged(msgspec.Struct, tag=46, array_like=True, gc=False):
    """What is known of each span, in the order asked."""

    clock_s: float
    """The answerer's monotonic clock at this moment."""
    spans: list[SpanAcks]


class Votes(msgspec.Struct, tag=48, array_like=True, gc=False):
    """The answers to the Accepts of an AcceptMany: each is on disk, and its `next` promised, but for `others`."""

    count: int
    """Of the Accepts that this answers."""
    stores: int
    """As in Promised."""
    others: dict[int, Rejected | Refused] = {}
    """By place in the question: something higher was promised, or this node must not vote on the key."""


Message = (
    Ping
    | Pong
    | Fetch
    | Fetched
    | Store
    | Stored
    | Forward
    | Forwarded
    | Scan
    | Scanned
    | ShareBuckets
    | Buckets
    | Refused
    | Status
    | StatusReport
    | Probe
    | ProbeAck
    | ProbeFor
    | AskRoots
    | Roots
    | AskTree
    | TreeHashes
    | AskKeys
    | Keys
    | MayReap
    | Reap
    | ReapVotes
    | Prepare
    | Promised
    | Accept
    | Accepted
    | Rejected
    | Inspect
    | Inspected
    | Learn
    | Learned
    | ForwardChange
    | ForwardedChange
    | AskBallots
    | Ballots
    | ForgetKey
    | Forgotten
    | TellStores
    | LearnMany
    | AskAcknowledged
    | Acknowledged
    | AcceptMany
    | Votes
)
