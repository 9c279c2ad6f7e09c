"""Exchange: one partition compared with one peer; the outcome is the keys in which the two differ.

Both sides are asked the same questions, this node through a send to itself: roots of all buckets, then for each bucket
that differs its branches, the leaves below branches that differ, and the keys of leaves that differ, with digests of
their versions. Only buckets of which both are primaries are looked at; which these are depends on each bucket's n, so
the machine is given the rule.

A write on its way looks like a difference. So after `settle_s` the keys found are asked for again, and a key counts
only if both sides show at the second look what they showed at the first. The number of keys is bounded; with `more` the
next exchange goes on after `resume`. Practice: Riak's exchange compares until the differences stop shrinking.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from dynamo.errors import DynamoError, ReadTimeout
from dynamo.layout.digests import leaf_of
from dynamo.layout.keyspaces import successor
from dynamo.protocol.effects import Effects, Finish, PeerError, Send, WakeAt
from dynamo.protocol.messages import AskKeys, AskRoots, AskTree, Keys, Message, Roots, TreeHashes
from dynamo.repair.merkle import BRANCH_LEVEL, LEAF_LEVEL, differing
from dynamo.ring.token import key_hash

ANSWER_S = 10.0
"""How long an answer is waited for: a large partition is walked in pieces, between requests of clients."""

Position = tuple[str, bytes]
"""A bucket and a key in it: where a comparison stands."""
START: Position = ("", b"")
Digests = tuple[int, int]
"""Of the versions that this node and the peer hold; 0 for nothing."""


class Differences(msgspec.Struct, gc=False):
    """What came of an exchange."""

    keys: list[Position]
    """Keys that differ, in order."""
    keys_compared: int = 0
    """Keys whose digests were looked at; those below equal hashes are not among them."""
    more: bool = False
    """There may be more of them, beyond `resume`."""
    resume: Position = START


class Exchange:
    """Machine. Finishes with Differences, or with the error that ended it; nothing is changed either way.

    It has no deadline of its own: each question has one, and there are as many as the differences need.
    """

    __slots__ = (
        "_answers",
        "_compared",
        "_confirmed",
        "_found",
        "_full_at",
        "_is_shared",
        "_keys_max",
        "_node",
        "_partition",
        "_peer",
        "_question",
        "_resume",
        "_settle_s",
        "_settled_at",
        "_to_confirm",
        "_to_list",
        "asked",
        "outcome",
    )

    def __init__(
        self,
        node: str,
        peer: str,
        partition: int,
        is_shared: Callable[[str], bool],
        *,
        settle_s: float,
        keys_max: int,
        resume: Position = START,
    ) -> None:
        assert node != peer, "a node does not compare itself with itself"
        assert keys_max > 0
        self._node = node
        self._peer = peer
        self._partition = partition
        self._is_shared = is_shared
        self._settle_s = settle_s
        self._keys_max = keys_max
        self._resume = resume
        self._question: AskRoots | AskTree | AskKeys = AskRoots(partition)
        self._answers: dict[str, Message] = {}
        self._to_list: list[str] = []
        """Buckets that differ and were not looked into so far."""
        self._found: dict[Position, Digests] = {}
        self._full_at: Position | None = None
        self._settled_at = 0.0
        self._to_confirm: list[str] = []
        self._confirmed: list[Position] = []
        self._compared = 0
        self.asked: list[AskRoots | AskTree | AskKeys] = []
        """Every question so far, for counting."""
        self.outcome: Differences | DynamoError | None = None

    @property
    def drained(self) -> bool:
        return self.outcome is not None

    def start(self, now: float) -> Effects:
        return self._ask(self._question, now)

    def on_reply(self, peer: str, message: Message, now: float) -> Effects:
        if self.outcome is not None:
            return []
        self._answers[peer] = message
        if len(self._answers) < 2:
            return []
        mine, theirs = self._answers[self._node], self._answers[self._peer]
        if isinstance(self._question, AskRoots):
            return self._on_roots(mine, theirs, now)
        if isinstance(self._question, AskTree):
            return self._on_tree(self._question, mine, theirs, now)
        if self._settled_at:
            return self._on_keys_again(self._question, mine, theirs, now)
        return self._on_keys(self._question, mine, theirs, now)

    def on_failure(self, peer: str, error: PeerError, now: float) -> Effects:
        if self.outcome is not None:
            return []
        why = error.error or ReadTimeout(f"{peer} gave no answer to a comparison: {error.failure.value}")
        return self._finish(why)

    def on_wakeup(self, now: float) -> Effects:
        if self.outcome is None and self._settled_at and now >= self._settled_at:
            return self._confirm_next(now)
        return []

    # --- the first look

    def _on_roots(self, mine: Message, theirs: Message, now: float) -> Effects:
        assert isinstance(mine, Roots)
        assert isinstance(theirs, Roots)
        names = differing(mine.roots, theirs.roots)
        self._to_list = [name for name in names if name >= self._resume[0] and self._is_shared(name)]
        return self._list_next(now)

    def _list_next(self, now: float) -> Effects:
        if self._to_list:
            return self._ask(AskTree(self._partition, self._to_list.pop(0), BRANCH_LEVEL, []), now)
        return self._first_look_is_over(now)

    def _on_tree(self, question: AskTree, mine: Message, theirs: Message, now: float) -> Effects:
        assert isinstance(mine, TreeHashes)
        assert isinstance(theirs, TreeHashes)
        below = differing(mine.hashes, theirs.hashes)
        if not below:
            return self._list_next(now)
        if question.level == BRANCH_LEVEL:
            return self._ask(AskTree(self._partition, question.bucket, LEAF_LEVEL, below), now)
        bucket, key = self._resume
        start = successor(key) if question.bucket == bucket and key else b""
        return self._ask(AskKeys(self._partition, question.bucket, below, start), now)

    def _on_keys(self, question: AskKeys, mine: Message, theirs: Message, now: float) -> Effects:
        assert isinstance(mine, Keys)
        assert isinstance(theirs, Keys)
        digests, horizon = _side_by_side(mine, theirs)
        self._compared += len(digests)
        for key, (left, right) in digests.items():
            if left != right:
                self._found[question.bucket, key] = (left, right)
                if len(self._found) == self._keys_max:
                    self._full_at = (question.bucket, key)
                    return self._first_look_is_over(now)
        if horizon is not None:
            return self._ask(msgspec.structs.replace(question, start=successor(horizon)), now)
        return self._list_next(now)

    def _first_look_is_over(self, now: float) -> Effects:
        if not self._found or self._settle_s <= 0:
            self._confirmed = list(self._found)
            return self._finish_compared()
        self._to_confirm = list(dict.fromkeys(bucket for bucket, _ in self._found))
        self._settled_at = now + self._settle_s
        return [WakeAt(self._settled_at)]

    # --- the second look

    def _confirm_next(self, now: float) -> Effects:
        if not self._to_confirm:
            return self._finish_compared()
        bucket = self._to_confirm.pop(0)
        keys = self._keys_found(bucket)
        leaves = sorted(dict.fromkeys(leaf_of(key_hash(bucket, key)) for key in keys))
        return self._ask(AskKeys(self._partition, bucket, leaves, keys[0]), now)

    def _on_keys_again(self, question: AskKeys, mine: Message, theirs: Message, now: float) -> Effects:
        assert isinstance(mine, Keys)
        assert isinstance(theirs, Keys)
        digests, horizon = _side_by_side(mine, theirs)
        for key, both in digests.items():
            if self._found.get((question.bucket, key)) == both:
                self._confirmed.append((question.bucket, key))
        if horizon is not None and horizon < self._keys_found(question.bucket)[-1]:
            return self._ask(msgspec.structs.replace(question, start=successor(horizon)), now)
        return self._confirm_next(now)

    def _keys_found(self, bucket: str) -> list[bytes]:
        return [key for name, key in self._found if name == bucket]

    # --- asking and ending

    def _ask(self, question: AskRoots | AskTree | AskKeys, now: float) -> Effects:
        self._question = question
        self._answers = {}
        self.asked.append(question)
        return [Send(node, question, now + ANSWER_S) for node in (self._node, self._peer)]

    def _finish_compared(self) -> Effects:
        more = self._full_at is not None
        return self._finish(Differences(self._confirmed, self._compared, more, self._full_at or START))

    def _finish(self, outcome: Differences | DynamoError) -> Effects:
        self.outcome = outcome
        return [Finish(outcome)]


def _side_by_side(mine: Keys, theirs: Keys) -> tuple[dict[bytes, Digests], bytes | None]:
    """Keys of two pages with both digests, in order, and the last key that both pages tell of; None for all of them.

    Beyond the last key of a page that was cut a side is silent, not empty.
    """
    cut = [page.keys[-1][0] for page in (mine, theirs) if page.more and page.keys]
    horizon = min(cut) if cut else None
    left, right = dict(mine.keys), dict(theirs.keys)
    keys = [key for key in sorted({**left, **right}) if horizon is None or key <= horizon]
    return {key: (left.get(key, 0), right.get(key, 0)) for key in keys}, horizon
