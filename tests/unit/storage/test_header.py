"""What is refused before the engine touches it, and what must not be."""

from __future__ import annotations

import random
from pathlib import Path

import lmdb
import pytest

from dynamo.errors import StorageRefused
from dynamo.storage import header


@pytest.fixture
def file(tmp_path) -> Path:
    """A data file with some hundred pages."""
    with lmdb.open(str(tmp_path), map_size=2**24, lib_version=0) as environment:
        for first in range(0, 300, 100):
            with environment.begin(write=True) as transaction:
                for number in range(first, first + 100):
                    transaction.put(b"%03d" % number, b"x" * 3000)
    return tmp_path / "data.mdb"


def refused(file: Path, *, damaged: bool = True, advice: str = "Move the data directory away") -> str:
    """What is said. Only what is `damaged` may be set aside by the node itself."""
    with pytest.raises(StorageRefused) as refusal:
        header.check(file)
    assert isinstance(refusal.value, header.Damaged) == damaged
    assert str(file) in refusal.value.detail
    assert advice in refusal.value.detail
    return refusal.value.detail


def overwrite(file: Path, at: int, content: bytes) -> None:
    with file.open("r+b") as data:
        data.seek(at)
        data.write(content)


def test_a_sound_file_passes(file):
    """As the engine left it."""
    header.check(file)


def test_no_file_and_an_empty_one_pass(tmp_path):
    """The engine makes its file from either."""
    header.check(tmp_path / "data.mdb")
    (tmp_path / "data.mdb").touch()
    header.check(tmp_path / "data.mdb")


@pytest.mark.parametrize("missing", [1, 4096, 10 * 4096])
def test_a_truncated_file_is_refused(file, missing):
    """Even by a byte; the text says by how much."""
    size = file.stat().st_size
    with file.open("r+b") as data:
        data.truncate(size - missing)
    assert f"it has {size - missing} bytes of {size}" in refused(file)


@pytest.mark.parametrize("left", [1, 100, 4096, 4200])
def test_a_file_cut_within_its_headers_is_refused(file, left):
    """There are two; both must be whole."""
    with file.open("r+b") as data:
        data.truncate(left)
    assert "ends within its header" in refused(file)


@pytest.mark.parametrize("page", [0, 1])
@pytest.mark.parametrize(("at", "content"), [(16, b"\0\0\0\0"), (10, b"\0\0")])
def test_other_bytes_than_a_header_are_refused(file, page, at, content):
    """In either of the two pages."""
    overwrite(file, page * 4096 + at, content)
    assert "does not begin as an LMDB file" in refused(file)


def test_text_is_refused(tmp_path):
    """Whatever was put into its place."""
    (tmp_path / "data.mdb").write_text("this is no store\n" * 1000)
    assert "does not begin as an LMDB file" in refused(tmp_path / "data.mdb")


def test_another_data_format_is_refused(file):
    """Its number is named."""
    overwrite(file, 20, b"\x02")
    assert "data format 2" in refused(file, damaged=False)


def test_a_store_of_engine_1_is_refused(tmp_path):
    """The two formats of the same library are not interchangeable."""
    with lmdb.open(str(tmp_path), lib_version=1) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"k", b"v")
    refused(tmp_path / "data.mdb")


def test_a_page_size_that_cannot_be_is_refused(file):
    """The second header would be looked for somewhere else."""
    overwrite(file, 40, (12345).to_bytes(4, "little"))
    assert "page size of 12345 bytes" in refused(file)


def test_what_cannot_be_read_is_refused(tmp_path):
    """A folder in the file's place."""
    (tmp_path / "data.mdb").mkdir()
    said = refused(tmp_path / "data.mdb", damaged=False, advice="check the disk, how it is mounted and the permissions")
    assert "cannot be opened: Is a directory. Nothing was changed" in said


@pytest.mark.parametrize("seed", [29, 221])
def test_a_sound_file_may_be_shorter_than_its_header_counts(tmp_path, seed):
    """The engine can give up pages at the end before it writes them; such a file is walked, found sound, and passes.

    The seeds are the first two of four hundred that lead there.
    """
    file = tmp_path / "data.mdb"
    with lmdb.open(str(tmp_path), map_size=2**26, max_dbs=1, lib_version=0, sync=False) as environment:
        _write_and_remove(environment, random.Random(seed))
        expected = (environment.info()["last_pgno"] + 1) * 4096
    assert file.stat().st_size < expected, "this engine needs other seeds"
    header.check(file)
    overwrite(file, 3 * 4096 + 10, b"\xff\xff")
    assert f"of {expected}" in refused(file)


def _write_and_remove(environment: lmdb.Environment, dice: random.Random) -> None:
    tree = environment.open_db(b"t")
    keys: list[bytes] = []
    for _ in range(4):
        with environment.begin(db=tree, write=True) as transaction:
            if dice.random() < 0.6 or not keys:
                for _ in range(dice.choice([1, 20, 200])):
                    keys.append(dice.randbytes(16))
                    transaction.put(keys[-1], dice.randbytes(dice.choice([10, 300, 3000, 9000])))
            else:
                keys.sort()
                start, count = dice.randrange(len(keys)), dice.choice([1, 20, 300])
                for key in keys[start : start + count]:
                    transaction.delete(key)
                del keys[start : start + count]
