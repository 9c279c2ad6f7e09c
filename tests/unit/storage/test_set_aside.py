"""A damaged store at the start: refused, or set aside for an empty one."""

from __future__ import annotations

import shutil

import msgspec
import pytest

from dynamo.config import Config, StorageSection
from dynamo.errors import StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.storage import set_aside
from tests.unit.storage.test_open import config_of, opened, put, ring_of


def setting_aside(config: Config) -> Config:
    return msgspec.structs.replace(config, storage=StorageSection(map_size_bytes=2**24, on_damage="set-aside"))


async def filled(config: Config) -> str:
    """A stopped node with some data; its incarnation."""
    storage, identity = opened(config)
    for number in range(30):
        await put(storage, b"%d" % number, b"x" * 10_000)
    identity.close(7)
    await storage.close()
    return identity.incarnation


@pytest.mark.parametrize("damage", ["truncated", "header", "roots"])
async def test_a_damaged_store_is_set_aside(tmp_path, damage):
    """Every byte is kept beside the new store, which is empty and of another incarnation."""
    config = config_of(tmp_path)
    former = await filled(config)
    file = tmp_path / "data" / "store" / "data.mdb"
    whole = bytearray(file.read_bytes())
    if damage == "truncated":
        del whole[len(whole) // 2 :]
    else:
        start, end = (0, 4096) if damage == "header" else (8192, len(whole))
        whole[start:end] = b"\xff" * (end - start)
    file.write_bytes(whole)
    storage, identity = opened(setting_aside(config))
    assert storage.scan(Keyspace.RECORDS, b"", None, 9) == []
    assert (identity.incarnation != former, identity.counter) == (True, 0)
    (moved,) = (tmp_path / "data").glob("store.damaged-*")
    assert (moved / "data.mdb").read_bytes() == whole
    identity.close(1)
    await storage.close()


async def test_a_store_is_set_aside_with_its_log(tmp_path):
    """If it is the log that is damaged, too: both are one store."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    await put(storage, b"k", b"v")
    shutil.copytree(tmp_path / "data" / "store", tmp_path / "killed")
    identity.close(1)
    await storage.close()
    shutil.rmtree(tmp_path / "data" / "store")
    (tmp_path / "killed").rename(tmp_path / "data" / "store")
    for file in (tmp_path / "data" / "store" / "log").iterdir():
        file.write_bytes(b"\xff" * 9000)
    with pytest.raises(StorageRefused, match="its log is missing"):
        opened(config)
    storage, identity = opened(setting_aside(config))
    assert storage.scan(Keyspace.RECORDS, b"", None, 9) == []
    (moved,) = (tmp_path / "data").glob("store.damaged-*")
    assert {file.read_bytes() for file in (moved / "log").iterdir()} == {b"\xff" * 9000}
    identity.close(1)
    await storage.close()


async def test_a_damaged_store_stays_where_other_members_are_configured(tmp_path):
    """Set aside, it would leave an empty one, which may take other members; with its own it is set aside as ever."""
    config = setting_aside(config_of(tmp_path))
    await filled(config)
    file = tmp_path / "data" / "store" / "data.mdb"
    file.write_bytes(b"rubbish" * 1000)
    for _ in range(2):
        with pytest.raises(StorageRefused, match="members of a cluster with data cannot be changed yet"):
            opened(config, ring_of(nodes=4, epoch=2))
    assert list((tmp_path / "data").glob("store.damaged-*")) == []
    storage, identity = opened(config, ring_of(epoch=2))
    identity.close(1)
    await storage.close()
    assert len(list((tmp_path / "data").glob("store.damaged-*"))) == 1


async def test_a_sound_store_is_not_set_aside(tmp_path):
    """Whatever the setting says."""
    config = setting_aside(config_of(tmp_path))
    former = await filled(config)
    storage, identity = opened(config)
    assert identity.incarnation == former
    assert len(storage.scan(Keyspace.RECORDS, b"", None, 100)) == 30
    identity.close(7)
    await storage.close()
    assert list((tmp_path / "data").glob("store.damaged-*")) == []


async def test_what_may_be_sound_is_not_moved(tmp_path):
    """A data format of a later version is no damage."""
    config = config_of(tmp_path)
    await filled(config)
    file = tmp_path / "data" / "store" / "data.mdb"
    whole = bytearray(file.read_bytes())
    whole[20:24] = (2).to_bytes(4, "little")
    file.write_bytes(whole)
    with pytest.raises(StorageRefused, match="data format 2"):
        opened(setting_aside(config))
    assert file.read_bytes() == whole


async def test_a_suspect_store_is_read_whole_at_the_next_start(tmp_path):
    """It passes if it is sound, and is not asked again; it is refused, or set aside, if not."""
    config = config_of(tmp_path)
    await filled(config)
    set_aside.suspect(tmp_path / "data" / "store", "a page was not found")
    note = tmp_path / "data" / "store" / set_aside.SUSPECT
    assert note.exists()
    storage, identity = opened(config)
    assert not note.exists()
    identity.close(7)
    await storage.close()
    file = tmp_path / "data" / "store" / "data.mdb"
    whole = bytearray(file.read_bytes())
    whole[-3 * 4096 :] = b"\xff" * (3 * 4096)
    file.write_bytes(whole)
    note.write_text("again")
    with pytest.raises(StorageRefused, match="in an earlier run"):
        opened(config)
    assert note.exists()
    storage, identity = opened(setting_aside(config))
    identity.close(1)
    await storage.close()
    assert len(list((tmp_path / "data").glob("store.damaged-*"))) == 1


async def test_two_stores_are_set_aside_in_a_second(tmp_path):
    """The second one does not take the name of the first."""
    config = setting_aside(config_of(tmp_path))
    for _ in range(2):
        await filled(config)
        (tmp_path / "data" / "store" / "data.mdb").write_bytes(b"rubbish" * 1000)
    storage, identity = opened(config)
    identity.close(1)
    await storage.close()
    assert len(list((tmp_path / "data").glob("store.damaged-*"))) == 2
