"""Two sides of an exchange in memory, each answering from its own records as `node/trees.py` does, in small pages."""

from __future__ import annotations

from dynamo.errors import DynamoError
from dynamo.layout.digests import contribution, leaf_of
from dynamo.protocol.effects import Effects, Finish, Send, WakeAt
from dynamo.protocol.messages import AskKeys, AskRoots, AskTree, Keys, Message, Roots, TreeHashes
from dynamo.repair.exchange import Differences, Exchange
from dynamo.repair.merkle import BRANCH_LEVEL, branch_of, branches, root
from dynamo.ring.token import key_hash

Records = dict[tuple[str, bytes], int]
"""The digest of the versions under each key."""


class Side:
    """What one node holds in the partition."""

    def __init__(self, records: Records, page: int = 3) -> None:
        self.records = records
        self.page = page

    def leaves(self, bucket: str) -> dict[int, int]:
        found: dict[int, int] = {}
        for (name, key), digest in sorted(self.records.items()):
            if name == bucket:
                place = key_hash(name, key)
                found[leaf_of(place)] = found.get(leaf_of(place), 0) ^ contribution(place, digest)
        return dict(sorted(found.items()))

    def answer(self, question: Message) -> Message:
        if isinstance(question, AskRoots):
            names = sorted({name: None for name, _ in self.records})
            return Roots([(name, root(self.leaves(name).values())) for name in names])
        if isinstance(question, AskTree):
            leaves = self.leaves(question.bucket)
            if question.level == BRANCH_LEVEL:
                return TreeHashes(list(branches(leaves.items()).items()))
            return TreeHashes([pair for pair in leaves.items() if branch_of(pair[0]) in question.below])
        assert isinstance(question, AskKeys)
        found = [
            (key, digest)
            for (name, key), digest in sorted(self.records.items())
            if name == question.bucket and key >= question.start and leaf_of(key_hash(name, key)) in question.leaves
        ]
        return Keys(found[: self.page], more=len(found) > self.page)


class Stage:
    """Runs one exchange between `here` and `there`."""

    def __init__(self, exchange: Exchange, here: Side, there: Side) -> None:
        self.exchange = exchange
        self.sides = {"here": here, "there": there}
        self.now = 0.0
        self.outcome: Differences | DynamoError | None = None
        self._wakeups: list[float] = []

    def run(self) -> Differences | DynamoError:
        """To the end; `meanwhile` is called when it settles."""
        self.perform(self.exchange.start(self.now))
        while self.outcome is None:
            assert self._wakeups, "an exchange that nobody answers must wait for a time"
            self.now = self._wakeups.pop(0)
            self.meanwhile()
            self.perform(self.exchange.on_wakeup(self.now))
        assert self.exchange.drained
        return self.outcome

    def meanwhile(self) -> None:
        """What happens while differences are left to settle."""

    def perform(self, effects: Effects) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                answer = self.sides[effect.to].answer(effect.message)
                self.perform(self.exchange.on_reply(effect.to, answer, self.now))
            elif isinstance(effect, WakeAt):
                self._wakeups.append(effect.when)
            else:
                assert isinstance(effect, Finish)
                assert self.outcome is None, "one outcome"
                self.outcome = effect.outcome
