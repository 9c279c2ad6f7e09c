"""Opening as the server does it: the right order, and a refused start changes nothing."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest

from dynamo.config import ClusterSection, Config, NodeSection, StorageSection
from dynamo.errors import StorageRefused
from dynamo.layout.keyspaces import Keyspace
from dynamo.ring.ring import Member, Ring, first_ring
from dynamo.storage.directory import DataDirectory
from dynamo.storage.engine import LmdbStorage
from dynamo.storage.environment import Environment
from dynamo.storage.identity import NodeIdentity
from dynamo.storage.open import open_store

RECORDS = Keyspace.RECORDS


def config_of(tmp_path: Path, durability: str = "sync", engine: str = "log") -> Config:
    return Config(
        node=NodeSection(id="node1", data_dir=str(tmp_path / "data")),
        cluster=ClusterSection(name="c"),
        storage=StorageSection(durability=durability, engine=engine, map_size_bytes=2**26),
    )


def ring_of(nodes: int = 3, epoch: int = 1) -> Ring:
    return first_ring([Member(f"node{i}", "h", 1, 2, 3) for i in range(1, nodes + 1)], 64, epoch)


def opened(config: Config, ring: Ring | None = None) -> tuple[LmdbStorage, NodeIdentity]:
    def fatal(error: Exception) -> None:
        raise error

    return open_store(config, ring or ring_of(), asyncio.get_running_loop(), fatal)


async def put(storage: LmdbStorage, key: bytes, value: bytes = b"v") -> None:
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    storage.write([(RECORDS, key, value)], True, done.set_result)
    assert await done is None


@pytest.mark.parametrize("engine", ["log", "lmdb"])
@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_clean_restart_goes_on(tmp_path, durability, engine):
    """Data, incarnation and counter."""
    config = config_of(tmp_path, durability, engine)
    storage, identity = opened(config)
    await put(storage, b"k")
    incarnation = identity.incarnation
    identity.close(17)
    await storage.close()
    storage, identity = opened(config)
    assert storage.read(RECORDS, b"k") == b"v"
    assert (identity.incarnation, identity.counter) == (incarnation, 17)
    await storage.close()


def killed(data: Path) -> None:
    """A copy of a running node's data takes their place: what `kill -9` would have left."""
    shutil.copytree(data, data.with_name("killed"))


async def test_the_engines_take_over_from_each_other(tmp_path):
    """After a clean stop and after a kill, in every mode: nothing acknowledged is lost, only a kill is a new actor."""
    written: list[bytes] = []
    actors = set()
    for turn, (engine, durability) in enumerate(
        [("log", "sync"), ("lmdb", "async"), ("log", "async"), ("lmdb", "sync")] * 2
    ):
        config = config_of(tmp_path, durability, engine)
        storage, identity = opened(config)
        actors.add(identity.incarnation)
        assert [key for key, _ in storage.scan(RECORDS, b"", None, 99)] == written
        written.append(b"%d" % turn)
        await put(storage, written[-1])
        crashes = turn in (2, 3, 4)
        if crashes:
            killed(tmp_path / "data")
        identity.close(turn)
        await storage.close()
        if crashes:
            shutil.rmtree(tmp_path / "data")
            (tmp_path / "killed").rename(tmp_path / "data")
    assert len(actors) == 1 + 3


async def test_a_version_without_a_log_must_not_open_what_lies_in_one(tmp_path):
    """The identity file says so, in words that such a version refuses, as long as there may be something in a log."""
    file = tmp_path / "data" / "identity.toml"
    for engine in ("log", "lmdb"):
        storage, identity = opened(config_of(tmp_path, engine=engine))
        await put(storage, b"k")
        assert ('engine = "lmdb-0.9+log-1"' in file.read_text()) == (engine == "log")
        identity.close(1)
        await storage.close()
        assert 'engine = "lmdb-0.9"' in file.read_text()


async def test_a_clean_file_with_a_store_that_has_a_log_is_another_time(tmp_path):
    """The identity file is from a clean stop, the store a copy from before, made while the node ran: whatever its log
    comes to, it is not what was there at the stop.
    """
    config = config_of(tmp_path)
    storage, identity = opened(config)
    await put(storage, b"k")
    shutil.copytree(tmp_path / "data" / "store", tmp_path / "copy")
    await put(storage, b"l")
    incarnation = identity.incarnation
    identity.close(2)
    await storage.close()
    shutil.rmtree(tmp_path / "data" / "store")
    shutil.copytree(tmp_path / "copy", tmp_path / "data" / "store")
    with pytest.raises(StorageRefused, match="put back from a copy"):
        opened(config)
    file = tmp_path / "data" / "identity.toml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("store_version")]
    file.write_text("\n".join([*lines, "store_version = 1"]))
    storage, identity = opened(config)
    assert identity.incarnation != incarnation
    await storage.close()


async def test_a_stop_without_closing_the_identity_is_a_crash(tmp_path):
    """Data are there, the incarnation is another."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    await put(storage, b"k")
    incarnation = identity.incarnation
    await storage.close()
    storage, identity = opened(config)
    assert storage.read(RECORDS, b"k") == b"v"
    assert identity.incarnation != incarnation
    await storage.close()


async def test_the_identity_cannot_be_closed_after_the_store(tmp_path):
    """Another process may own the directory by then."""
    storage, identity = opened(config_of(tmp_path))
    await storage.close()
    with pytest.raises(AssertionError, match="before the store"):
        identity.close(0)


async def test_a_write_after_the_identity_was_closed_is_noticed(tmp_path):
    """The next run cannot know whether it held a dot."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    await put(storage, b"k")
    incarnation = identity.incarnation
    identity.close(1)
    await put(storage, b"l")
    await storage.close()
    storage, identity = opened(config)
    assert identity.incarnation != incarnation
    assert identity.reason == "the store is not the one of the last stop"
    await storage.close()


async def test_an_older_copy_of_the_store_is_refused(tmp_path):
    """The identity file is from the last stop, the store from the one before: what lies between is forgotten."""
    config = config_of(tmp_path)
    data = tmp_path / "data"
    for turn in range(2):
        storage, identity = opened(config)
        await put(storage, b"%d" % turn)
        identity.close(turn + 1)
        await storage.close()
        if turn == 0:
            shutil.copytree(data / "store", tmp_path / "copy")
    shutil.rmtree(data / "store")
    shutil.copytree(tmp_path / "copy", data / "store")
    with pytest.raises(StorageRefused, match="put back from a copy"):
        opened(config)


async def test_a_wiped_store_is_noticed(tmp_path):
    """An empty store with our name on it."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    await put(storage, b"k")
    incarnation = identity.incarnation
    identity.close(1)
    await storage.close()
    shutil.rmtree(tmp_path / "data" / "store")
    storage, identity = opened(config)
    assert (identity.incarnation == incarnation, identity.reason) == (False, "the store is empty")
    await storage.close()


async def test_a_store_without_identity_is_refused(tmp_path):
    """And stays as it is; with its file back it opens."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    await put(storage, b"k")
    identity.close(1)
    await storage.close()
    file = tmp_path / "data" / "identity.toml"
    kept = file.read_text()
    file.unlink()
    with pytest.raises(StorageRefused, match="has data but no identity"):
        opened(config)
    file.write_text(kept)
    storage, identity = opened(config)
    assert identity.counter == 1
    await storage.close()


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("engine", ["log", "lmdb"])
async def test_other_members_are_refused_where_there_are_data(tmp_path, engine, epoch):
    """Under a later epoch as under the same; nothing is changed by the attempt. A later epoch alone is fine."""
    config = config_of(tmp_path, engine=engine)
    storage, identity = opened(config)
    await put(storage, b"k")
    identity.close(1)
    await storage.close()
    for _ in range(2):
        with pytest.raises(StorageRefused, match="members of a cluster with data cannot be changed yet"):
            opened(config, ring_of(nodes=4, epoch=epoch))
    storage, identity = opened(config, ring_of(epoch=2))
    assert (storage.read(RECORDS, b"k"), identity.counter) == (b"v", 1)
    await storage.close()


async def test_other_members_are_refused_where_the_data_are_still_in_the_log(tmp_path):
    """LMDB has nothing yet after a kill; the store has."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    await put(storage, b"k")
    killed(tmp_path / "data")
    identity.close(1)
    await storage.close()
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "killed").rename(tmp_path / "data")
    environment = Environment(DataDirectory(tmp_path / "data"), 2**26, lazy=False)
    assert environment.empty
    environment.close()
    with pytest.raises(StorageRefused, match="members of a cluster with data cannot be changed yet"):
        opened(config, ring_of(nodes=4, epoch=2))
    storage, _ = opened(config)
    assert storage.read(RECORDS, b"k") == b"v"
    await storage.close()


@pytest.mark.parametrize("wiped", [True, False])
async def test_a_store_without_data_takes_other_members_under_a_later_epoch(tmp_path, wiped):
    """It was wiped, or nothing was ever written."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    if wiped:
        await put(storage, b"k")
    identity.close(1)
    await storage.close()
    if wiped:
        shutil.rmtree(tmp_path / "data" / "store")
    with pytest.raises(StorageRefused, match="Take back the change"):
        opened(config, ring_of(nodes=4))
    storage, identity = opened(config, ring_of(nodes=4, epoch=2))
    assert (storage.read(RECORDS, b"k"), identity.counter, identity.starts) == (None, 0, 1)
    await storage.close()


@pytest.mark.parametrize("left", [0.5, 0.9])
async def test_a_truncated_store_is_refused_and_let_go(tmp_path, left):
    """With what to do, not with a signal; the directory is free again, the identity as it was."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    for number in range(30):
        await put(storage, b"%d" % number, b"x" * 10_000)
    identity.close(1)
    await storage.close()
    file = tmp_path / "data" / "store" / "data.mdb"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * left)])
    for _ in range(2):
        with pytest.raises(StorageRefused, match=r"damaged or foreign.*Move the data directory away"):
            opened(config)
    file.write_bytes(whole)
    storage, identity = opened(config)
    assert identity.counter == 1
    await storage.close()


async def test_a_foreign_file_in_the_stores_place_is_refused(tmp_path):
    """Whatever it is."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    identity.close(0)
    await storage.close()
    shutil.rmtree(tmp_path / "data" / "store")
    (tmp_path / "data" / "store").write_text("a file")
    with pytest.raises(StorageRefused):
        opened(config)


async def test_a_second_node_on_the_same_data_is_refused(tmp_path):
    """Before it looks at anything; the first one works on."""
    config = config_of(tmp_path)
    storage, identity = opened(config)
    other = msgspec.structs.replace(config, node=NodeSection(id="node2", data_dir=config.node.data_dir))
    with pytest.raises(StorageRefused, match="in use by process"):
        opened(other)
    await put(storage, b"k")
    identity.close(1)
    await storage.close()
    with pytest.raises(StorageRefused, match="belongs to node 'node1'"):
        opened(other)


async def test_nobody_else_may_read_the_data(tmp_path):
    """Neither the folder nor the files in it."""
    storage, _ = opened(config_of(tmp_path))
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "store").stat().st_mode & 0o077 == 0
    assert (tmp_path / "data" / "store" / "data.mdb").stat().st_mode & 0o077 == 0
    await storage.close()
