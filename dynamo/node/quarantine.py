"""What is damaged in this node's store, and what the node says of it meanwhile.

A record that fails its checksum is taken out of its keyspace at once, its bytes kept for whoever wants to look, and its
key is *in doubt* from then on: this replica may have acknowledged what it no longer has. So until the other replicas
have said what the key holds (`daemons/healer.py`), it neither reads the key to anybody, as "nothing" would be a false
voice in a quorum, nor mints over it. What others send is merged as ever.

The Merkle leaf goes on counting the record that is gone until the auditor has walked the leaf's bucket
(`daemons/auditor.py`): what a damaged record had added to it cannot be known.
"""

from __future__ import annotations

from collections.abc import Callable

from dynamo.errors import CorruptValue, DynamoError
from dynamo.layout import damage
from dynamo.layout.damage import Damaged, damage_key
from dynamo.layout.keyspaces import Keyspace, split_record_key
from dynamo.ports import Change, Clock, Storage
from dynamo.telemetry.logs import QUIET_S, Log
from dynamo.telemetry.metrics import Metrics
from dynamo.versioning.record import is_sound

log = Log("node")

KEPT_BYTES_MAX = 64 * 2**20
"""Of all damaged bytes together; above it, only the fact is kept."""
_PAGE = 100
Place = tuple[int, str]
"""A bucket in a partition."""


class Quarantine:
    """One per node."""

    def __init__(self, storage: Storage, clock: Clock, metrics: Metrics) -> None:
        self._storage = storage
        self._clock = clock
        self._metrics = metrics
        self._quiet_until = 0.0
        self._kept_bytes = 0
        self.open: dict[bytes, Damaged] = {}
        """Stored keys of records in doubt, in the order in which they are to be healed."""
        self.given_up: dict[bytes, None] = {}
        """Those of them that all other replicas have lost as well: only a new write can end their doubt."""
        self.unsure: dict[Place, None] = {}
        """Where leaves may count records that are gone."""
        self.on_loss: Callable[[], None] = _nothing
        """Called when a record with dots of ours may have been lost: this node must become another actor."""

    def load(self) -> None:
        """Read what earlier lives found."""
        start = damage.PREFIX
        while page := self._storage.scan(Keyspace.META, start, damage.BEYOND, _PAGE):
            for name, data in page:
                self._load(name, data)
            start = page[-1][0] + b"\0"
        self._count_open()

    def _load(self, name: bytes, data: bytes) -> None:
        try:
            entry = damage.decode(data)
        except CorruptValue as problem:
            log.warning("a note of earlier damage is damaged", problem=problem.detail)
            self._storage.write([(Keyspace.META, name, None)], False, _ignored)  # the port's order
            return
        self._kept_bytes += len(entry.kept)
        if entry.open and entry.space == Keyspace.RECORDS.value:
            self.open[entry.stored] = entry
            self.unsure[split_record_key(entry.stored)[:2]] = None

    def check(self, stored: bytes) -> None:
        """Raises CorruptValue if the record under this stored key is in doubt. For callers that saw `open` filled."""
        if stored in self.open:
            raise CorruptValue(
                "this replica's copy of the key was damaged and is not repaired from the others yet; retry, or read "
                "with fewer replicas than all"
            )

    def check_to_mint(self, stored: bytes) -> None:
        """The same for a write that begins here: it may take the place of what is lost everywhere."""
        if stored not in self.given_up:
            self.check(stored)

    def check_range(self, low: bytes, high: bytes) -> None:
        """As `check` for a range of stored keys: a page of it would lack a key, silently."""
        for stored in self.open:
            if low <= stored < high:
                self.check(stored)

    def verified(self, stored: bytes, data: bytes) -> bytes:
        """The bytes of a record, if they pass their checksum. Raises CorruptValue, and takes the record out."""
        if data and not is_sound(data):
            self.found(stored, data, "a stored record fails its checksum")
            self.check(stored)
            raise CorruptValue("a stored record fails its checksum", size_bytes=len(data))
        return data

    def found(self, stored: bytes, data: bytes, fault: str) -> bool:
        """A record, `data`, was found damaged: take it out. Whether it is out, or written over, as far as can be seen.

        False while something is queued to be written over it, which is then computed from what was sound. What was
        written over it since it was judged is not touched: an acknowledged write may be in that.
        """
        present = self._storage.read(Keyspace.RECORDS, stored)
        latest = self._storage.latest(Keyspace.RECORDS, stored)
        if present is None or latest is None:
            return True
        if latest != present:
            return False
        if present != data:
            return True
        entry = self._noted(Keyspace.RECORDS, stored, data, fault)
        self.open[stored] = entry
        self.unsure[split_record_key(stored)[:2]] = None
        self._count_open()
        self.on_loss()
        self._write(Keyspace.RECORDS, stored, entry, [(Keyspace.RECORDS, stored, None)])
        return True

    def keep(self, space: Keyspace, stored: bytes, data: bytes, fault: str) -> None:
        """An entry of another keyspace is damaged: keep its bytes. The caller removes it, with what goes with it."""
        entry = self._noted(space, stored, data, fault)
        entry.open = False
        self._write(space, stored, entry, [])

    def page_damaged(self, problem: CorruptValue) -> None:
        """The store cannot read a page, so nobody can say which keys were on it. They answer errors, not nothing."""
        self._metrics.audit_damaged["page"].value += 1
        if self._clock.monotonic() >= self._quiet_until:
            self._quiet_until = self._clock.monotonic() + QUIET_S
            log.error(
                "a page of the store is damaged",
                problem=problem.detail,
                advice="stop this node, set storage.on_damage to set-aside and start it: it begins empty, and the "
                "other nodes fill it",
            )

    def closed(self, entry: Damaged, done: Callable[[DynamoError | None], None]) -> None:
        """The other replicas have said what the key holds, and it is on disk here: this doubt is over.

        It must have been in `open` before they were asked. What was found damaged since may be newer than what they
        said, and leaves the key in doubt.
        """
        stored = entry.stored
        if self.open.get(stored) is not entry:
            done(None)
            return
        entry.open = False
        change = (Keyspace.META, damage_key(Keyspace.RECORDS, stored), damage.encode(entry))

        def settled(error: DynamoError | None) -> None:
            if error is not None:
                entry.open = True
            elif self.open.get(stored) is entry:
                del self.open[stored]
                self.given_up.pop(stored, None)
                self._count_open()
            done(error)

        self._storage.write([change], True, settled)  # the port's order

    def postpone(self, stored: bytes) -> None:
        """A key was tried: if it is still in doubt, all others have their turn before it."""
        if stored in self.open:
            self.open[stored] = self.open.pop(stored)

    def replaced(self, entry: Damaged) -> None:
        """A write over this doubt, of a key that nobody else has, is on disk: what was lost is replaced."""
        self.closed(entry, _ignored)

    def _noted(self, space: Keyspace, stored: bytes, data: bytes, fault: str) -> Damaged:
        if space is not Keyspace.RECORDS or stored not in self.open:
            self._metrics.audit_damaged[space.value].value += 1
            log.warning("damage found", keyspace=space.value, fault=fault, size_bytes=len(data))
        room = max(0, KEPT_BYTES_MAX - self._kept_bytes)
        kept = data if len(data) <= room else b""
        self._kept_bytes += len(kept)
        return Damaged(space.value, stored, fault, self._clock.wall_ms(), len(data), kept)

    def _write(self, space: Keyspace, stored: bytes, entry: Damaged, more: list[Change]) -> None:
        def settled(error: DynamoError | None) -> None:
            if error is not None:
                self._kept_bytes -= len(entry.kept)
                log.debug("damage could not be taken out", keyspace=space.value, problem=str(error))
            else:
                self._metrics.audit_quarantined.value += 1

        self._storage.write([(Keyspace.META, damage_key(space, stored), damage.encode(entry)), *more], True, settled)

    def _count_open(self) -> None:
        self._metrics.audit_in_doubt.value = len(self.open)


def _nothing() -> None:
    pass


def _ignored(_: DynamoError | None) -> None:
    pass
