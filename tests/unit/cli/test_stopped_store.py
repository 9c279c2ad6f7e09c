import asyncio
from pathlib import Path

import pytest

from dynamo.cli.stopped_store import ACTOR, change, fill, numbered, records
from dynamo.config import Config
from dynamo.config_load import load
from dynamo.errors import StorageRefused
from dynamo.growth.sampled_keys import Values, key_name
from dynamo.layout.digests import contribution, decode_leaf, leaf_of
from dynamo.layout.keyspaces import Keyspace, digest_key_of, place_of, split_record_key
from dynamo.ring.preference_list import PreferenceLists
from dynamo.server import ring_of
from dynamo.storage.at_rest import content
from dynamo.storage.directory import DataDirectory
from dynamo.versioning.record import decode, digest
from dynamo.workload.systems import node_config


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "node1.toml"
    file.write_text(node_config("node1", tmp_path / "node1", {"node1": [1, 2, 3]}))
    return load(file, {})


def pairs(first: int, beyond: int) -> list[tuple[bytes, bytes]]:
    return [(key_name(number).encode(), b"value %d" % number) for number in range(first, beyond)]


def test_what_is_filled_lies_there_with_its_leaves(config: Config):
    """Also when more comes later: each leaf is what its records come to, and no dot is the node's own."""
    fill(config, "b", pairs(0, 300))
    fill(config, "b", pairs(300, 500))
    found = content(Path(config.node.data_dir))
    leaves: dict[bytes, int] = {}
    values = {}
    for stored, data in found[Keyspace.RECORDS].items():
        record = decode(data)
        place = place_of(stored)
        leaf = digest_key_of(stored, leaf_of(place))
        leaves[leaf] = leaves.get(leaf, 0) ^ contribution(place, digest(record))
        (sibling,) = record.siblings
        assert sibling.actor == ACTOR
        values[split_record_key(stored)[2]] = sibling.value
    assert values == dict(pairs(0, 500))
    assert {leaf: decode_leaf(data) for leaf, data in found[Keyspace.DIGESTS].items()} == leaves


def test_a_store_in_use_is_left_alone(config: Config):
    """Its node runs."""
    directory = DataDirectory(Path(config.node.data_dir))
    with pytest.raises(StorageRefused, match="in use"):
        fill(config, "b", pairs(0, 1))
    directory.release()


def test_numbers_have_names_and_values(config: Config, tmp_path: Path):
    """Those that a sample of the keys asks for; somebody who waits is told how far it is."""
    told: list[str] = []
    numbered(10, told.append)(tmp_path / "node1.toml", "b", 250_000 - 3, 250_000 + 2, 7)
    found = content(Path(config.node.data_dir))[Keyspace.RECORDS]
    values = Values(7, 10)
    shown = {split_record_key(stored)[2].decode(): decode(data).siblings[0].value for stored, data in found.items()}
    assert shown == {key_name(number): values.of(number) for number in range(249_997, 250_002)}
    assert told == ["filling: 250,000 of 250,002 keys"]


def test_records_come_before_their_leaves(config: Config):
    """In one pass, so that a store of any size can be filled."""
    preference = PreferenceLists(ring_of(config))
    seen: list[Keyspace] = []

    def changes(storage):
        assert asyncio.get_running_loop()
        for each in records(storage, preference, "b", pairs(0, 20)):
            seen.append(each[0])
            yield each

    change(config, changes)
    assert seen[:20] == [Keyspace.RECORDS] * 20
    assert set(seen[20:]) == {Keyspace.DIGESTS}
