"""The floor of each partition, as this node keeps it: what was promised and decided for keys that were forgotten.

A replica whose floor cannot be read does not know what it has promised there: it refuses to vote in that partition.
"""

from __future__ import annotations

from dynamo.errors import CorruptValue
from dynamo.layout import floor
from dynamo.layout.floor import GROUND, PREFIX, Floor, floor_key
from dynamo.layout.keyspaces import Keyspace
from dynamo.ports import Change, Storage
from dynamo.telemetry.logs import Log

log = Log("node")

_BEYOND = b"floor0"
_PAGE = 1000


class Floors:
    """One per node."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._floors: dict[int, Floor] = {}
        self._damaged: dict[int, CorruptValue] = {}

    def load(self) -> None:
        """Read what earlier runs kept."""
        start = PREFIX
        while page := self._storage.scan(Keyspace.META, start, _BEYOND, _PAGE):
            for stored, data in page:
                self._load(int.from_bytes(stored[len(PREFIX) :], "big"), data)
            start = page[-1][0] + b"\0"

    def _load(self, partition: int, data: bytes) -> None:
        try:
            self._floors[partition] = floor.decode(data)
        except CorruptValue as problem:
            self._damaged[partition] = problem
            log.warning("a floor is damaged: no votes there", partition=partition, problem=problem.detail)

    def of(self, partition: int) -> Floor:
        """The partition's floor. Raises CorruptValue if it is damaged."""
        if partition in self._damaged:
            raise self._damaged[partition]
        return self._floors.get(partition, GROUND)

    def raised(self, partition: int, other: Floor) -> Change:
        """What to write for a floor that is as high as both; it holds from now on. Raises CorruptValue.

        At once, since what is forgotten in the same batch is gone from then on for whoever computes the next state. If
        the batch fails the floor is higher than it need be, which only refuses.
        """
        self._floors[partition] = self.of(partition).raised(other)
        return (Keyspace.META, floor_key(partition), floor.encode(self._floors[partition]))
