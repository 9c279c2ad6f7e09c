"""Fills the store of a node that is down, by the node's own code and into its own engine: much faster than requests.

The records look as if another node, named `filler`, had written them and this one had received them. So no dot is spent
of the node that will run on the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from dynamo.config import Config
from dynamo.config_load import load
from dynamo.errors import DynamoError
from dynamo.growth.sampled_keys import Values, key_name
from dynamo.layout.digests import contribution, decode_leaf, encode_leaf, leaf_of
from dynamo.layout.keyspaces import Keyspace, digest_key_of, place_of, record_key
from dynamo.ports import Change, Storage
from dynamo.ring.preference_list import PreferenceLists
from dynamo.server import ring_of
from dynamo.storage.open import open_store
from dynamo.versioning.record import Record, Sibling, digest, encode

ACTOR = "filler.00000001"
_BATCH = 5_000
_TOLD_EVERY = 250_000

Progress = Callable[[str], None]


def fill(config: Config, bucket: str, pairs: Iterable[tuple[bytes, bytes]]) -> None:
    """Give the store these keys, which it does not have yet, with their values and Merkle leaves.

    Raises StorageRefused or StorageFull.
    """
    preference = PreferenceLists(ring_of(config))
    change(config, lambda storage: records(storage, preference, bucket, pairs))


def numbered(value_bytes: int, progress: Progress) -> Callable[[Path, str, int, int, int], None]:
    """`growth.stage.Fill`, for values of that size."""

    def fill_numbers(file: Path, bucket: str, first: int, beyond: int, seed: int) -> None:
        values = Values(seed, value_bytes)

        def pairs() -> Iterator[tuple[bytes, bytes]]:
            for number in range(first, beyond):
                if number % _TOLD_EVERY == 0 and number > first:
                    progress(f"filling: {number:,} of {beyond:,} keys")
                yield key_name(number).encode(), values.of(number)

        fill(load(file, {}), bucket, pairs())

    return fill_numbers


def records(
    storage: Storage, preference: PreferenceLists, bucket: str, pairs: Iterable[tuple[bytes, bytes]]
) -> Iterator[Change]:
    """The records of new keys, then the leaves that go with them."""
    leaves: dict[bytes, int] = {}
    for number, (key, value) in enumerate(pairs, 1):
        record = Record({ACTOR: number}, [Sibling(ACTOR, number, number, value)])
        stored = record_key(preference.partition(bucket, key), bucket, key)
        place = place_of(stored)
        leaf = digest_key_of(stored, leaf_of(place))
        if leaf not in leaves:
            leaves[leaf] = decode_leaf(storage.latest(Keyspace.DIGESTS, leaf))
        leaves[leaf] ^= contribution(place, digest(record))
        yield Keyspace.RECORDS, stored, encode(record)
    yield from ((Keyspace.DIGESTS, leaf, encode_leaf(total)) for leaf, total in leaves.items())


def change(config: Config, changes: Callable[[Storage], Iterable[Change]]) -> None:
    """Write into the store of the node in `config`, which is down, and stop cleanly."""
    asyncio.run(_write(config, changes))


async def _write(config: Config, changes: Callable[[Storage], Iterable[Change]]) -> None:
    loop = asyncio.get_running_loop()
    storage, identity = open_store(config, ring_of(config), loop, lambda _: None)
    try:
        batch: list[Change] = []
        for each in changes(storage):
            batch.append(each)
            if len(batch) == _BATCH:
                await _committed(storage, batch)
                batch = []
        await _committed(storage, batch)
        identity.close(identity.counter)
    finally:
        await storage.close()


async def _committed(storage: Storage, batch: list[Change]) -> None:
    done: asyncio.Future[DynamoError | None] = asyncio.get_running_loop().create_future()
    storage.write(batch, True, done.set_result)
    problem = await done
    if problem is not None:
        raise problem
