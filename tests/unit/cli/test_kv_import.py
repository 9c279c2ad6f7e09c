import json
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest

from dynamo.versioning import siblings
from tests.unit.client.faults import answering, problem


def records(count: int) -> bytes:
    return b"".join(b'{"id":"user/%d","n":%d}\n' % (n, n) for n in range(count))


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "users.ndjson"
    made.write_bytes(records(100))
    return made


def failing_after(cluster, count: int, method: str = "PUT", code: str = "storage-full") -> None:
    """So many requests are let through, by all nodes together; the rest are refused."""
    seen = 0

    async def failing(request):
        nonlocal seen
        seen += request.method == method
        return problem(code) if seen > count else None

    for node in cluster.nodes.values():
        node.always = failing


def healed(cluster) -> None:
    for node in cluster.nodes.values():
        node.always = None


def run(cli, file, *more: object):
    return cli("kv", "import", file, "--bucket", "users", "--key", "id", *more)


def test_every_line_is_written_once(cli, served, file):
    """Under its key, as it stands in the file, as JSON."""
    result = run(cli, file)
    assert (result.code, result.err) == (0, "100 of 100 lines imported into users\n")
    stored = {key: record.live(0)[0].value for (_, key), record in served.records.items()}
    assert stored == {b"user/%d" % n: b'{"id":"user/%d","n":%d}' % (n, n) for n in range(100)}
    assert len(served.applied) == 100
    assert not (file.parent / "users.ndjson.progress").exists()


def test_a_repeat_is_harmless(cli, served, file):
    """The same lines are the same writes: nothing stands twice."""
    assert run(cli, file).code == 0
    assert run(cli, file).code == 0
    assert len(served.applied) == 100
    assert all(len(record.live(0)) == 1 for record in served.records.values())


def test_another_idempotency_key_writes_once_more(cli, served, file):
    """For who means it."""
    assert run(cli, file).code == 0
    assert run(cli, file, "--idempotency-key", "again").code == 0
    assert len(served.applied) == 200


def test_replace_brings_back_what_the_file_says(cli, served, file):
    """Over whatever came after it, without siblings; what is equal already is left alone."""
    assert run(cli, file).code == 0
    assert cli("kv", "put", "users", "user/7", "changed", "--replace").code == 0
    assert run(cli, file, "--replace").code == 0
    live = served.records["users", b"user/7"].live(0)
    assert [s.value for s in live] == [b'{"id":"user/7","n":7}']
    assert len(served.applied) == 102


def test_concurrency_is_bounded(cli, served, file):
    """Never more writes at a time than asked for."""
    lock, now, most = threading.Lock(), 0, 0

    async def counting(request):
        nonlocal now, most
        import asyncio

        with lock:
            now += 1
            most = max(most, now)
        await asyncio.sleep(0.002)
        with lock:
            now -= 1

    for node in served.nodes.values():
        node.always = counting
    assert run(cli, file, "--concurrency", "3").code == 0
    assert 1 < most <= 3


def test_bad_lines_are_reported_and_hold_up_nothing(cli, served, tmp_path):
    """Each with its number; the others are written; exit code 1; nothing is lost."""
    file = tmp_path / "mixed.ndjson"
    file.write_bytes(b'{"id":"a"}\nno json\n\n{"name":"x"}\n{"id":"b"}')
    result = run(cli, file)
    assert result.code == 1
    assert "line 2: JSON is malformed" in result.err
    assert "line 4: it has no field 'id'" in result.err
    assert "2 of 5 lines imported" in result.err
    assert "2 lines were not imported: 2, 4" in result.err
    assert sorted(key for _, key in served.records) == [b"a", b"b"]


def test_bad_lines_are_tried_again_and_nothing_else(cli, served, tmp_path):
    """A repeat of the command looks at what was left only."""
    file = tmp_path / "mixed.ndjson"
    file.write_bytes(b'{"id":"a"}\nno json\n{"id":"b"}\n')
    run(cli, file)
    before = len(served.calls("PUT"))
    result = run(cli, file)
    assert result.code == 1
    assert "going on after line 3" in result.err
    assert "line 2: JSON is malformed" in result.err
    assert len(served.calls("PUT")) == before


def test_a_corrected_file_is_begun_again_without_harm(cli, served, tmp_path):
    """The lines that were written are recognised by the nodes."""
    file = tmp_path / "mixed.ndjson"
    file.write_bytes(b'{"id":"a"}\nno json\n{"id":"b"}\n')
    run(cli, file)
    file.write_bytes(b'{"id":"a"}\n{"id":"c"}\n{"id":"b"}\n')
    result = run(cli, file)
    assert result.code == 0
    assert "the file has changed" in result.err
    assert len(served.applied) == 3


def test_lines_that_the_nodes_refuse_are_bad_lines(cli, served, file):
    """A value may be too large; its neighbours are not."""

    async def picky(request):
        return problem("value-too-large", "too big") if b'"n":50}' in await request.read() else None

    for node in served.nodes.values():
        node.always = picky
    result = run(cli, file)
    assert result.code == 1
    assert "line 51: too big" in result.err
    assert len(served.records) == 99
    healed(served)
    assert run(cli, file).code == 0
    assert len(served.records) == 100


@pytest.mark.parametrize(
    ("code", "ends_with"), [("quorum-unavailable", 3), ("write-timeout", 4), ("bucket-not-found", 1)]
)
def test_a_failure_of_the_cluster_stops_and_the_command_goes_on_later(cli, served, file, retries, code, ends_with):
    """With the exit code of the failure; a second run ends it, and no line is written twice."""
    failing_after(served, 40, code=code)
    retries(2)
    result = run(cli, file, "--concurrency", "1")
    assert result.code == ends_with
    assert "the same command goes on from there" in result.err
    done = json.loads((file.parent / "users.ndjson.progress").read_bytes())["lines"]
    assert done == 40
    healed(served)
    again = run(cli, file)
    assert again.code == 0
    assert f"going on after line {done}" in again.err
    assert len(served.records) == len(served.applied) == 100


def test_writes_under_way_when_it_stops_are_made_once(cli, served, file):
    """Many at a time, some of them applied and never heard of: the second run repeats those as the same writes."""
    failing_after(served, 40)
    assert run(cli, file, "--concurrency", "16").code == 3
    healed(served)
    assert run(cli, file).code == 0
    assert len(served.records) == len(served.applied) == 100


@pytest.mark.parametrize("more", [("--replace",), ("--idempotency-key", "again")])
def test_what_another_command_settled_is_not_settled_for_this_one(cli, served, file, more):
    """A plain import stopped half-way, and a line that it had written was changed: both options promise that line."""
    failing_after(served, 40)
    assert run(cli, file, "--concurrency", "1").code == 3
    healed(served)
    assert cli("kv", "put", "users", "user/7", "changed", "--replace").code == 0
    result = run(cli, file, *more)
    assert result.code == 0
    assert "beginning again: --replace or --idempotency-key was another" in result.err
    assert b'{"id":"user/7","n":7}' in [s.value for s in served.records["users", b"user/7"].live(0)]


def test_an_import_that_replaces_goes_on_as_one(cli, served, file):
    """The same command again, with the same option: what is done is done."""
    failing_after(served, 40, "GET")
    assert run(cli, file, "--replace", "--concurrency", "1").code == 3
    healed(served)
    result = run(cli, file, "--replace")
    assert result.code == 0
    assert "going on after line 40" in result.err
    assert len(served.applied) == 100


def test_a_failing_node_does_not_fail_the_import(cli, served, file):
    """Its share goes to the others."""
    served.nodes["node2"].always = answering("draining")
    assert run(cli, file).code == 0
    assert len(served.applied) == 100


def test_an_export_is_read_back(cli, served, tmp_path):
    """Byte for byte, with types and metadata, and concurrent values are concurrent again."""
    cli("kv", "put", "b", "k", "v", "--content-type", "a/b", "--meta", "owner=me")
    cli("kv", "put", "b", "base64:/w==", stdin=b"\x00")
    cli("kv", "put", "b", "two", "1")
    cli("kv", "put", "b", "two", "2")
    lines = cli("kv", "export", "--bucket", "b").out
    before = dict(served.records)
    served.records.clear()
    served.applied.clear()
    result = cli("kv", "import", "-", "--bucket", "b", stdin=lines)
    assert (result.code, result.err) == (0, "4 of 4 lines imported into b\n")
    for place, record in before.items():
        restored = served.records.get(place, siblings.EMPTY).live(0)
        shown = [(s.value, s.content_type, s.meta) for s in record.live(0)]
        assert sorted((s.value, s.content_type, s.meta) for s in restored) == sorted(shown)


def test_a_value_is_given_the_rest_of_its_life(cli, served, tmp_path):
    """And one whose life is over is left out."""
    file = tmp_path / "f"
    soon = datetime.now(UTC) + timedelta(seconds=100)
    file.write_text(
        '{"key":"gone","value":1,"expires_at":"2020-01-01T00:00:00Z"}\n'
        f'{{"key":"soon","value":1,"expires_at":"{soon.isoformat()}"}}\n'
    )
    assert cli("kv", "import", file, "--bucket", "b").code == 0
    (put,) = served.calls("PUT")
    left_ms = int(re.search(r"/soon\?ttl=(\d+)ms", put.raw_path)[1])
    assert 90_000 < left_ms <= 100_000


def test_json_output_is_one_document(cli, served, tmp_path):
    """With the bad lines in it."""
    file = tmp_path / "f"
    file.write_bytes(b'{"id":"a"}\n{}\n')
    result = run(cli, file, "--json")
    assert json.loads(result.out) == {
        "bucket": "users",
        "lines": 2,
        "imported": 1,
        "bad": [{"line": 2, "reason": "it has no field 'id'"}],
    }


def test_a_state_may_be_kept_elsewhere(cli, served, tmp_path):
    """For a file in a folder that cannot be written to."""
    file, kept = tmp_path / "f", tmp_path / "elsewhere"
    file.write_bytes(b"{}\n")
    run(cli, file, "--resume", kept)
    assert kept.exists()
    assert not (tmp_path / "f.progress").exists()


@pytest.fixture
def linearizable(served) -> None:
    """The bucket `users` is linearizable."""
    served.properties["users"] = {"name": "users", "mode": "linearizable", "n": 3}


def test_into_a_linearizable_bucket_go_changes(cli, served, file, linearizable):
    """One a line, and none for a line that was written before; never a plain write."""
    for _ in range(2):
        assert run(cli, file).code == 0
    assert {register.version for register in served.registers.kept.values()} == {1}
    assert len(served.registers.kept) == 100
    assert served.records == {}


def test_a_replacing_import_looks_again_at_what_others_wrote(cli, served, tmp_path, linearizable):
    """The key changed between the look and the write: the write is refused, and made over what is there now."""
    file = tmp_path / "one.ndjson"
    file.write_bytes(b'{"id":"a"}\n')

    async def in_between(request):
        if request.method == "PUT" and len(served.registers.kept) == 0:
            served.registers.put("users", b"a", b"theirs")

    for node in served.nodes.values():
        node.always = in_between
    assert run(cli, file, "--replace").code == 0
    register = served.registers.kept["users", b"a"]
    assert (register.value, register.version) == (b'{"id":"a"}', 2)
    assert len(served.calls("GET")) == 2


def test_a_key_that_others_keep_writing_is_reported(cli, served, tmp_path, linearizable):
    """It holds up no other line."""
    file = tmp_path / "two.ndjson"
    file.write_bytes(b'{"id":"a"}\n{"id":"b"}\n')

    async def in_between(request):
        if request.method == "PUT" and request.path.endswith("/a"):
            served.registers.put("users", b"a", b"theirs")

    for node in served.nodes.values():
        node.always = in_between
    result = run(cli, file, "--replace")
    assert result.code == 1
    assert "1 of 2 lines imported" in result.err
    assert served.registers.kept["users", b"b"].value == b'{"id":"b"}'


def test_a_line_that_would_expire_is_none_for_a_linearizable_bucket(cli, served, tmp_path, linearizable):
    """It is reported like any line that cannot be imported."""
    file = tmp_path / "exported.ndjson"
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    file.write_text(f'{{"key":"a","value":1,"expires_at":"{later}"}}\n{{"key":"b","value":2}}\n')
    result = cli("kv", "import", file, "--bucket", "users")
    assert result.code == 1
    assert "line 1: values here do not expire" in result.err
    assert list(served.registers.kept) == [("users", b"b")]
