"""When a node keeps its incarnation, when it takes another one, and when it refuses to start."""

from __future__ import annotations

import errno
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dynamo.errors import StorageFull, StorageRefused
from dynamo.ring.ring import Member, changed_ring, first_ring
from dynamo.storage import directory, identity
from dynamo.storage.directory import DataDirectory
from dynamo.storage.identity import Expected, NodeIdentity, placement_digest

EXPECTED = Expected(cluster="c", node="node1", engine="lmdb-0.9", epoch=3, placement="0011223344556677")
MEMBERS = [Member(f"node{i}", "127.0.0.1", 7611 + i, 7610 + i, 7612 + i, zone=f"z{i}") for i in (1, 2, 3)]


@pytest.fixture
def owner(tmp_path) -> Iterator[DataDirectory]:
    owner = DataDirectory(tmp_path / "data")
    yield owner
    owner.release()


def start(
    owner: DataDirectory, expected: Expected = EXPECTED, *, store_version: int = 7, store_is_empty: bool = False
) -> NodeIdentity:
    """A start as `open.py` does it; the store says what it is."""
    known = identity.load(owner)
    if known is not None:
        identity.check(known, expected, owner)
    return identity.settle(
        owner,
        known,
        expected,
        store_version=lambda: store_version,
        opened_version=store_version,
        store_is_empty=store_is_empty,
    )


def on_disk(owner: DataDirectory) -> dict[str, object]:
    return tomllib.loads((owner.path / "identity.toml").read_text())


def ran_and_stopped(owner: DataDirectory, counter: int = 41) -> str:
    """A first run with a clean stop; its incarnation."""
    first = start(owner, store_is_empty=True)
    first.close(counter)
    return first.incarnation


def test_a_new_node_takes_an_incarnation(owner):
    """Eight hex digits, nothing minted, on disk as unclean when it returns."""
    new = start(owner, store_is_empty=True)
    assert re.fullmatch(r"[0-9a-f]{8}", new.incarnation)
    assert new.counter == 0
    assert on_disk(owner) == {
        "format": 1,
        "cluster": "c",
        "node": "node1",
        "engine": "lmdb-0.9",
        "epoch": 3,
        "placement": "0011223344556677",
        "incarnation": new.incarnation,
        "counter": 0,
        "clean": False,
        "store_version": 0,
        "store": new.store,
        "starts": 1,
    }
    assert re.fullmatch(r"[0-9a-f]{16}", new.store)


def test_incarnations_differ(tmp_path):
    """They are drawn, not counted: a wiped node does not know what it was."""
    seen = set()
    for number in range(20):
        owner = DataDirectory(tmp_path / str(number))
        seen.add(start(owner, store_is_empty=True).incarnation)
        owner.release()
    assert len(seen) == 20


def test_after_a_clean_stop_it_goes_on(owner):
    """Same incarnation, after its last counter; and the file says unclean again, or the next crash would go unseen."""
    incarnation = ran_and_stopped(owner)
    assert on_disk(owner)["clean"] is True
    again = start(owner)
    assert (again.incarnation, again.counter) == (incarnation, 41)
    assert on_disk(owner)["clean"] is False
    assert on_disk(owner)["incarnation"] == incarnation


def test_after_a_crash_it_takes_another(owner):
    """What was minted after the last sync may be known to peers and forgotten here."""
    crashed = start(owner, store_is_empty=True)
    again = start(owner)
    assert again.incarnation != crashed.incarnation
    assert again.counter == 0
    assert on_disk(owner)["incarnation"] == again.incarnation
    assert on_disk(owner)["clean"] is False


def test_a_crash_after_a_clean_stop_and_start_is_seen(owner):
    """Each run counts by itself."""
    incarnation = ran_and_stopped(owner)
    start(owner)
    crashed = start(owner)
    assert crashed.incarnation != incarnation


def test_a_wiped_store_takes_another(owner):
    """Clean as the stop was."""
    incarnation = ran_and_stopped(owner)
    again = start(owner, store_is_empty=True)
    assert again.incarnation != incarnation
    assert again.counter == 0


def test_a_store_that_was_written_without_us_takes_another(owner):
    """Somebody opened it since; an older one is refused, see below."""
    incarnation = ran_and_stopped(owner)
    assert start(owner, store_version=8).incarnation != incarnation


def test_data_without_an_identity_are_refused(owner):
    """Whose they are is not known; nothing is written."""
    with pytest.raises(StorageRefused, match=r"has data but no identity.toml.*put back the file"):
        start(owner, store_is_empty=False)
    assert not (owner.path / "identity.toml").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cluster": "other"}, "belongs to cluster 'c', not 'other'.*cluster.name"),
        ({"node": "node2"}, "belongs to node 'node1', not 'node2'.*node.id"),
        ({"engine": "lmdb-1.0"}, "written by engine 'lmdb-0.9'.*'lmdb-1.0'"),
        ({"epoch": 2}, r"has run with epoch 3 .* older 2.*\[cluster\] section"),
        ({"placement": "ff"}, "other members.*cannot be changed yet.*Take back the change.*kv export.*kv import"),
    ],
)
def test_a_directory_of_someone_else_is_refused(owner, change, said):
    """With what to do, and with the file untouched: the right configuration still goes on after it."""
    incarnation = ran_and_stopped(owner)
    before = on_disk(owner)
    with pytest.raises(StorageRefused, match=said):
        start(owner, msgspec.structs.replace(EXPECTED, **change))
    assert on_disk(owner) == before
    assert start(owner).incarnation == incarnation


def test_a_later_epoch_is_taken_over(owner):
    """With the members that were there; from then on the former one is refused."""
    incarnation = ran_and_stopped(owner)
    again = start(owner, msgspec.structs.replace(EXPECTED, epoch=4))
    assert again.incarnation == incarnation
    assert (on_disk(owner)["epoch"], on_disk(owner)["placement"]) == (4, EXPECTED.placement)
    with pytest.raises(StorageRefused, match="epoch 4"):
        start(owner)


@pytest.mark.parametrize("version", [6, 7, 8])
@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("epoch", [2, 3, 4, 1000])
def test_data_stay_with_their_members(owner, epoch, clean, version):
    """Whatever the epoch, after whatever stop: nobody has moved them. The file is untouched."""
    first = start(owner, store_is_empty=True)
    if clean:
        first.close(41)
    before = on_disk(owner)
    with pytest.raises(StorageRefused, match=r"Take back the change|take over the \[cluster\] section"):
        start(owner, msgspec.structs.replace(EXPECTED, epoch=epoch, placement="ff"), store_version=version)
    assert on_disk(owner) == before
    assert start(owner).counter == 41 * clean


@pytest.mark.parametrize("clean", [True, False])
def test_an_empty_store_takes_other_members_under_a_later_epoch_only(owner, clean):
    """One that was wiped, or never had data: there is nothing to move. It is a new store under a new incarnation."""
    first = start(owner, store_is_empty=True)
    if clean:
        first.close(41)
    for epoch in (2, 3):
        with pytest.raises(StorageRefused, match=r"\[cluster\] section"):
            start(owner, msgspec.structs.replace(EXPECTED, epoch=epoch, placement="ff"), store_is_empty=True)
    again = start(owner, msgspec.structs.replace(EXPECTED, epoch=4, placement="ff"), store_is_empty=True)
    assert (again.incarnation != first.incarnation, again.store != first.store, again.counter) == (True, True, 0)
    assert (on_disk(owner)["epoch"], on_disk(owner)["placement"]) == (4, "ff")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not toml [",
        "format = 1\n",
        b"\xff\xfe",
        'format = 1\ncluster = "c"\nnode = "n"\nengine = "e"\nepoch = "three"\n',
    ],
)
def test_a_damaged_file_is_refused(owner, content):
    """It is neither guessed at nor replaced."""
    content = content if isinstance(content, bytes) else content.encode()
    (owner.path / "identity.toml").write_bytes(content)
    with pytest.raises(StorageRefused, match=r"identity\.toml"):
        start(owner, store_is_empty=True)
    assert (owner.path / "identity.toml").read_bytes() == content


def test_every_field_is_needed(owner):
    """A file that lost a line is damaged."""
    ran_and_stopped(owner)
    path = owner.path / "identity.toml"
    lines = path.read_text().splitlines(keepends=True)
    for gone in range(1, len(lines)):
        if lines[gone].startswith(("store =", "starts =")):
            continue  # unknown to earlier versions; see below
        path.write_text("".join(lines[:gone] + lines[gone + 1 :]))
        with pytest.raises(StorageRefused):
            start(owner)


def test_each_start_on_a_store_has_a_number(owner):
    """After a clean stop and after a crash; on disk before anything is served, and each run has a name of its own."""
    first = start(owner, store_is_empty=True)
    first.close(0)
    runs, store = [first.run], first.store
    for number in (2, 3):
        again = start(owner)
        assert (again.store, again.starts, on_disk(owner)["starts"]) == (store, number, number)
        runs.append(again.run)
    assert len(set(runs)) == 3


def test_an_empty_store_is_another_one(owner):
    """Its starts are counted from one again, under another name."""
    first = start(owner, store_is_empty=True)
    again = start(owner, store_is_empty=True)
    assert again.store != first.store
    assert again.starts == 1


def test_a_file_of_before_stores_had_names_is_taken_over(owner):
    """The store gets its name now; incarnation and counter go on."""
    incarnation = ran_and_stopped(owner)
    path = owner.path / "identity.toml"
    lines = [
        line for line in path.read_text().splitlines(keepends=True) if not line.startswith(("store =", "starts ="))
    ]
    path.write_text("".join(lines))
    again = start(owner)
    assert (again.incarnation, again.starts) == (incarnation, 1)
    assert again.store


def test_a_store_older_than_its_last_stop_is_refused(owner):
    """The store was put back from a copy, the file was not: that much can be seen without asking anybody."""
    ran_and_stopped(owner)
    with pytest.raises(StorageRefused, match=r"put back from a copy.*Move the data directory away"):
        start(owner, store_version=6)
    assert on_disk(owner)["clean"] is True


def test_a_later_format_is_refused(owner):
    """Its fields are not known here."""
    ran_and_stopped(owner)
    path = owner.path / "identity.toml"
    path.write_text(path.read_text().replace("format = 1", "format = 2"))
    with pytest.raises(StorageRefused, match=r"has format 2.*use a later version"):
        start(owner)


@pytest.mark.parametrize("name", ["plain", 'quote " and \\ and \n', "\x7f \x00 \x1f", "Ünïcode \U0001f600", ""])
def test_any_name_is_read_back(owner, name):
    """Whatever the configuration calls the cluster."""
    named = msgspec.structs.replace(EXPECTED, cluster=name)
    incarnation = start(owner, named, store_is_empty=True).incarnation
    assert on_disk(owner)["cluster"] == name
    assert start(owner, named).incarnation != incarnation


def test_renewal_is_on_disk_when_it_returns(owner):
    """A crash right after it starts from the new one, not from the old."""
    ran_and_stopped(owner)
    again = start(owner)
    former = again.incarnation
    again.renew()
    assert again.incarnation != former
    assert again.counter == 0
    assert on_disk(owner)["incarnation"] == again.incarnation
    assert on_disk(owner)["clean"] is False
    again.close(5)
    assert start(owner).counter == 5


def test_a_renewal_that_fails_changes_nothing(owner, monkeypatch):
    """The caller hears of it, and goes on being who the file says."""
    new = start(owner, store_is_empty=True)
    former = new.incarnation

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(directory.os, "fsync", fsync)
    with pytest.raises(StorageFull):
        new.renew()
    monkeypatch.undo()
    assert new.incarnation == on_disk(owner)["incarnation"] == former
    new.renew()
    assert new.incarnation != former


def test_a_closed_identity_is_over(owner):
    """It is closed once, with a counter that did not fall, and never renewed afterwards."""
    ran_and_stopped(owner, counter=41)
    again = start(owner)
    with pytest.raises(AssertionError):
        again.close(40)
    again.close(41)
    with pytest.raises(AssertionError):
        again.close(42)
    with pytest.raises(AssertionError):
        again.renew()


def test_the_log_can_say_why(owner):
    """Each row of the table has its reason."""
    assert start(owner, store_is_empty=True).reason == "the node is new"
    assert start(owner).reason == "the last stop was not clean"
    start(owner).close(0)
    assert start(owner, store_version=8).reason == "the store is not the one of the last stop"
    start(owner).close(0)
    assert start(owner).reason == "the last stop was clean"
    assert start(owner, store_is_empty=True).reason == "the store is empty"


def test_placement_depends_on_owners_and_zones_only():
    """A node may move to another address; it may not hand over partitions without anyone noticing."""
    ring = first_ring(MEMBERS, 64)
    moved = [msgspec.structs.replace(m, host="10.0.0.1", peer_port=1, client_port=2, ops_port=3) for m in MEMBERS]
    assert placement_digest(first_ring(moved, 64)) == placement_digest(ring)
    rezoned = [msgspec.structs.replace(m, zone="one") for m in MEMBERS]
    fewer = MEMBERS[:2]
    heavier = [msgspec.structs.replace(MEMBERS[0], weight=3), *MEMBERS[1:]]
    others = [
        first_ring(rezoned, 64),
        first_ring(fewer, 64),
        first_ring(heavier, 64),
        first_ring(MEMBERS, 128),
        changed_ring(ring, fewer),
    ]
    assert len({placement_digest(other) for other in [ring, *others]}) == 6


def test_placement_without_host_labels_is_digested_as_ever():
    """Else every store from before there were labels would refuse to start; a label is part of it, on any one node."""
    ring = first_ring(MEMBERS, 64)
    assert placement_digest(ring) == "b2ff977952e8c136"
    for place in range(3):
        members = [msgspec.structs.replace(m, host_label="h" * (i == place)) for i, m in enumerate(MEMBERS)]
        labelled = first_ring(members, 64)
        assert labelled.owners == ring.owners
        assert placement_digest(labelled) != placement_digest(ring)


def test_the_file_warns_whoever_opens_it(owner):
    """Copying it to another node would give two nodes one name."""
    ran_and_stopped(owner)
    first_line = Path(owner.path / "identity.toml").read_text().splitlines()[0]
    assert first_line.startswith("# ")
    assert "copied" in first_line
