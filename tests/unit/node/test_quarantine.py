import pytest

from dynamo.errors import CorruptValue, StorageFull
from dynamo.layout import damage
from dynamo.layout.keyspaces import Keyspace
from dynamo.node import quarantine
from dynamo.protocol.bucket import BucketProperties
from dynamo.versioning.record import encode
from tests.unit.node.lone import Lone, of, theirs

META, RECORDS = Keyspace.META, Keyspace.RECORDS


def harm(lone: Lone, key: bytes = b"k") -> tuple[bytes, bytes]:
    """Flip a bit in the stored record of a key; its stored key and the bytes as they are now."""
    stored = next(s for s in lone.storage.durable[RECORDS] if s.endswith(b"\0" + key))
    bad = bytearray(lone.storage.durable[RECORDS][stored])
    bad[-1] ^= 1
    lone.storage.durable[RECORDS][stored] = bytes(bad)
    return stored, bytes(bad)


def notes(lone: Lone) -> list[damage.Damaged]:
    return [damage.decode(d) for k, d in lone.storage.durable[META].items() if k.startswith(damage.PREFIX)]


def test_a_damaged_record_is_refused_taken_out_and_kept(lone):
    """It is never read to anybody; its bytes stay for a person to look at."""
    lone.write(b"k", b"one")
    stored, bad = harm(lone)
    with pytest.raises(CorruptValue):
        lone.replica.fetch("b", b"k")
    lone.world.agenda.run()
    assert stored not in lone.storage.durable[RECORDS]
    (note,) = notes(lone)
    assert (note.stored, note.kept, note.size_bytes, note.open) == (stored, bad, len(bad), True)
    assert lone.metrics.audit_damaged["records"].value == lone.metrics.audit_quarantined.value == 1


def test_a_key_in_doubt_is_not_nothing(lone):
    """Once the damaged bytes are gone this replica still does not say that it holds nothing, nor after a restart."""
    lone.write(b"k", b"one")
    stored, _ = harm(lone)
    for _ in range(2):
        with pytest.raises(CorruptValue):
            lone.replica.fetch("b", b"k")
        lone.world.agenda.run()
    lone.world.crash("node1")
    lone.storage = lone.world.storage["node1"]
    with pytest.raises(CorruptValue):
        lone.replica.fetch("b", b"k")
    assert list(lone.world["node1"].quarantine.open) == [stored]


def test_a_listing_does_not_leave_out_a_key_in_doubt(lone):
    """A page over its range is refused, one beside it is not."""
    for key in (b"a/1", b"a/2", b"a/3"):
        lone.write(key, b"one")
    harm(lone, b"a/2")
    records = lone.replica._records
    partition = lone.world["node1"].preference.partition("b", b"a/1")
    for _ in range(2):
        with pytest.raises(CorruptValue):
            records.scan("b", partition, b"", b"", b"", 10, values=False)
        lone.world.agenda.run()
    assert records.scan("b", partition, b"a/3", b"", b"", 10, values=False)[0][0][0] == b"a/3"


def test_what_others_send_is_stored_over_the_damage(lone):
    """As for any other key; the doubt stays, since they may not have sent everything."""
    lone.write(b"k", b"one")
    harm(lone)
    assert lone.store(b"k", of(theirs())) is None
    assert [encode(of(theirs()))] == list(lone.storage.durable[RECORDS].values())
    with pytest.raises(CorruptValue):
        lone.replica.fetch("b", b"k")


def test_the_doubt_ends_on_disk(lone):
    """From then on the record is read again, after a restart as well."""
    lone.write(b"k", b"one")
    stored, _ = harm(lone)
    lone.store(b"k", of(theirs()))
    outcomes = []
    kept = lone.world["node1"].quarantine
    kept.closed(kept.open[stored], outcomes.append)
    lone.world.agenda.run()
    assert outcomes == [None]
    assert lone.values(b"k") == [b"theirs"]
    lone.world.crash("node1")
    assert lone.values(b"k") == [b"theirs"]
    assert notes(lone)[0].open is False


def test_no_dot_is_minted_over_a_record_in_doubt(lone):
    """Its clock would cover dots that the others hold. Afterwards this node is another actor."""
    before = lone.write(b"k", b"one").siblings[0].actor
    harm(lone)
    with pytest.raises(CorruptValue):
        lone.begin(b"k", b"two")
    lone.world.agenda.run()
    with pytest.raises(CorruptValue):
        lone.begin(b"k", b"two")
    assert lone.write(b"other", b"two").siblings[0].actor != before


def test_a_sole_replica_writes_over_what_is_lost():
    """There is nobody to bring it back. It takes another name first, and the key can be read again."""
    lone, alone = Lone(), BucketProperties(name="b", n=1)
    before = lone.write(b"k", b"one", bucket=alone)
    harm(lone)
    with pytest.raises(CorruptValue):
        lone.replica.fetch("b", b"k")
    record = lone.write(b"k", b"two", bucket=alone)
    assert record.clock.keys().isdisjoint(before.clock)
    lone.world.agenda.run()
    assert lone.values(b"k") == [b"two"]


def test_what_is_being_written_over_is_left_alone(lone):
    """A queued write was computed from what was sound."""
    lone.write(b"k", b"one")
    lone.storage.held = True
    second = lone.begin(b"k", b"two")
    harm(lone)
    with pytest.raises(CorruptValue):
        lone.replica.fetch("b", b"k")
    lone.storage.release()
    lone.world.agenda.run()
    assert second.outcomes == [None]
    assert b"two" in lone.values(b"k")
    assert notes(lone) == []


def test_a_full_store_keeps_the_damage_and_refuses_it(lone):
    """There is no room to take it out; it is found again, and taken out when there is."""
    lone.write(b"k", b"one")
    stored, bad = harm(lone)
    lone.storage.full = True
    with pytest.raises(CorruptValue):
        lone.replica.fetch("b", b"k")
    lone.world.agenda.run()
    assert lone.storage.durable[RECORDS][stored] == bad
    lone.storage.full = False
    assert lone.world["node1"].quarantine.found(stored, bad, "again")
    lone.world.agenda.run()
    assert stored not in lone.storage.durable[RECORDS]
    assert lone.metrics.audit_damaged["records"].value == 1


def test_what_was_written_over_the_damage_stays(lone):
    """Who judged the bytes some time ago takes out those bytes, and nothing that came since."""
    lone.write(b"k", b"one")
    stored, bad = harm(lone)
    with pytest.raises(CorruptValue):
        lone.replica.fetch("b", b"k")
    lone.world.agenda.run()
    assert lone.store(b"k", of(theirs())) is None
    assert lone.world["node1"].quarantine.found(stored, bad, "late")
    lone.world.agenda.run()
    assert lone.storage.durable[RECORDS][stored] == encode(of(theirs()))


def test_what_is_kept_is_bounded(lone, monkeypatch):
    """Above the bound only the fact is."""
    monkeypatch.setattr(quarantine, "KEPT_BYTES_MAX", 150)
    for key in (b"a", b"b", b"c"):
        lone.write(key, b"one")
        harm(lone, key)
        with pytest.raises(CorruptValue):
            lone.replica.fetch("b", key)
        lone.world.agenda.run()
    assert sorted(len(note.kept) > 0 for note in notes(lone)) == [False, False, True]
    assert all(note.size_bytes > 0 for note in notes(lone))


def test_a_damaged_note_of_damage_is_dropped(lone):
    """Nobody knows any more what it spoke of, and a start must not fail over it."""
    lone.storage.durable[META][damage.PREFIX + b"0" * 16] = b"\x01damaged"
    lone.world.crash("node1")
    lone.world.agenda.run()
    assert damage.PREFIX + b"0" * 16 not in lone.world.storage["node1"].durable[META]


def test_a_doubt_that_cannot_be_closed_stays(lone):
    """The error goes to whoever tried."""
    lone.write(b"k", b"one")
    stored, _ = harm(lone)
    lone.store(b"k", of(theirs()))
    lone.storage.full, outcomes = True, []
    kept = lone.world["node1"].quarantine
    kept.closed(kept.open[stored], outcomes.append)
    lone.world.agenda.run()
    assert [type(o) for o in outcomes] == [StorageFull]
    assert stored in lone.world["node1"].quarantine.open


def test_damage_found_while_a_doubt_is_closed_stays_open(lone):
    """It is of something newer, and so is the doubt: on disk, too."""
    lone.write(b"k", b"one")
    stored, _ = harm(lone)
    lone.store(b"k", of(theirs()))
    kept, outcomes = lone.world["node1"].quarantine, []
    kept.closed(kept.open[stored], outcomes.append)
    _, bad = harm(lone)
    assert kept.found(stored, bad, "again")
    lone.world.agenda.run()
    assert outcomes == [None]
    assert stored in kept.open
    assert [note.open for note in notes(lone)] == [True]
