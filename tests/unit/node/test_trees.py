import pytest

from dynamo.errors import DynamoError, ReadTimeout
from dynamo.layout.digests import LEAVES, leaf_of
from dynamo.layout.keyspaces import Keyspace
from dynamo.node import trees
from dynamo.node.trees import Trees
from dynamo.protocol.codec import refused_error
from dynamo.protocol.messages import AskKeys, AskRoots, AskTree, Keys, Message, Refused, Roots, TreeHashes
from dynamo.repair.merkle import BRANCH_LEVEL, LEAF_LEVEL, branch_of, root
from dynamo.ring.token import key_hash
from dynamo.versioning.record import decode, digest
from tests.unit.node.world import World

KEYS = [b"user%d" % number for number in range(200)]
ALL = list(range(LEAVES))


class Asked:
    """One node with one partition, asked as a peer does unless `deadline` is 0."""

    def __init__(self, keys: list[bytes]) -> None:
        self.world = World(1, partitions=1)
        for key in keys:
            self.world.write("node1", key, b"value of " + key)
        node = self.world["node1"]
        self.metrics = node.metrics
        self.trees = Trees(self.world.clock, self.world.storage["node1"], 1, node.metrics)

    def begin(self, message: Message, answers: list[Message], deadline: float | None = None) -> None:
        handler = {AskRoots: self.trees.roots, AskTree: self.trees.tree, AskKeys: self.trees.keys}[type(message)]
        handler(message, self.world.clock.now + 10 if deadline is None else deadline, "", answers.append)

    def ask(self, message: Message, deadline: float | None = None) -> Message:
        answers: list[Message] = []
        self.begin(message, answers, deadline)
        self.world.clock.turn(5)
        assert len(answers) == 1
        return answers[0]

    def digests(self) -> dict[bytes, int]:
        return {key: digest(decode(self.world["node1"].replica.fetch("b", key))) for key in KEYS}


@pytest.fixture(scope="module")
def asked() -> Asked:
    return Asked(KEYS)


@pytest.mark.parametrize("deadline", [0.0, None])
def test_every_level_sums_up_the_one_below(asked, deadline):
    """From the leaves as they are stored; the same for a peer and for this node itself."""
    leaves = asked.ask(AskTree(0, "b", LEAF_LEVEL, []), deadline)
    branches = asked.ask(AskTree(0, "b", BRANCH_LEVEL, []), deadline)
    roots = asked.ask(AskRoots(0), deadline)
    assert isinstance(leaves, TreeHashes)
    assert isinstance(branches, TreeHashes)
    assert isinstance(roots, Roots)
    assert [leaf for leaf, _ in leaves.hashes] == sorted({leaf_of(key_hash("b", key)): None for key in KEYS})
    assert roots.roots == [("b", root(hashed for _, hashed in branches.hashes))]
    for branch, hashed in branches.hashes:
        assert hashed == root(h for leaf, h in leaves.hashes if branch_of(leaf) == branch)


def test_only_leaves_below_the_branches_asked_for(asked):
    """And every one of them."""
    every = asked.ask(AskTree(0, "b", LEAF_LEVEL, []))
    some = asked.ask(AskTree(0, "b", LEAF_LEVEL, [3, 17]))
    assert some.hashes == [pair for pair in every.hashes if branch_of(pair[0]) in (3, 17)]


def test_keys_of_the_leaves_asked_for(asked):
    """With the digests of their versions, in key order."""
    digests = asked.digests()
    assert asked.ask(AskKeys(0, "b", ALL)) == Keys(sorted(digests.items()))
    leaves = [leaf_of(key_hash("b", key)) for key in KEYS[:3]]
    wanted = sorted(pair for pair in digests.items() if leaf_of(key_hash("b", pair[0])) in leaves)
    assert asked.ask(AskKeys(0, "b", leaves)) == Keys(wanted)
    assert asked.ask(AskKeys(0, "b", ALL, sorted(KEYS)[150])) == Keys(sorted(digests.items())[150:])
    assert asked.ask(AskKeys(0, "c", ALL)) == Keys([])


def test_pages(asked, monkeypatch):
    """A long list is cut, and says so; a list that just fits does not."""
    monkeypatch.setattr(trees, "KEYS_PAGE", 150)
    first = asked.ask(AskKeys(0, "b", ALL))
    assert (len(first.keys), first.more) == (150, True)
    rest = asked.ask(AskKeys(0, "b", ALL, first.keys[-1][0] + b"\0"))
    assert (len(rest.keys), rest.more) == (50, False)
    monkeypatch.setattr(trees, "KEYS_PAGE", 200)
    assert not asked.ask(AskKeys(0, "b", ALL)).more


def test_the_loop_is_free_between_pieces(asked):
    """A walk over many records ends no sooner than after some ticks."""
    answers: list[Message] = []
    asked.begin(AskKeys(0, "b", ALL), answers)
    assert answers == []
    asked.world.clock.turn(1)
    assert len(answers) == 1


def test_large_values_make_small_pieces():
    """The bytes read in one piece are bounded, as soon as the values have shown their size."""
    asked = Asked([])
    for number in range(40):
        asked.world.write("node1", b"k%02d" % number, bytes(200_000))
    limits = []
    storage, scan = asked.world.storage["node1"], asked.world.storage["node1"].scan
    storage.scan = lambda space, start, end, limit: limits.append(limit) or scan(space, start, end, limit)
    assert len(asked.ask(AskKeys(0, "b", ALL)).keys) == 40
    assert limits[0] <= 16
    assert all(limit * 200_000 <= 2 * trees.PIECE_BYTES for limit in limits[1:])


def test_walks_for_peers_wait_and_are_refused_at_last(asked, monkeypatch):
    """Two at a time, some behind them, one more is refused; this node's own questions wait for nobody."""
    monkeypatch.setattr(trees, "WAITING_MAX", 3)
    answers: list[Message] = []
    for _ in range(trees.WALKS_MAX + 3):
        asked.begin(AskKeys(0, "b", ALL), answers)
    with pytest.raises(DynamoError) as refused:
        asked.begin(AskRoots(0), answers)
    assert refused.value.code == "overloaded"
    own: list[Message] = []
    asked.begin(AskRoots(0), own, 0.0)
    assert len(own) == 1
    asked.world.clock.turn(5)
    assert len(answers) == trees.WALKS_MAX + 3
    assert all(isinstance(answer, Keys) for answer in answers)
    assert isinstance(asked.ask(AskRoots(0)), Roots)


def test_expired_work_is_dropped(asked):
    """Nobody waits for the answer any more."""
    answer = asked.ask(AskKeys(0, "b", ALL), asked.world.clock.now + 0.0001)
    assert isinstance(answer, Refused)
    assert isinstance(refused_error(answer), ReadTimeout)


@pytest.mark.parametrize(
    "message", [AskRoots(1), AskRoots(-1), AskTree(0, "b", 3, []), AskTree(1, "b", 1, []), AskKeys(7, "b", [])]
)
def test_what_is_not_there_is_refused(asked, message):
    """A partition or a level that no tree has."""
    with pytest.raises(DynamoError) as refused:
        asked.ask(message)
    assert refused.value.code == "invalid-parameter"


def test_a_damaged_record_differs_from_every_other():
    """It is listed, so that somebody sees to it, and ends no walk."""
    asked = Asked(KEYS[:5])
    (stored, _), *_ = sorted(asked.world.records("node1").items())
    asked.world.storage["node1"].durable[Keyspace.RECORDS][stored] = b"\1no record"
    answer = asked.ask(AskKeys(0, "b", ALL))
    assert len(answer.keys) == 5
    assert answer.keys[0][1] == trees.DAMAGED


def test_what_is_sent_to_peers_is_counted(asked):
    """Not what this node tells itself."""
    before = asked.metrics.repair_bytes_sent.value
    asked.ask(AskRoots(0), 0.0)
    assert asked.metrics.repair_bytes_sent.value == before
    asked.ask(AskRoots(0))
    assert asked.metrics.repair_bytes_sent.value > before
