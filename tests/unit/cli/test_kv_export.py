import json

import pytest

from tests.unit.client.faults import problem


@pytest.fixture
def filled(cli, served):
    """250 keys: three pages."""
    for number in range(250):
        served.write("b", b"key/%03d" % number, b'{"n":%d}' % number, None, f"r{number}", "application/json")
    return served


def keys(lines: bytes) -> list[str]:
    return [json.loads(line)["key"] for line in lines.splitlines()]


EVERY_KEY = [f"key/{number:03}" for number in range(250)]


def test_every_key_is_one_line(cli, filled):
    """In order, to standard output."""
    result = cli("kv", "export", "--bucket", "b")
    assert result.code == 0
    assert keys(result.out) == EVERY_KEY
    assert json.loads(result.out.splitlines()[7]) == {
        "key": "key/007",
        "value": {"n": 7},
        "content_type": "application/json",
    }


def test_a_file_is_written_and_reported(cli, filled, tmp_path):
    """No state is left beside it."""
    file = tmp_path / "b.ndjson"
    result = cli("kv", "export", "--bucket", "b", "--prefix", "key/1", "--json", file)
    assert json.loads(result.out) == {"bucket": "b", "file": str(file), "keys": 100, "bytes": file.stat().st_size}
    assert keys(file.read_bytes()) == EVERY_KEY[100:200]
    assert [p.name for p in tmp_path.iterdir()] == ["b.ndjson"]


def test_an_interrupted_export_goes_on(cli, filled, retries, tmp_path):
    """After the pages that are complete; half a page that was written after them is cut off."""
    file = tmp_path / "b.ndjson"
    pages = 0

    async def failing(request):
        nonlocal pages
        pages += 1
        return problem("quorum-unavailable") if pages > 2 else None

    for node in filled.nodes.values():
        node.always = failing
    retries(2)
    assert cli("kv", "export", "--bucket", "b", file).code == 3
    assert keys(file.read_bytes()) == EVERY_KEY[:200]
    with file.open("ab") as half:
        half.write(b'{"key":"key/200","val')
    for node in filled.nodes.values():
        node.always = None
    result = cli("kv", "export", "--bucket", "b", file)
    assert result.code == 0
    assert "going on after 200 keys" in result.err
    assert keys(file.read_bytes()) == EVERY_KEY
    assert not (tmp_path / "b.ndjson.progress").exists()


def test_an_existing_file_is_not_overwritten_unasked(cli, filled, tmp_path):
    """It may be something else."""
    file = tmp_path / "b.ndjson"
    file.write_text("mine")
    result = cli("kv", "export", "--bucket", "b", file)
    assert result.code == 2
    assert file.read_text() == "mine"
    assert cli("kv", "export", "--bucket", "b", file, "--overwrite").code == 0
    assert keys(file.read_bytes()) == EVERY_KEY


def test_an_empty_bucket_is_an_empty_file(cli, served, tmp_path):
    """And no failure."""
    file = tmp_path / "none"
    assert cli("kv", "export", "--bucket", "none", file).code == 0
    assert file.read_bytes() == b""
