"""One node, asked as a replica of its keys, with a store that the test settles."""

from dynamo.errors import (
    DynamoError,
)
from dynamo.node.replica import Minted, Replica
from dynamo.protocol.bucket import BucketProperties, Mode
from dynamo.protocol.messages import Store
from dynamo.versioning.hybrid_time import stamp
from dynamo.versioning.record import Record, Sibling, decode, encode
from tests.unit.node.world import START_MS, World

SIBLINGS = BucketProperties(name="b")
LWW = BucketProperties(name="l", mode=Mode.LWW)


class Begun:
    """A write under way."""

    def __init__(self, minted: Minted) -> None:
        self.data, self.repeated = minted.data, minted.repeated
        self.outcomes: list[DynamoError | None] = []
        minted.on_settled = self.outcomes.append


class Lone:
    """One node, asked as a replica."""

    def __init__(self, **settings) -> None:
        self.world = World(1, **settings)
        self.storage = self.world.storage["node1"]
        self.world["node1"].buckets.learn([LWW], lambda _: None)
        self.world.agenda.run()

    @property
    def replica(self) -> Replica:
        return self.world["node1"].replica

    @property
    def metrics(self):
        return self.world["node1"].metrics

    def begin(self, key: bytes, value: bytes | None, *, bucket: BucketProperties = SIBLINGS, **more) -> Begun:
        """A write that is not settled yet."""
        return Begun(self.replica.write(self.world.command(key, value, bucket.name, **more), bucket, durable=True))

    def write(self, key: bytes, value: bytes | None, **more) -> Record:
        """A write that is durable."""
        minted = self.begin(key, value, **more)
        self.world.agenda.run()
        assert minted.outcomes == [None]
        return decode(minted.data)

    def store(self, key: bytes, record: Record, bucket: str = "b", **more) -> DynamoError | None:
        """What another replica sends, settled."""
        outcomes: list[DynamoError | None] = []
        self.replica.store(Store(bucket, key, encode(record), **more), outcomes.append)
        self.world.agenda.run()
        assert len(outcomes) == 1
        return outcomes[0]

    def record(self, key: bytes, bucket: str = "b") -> Record:
        """What a reader is shown."""
        data = self.replica.fetch(bucket, key)
        return decode(data) if data else Record({}, [])

    def values(self, key: bytes, bucket: str = "b") -> list[bytes | None]:
        return [s.value for s in self.record(key, bucket).live(self.world.clock.wall)]


def theirs(counter: int = 1, value: bytes | None = b"theirs", hybrid: int = 0, **more) -> Sibling:
    return Sibling("node2.0000000a", counter, hybrid or stamp(START_MS), value, **more)


def of(*siblings: Sibling, **clock: int) -> Record:
    return Record({s.actor: s.counter for s in siblings} | clock, list(siblings))
