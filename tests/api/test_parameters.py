import time

import pytest

from dynamo.protocol.commands import Consistency
from tests.api.serving import assert_problem, fresh

AT = "/v1/kv/b/k"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("?", {}),
        ("?consistency=one", {"consistency": Consistency.ONE}),
        ("?consistency=all&r=3", {"consistency": Consistency.ALL, "r": 3}),
        ("?r=1", {"r": 1}),
        ("?r=quorum&pr=one", {"r": "quorum", "pr": "one"}),
        ("?pr=0&&timeout=100ms", {"pr": 0}),
        ("?sloppy=false&r=2", {"sloppy": False, "r": 2}),
        ("?%72=2", {"r": 2}),
    ],
)
async def test_what_a_read_asks_for_reaches_the_node(fake, query: str, expected: dict):
    """Words stay words, numbers are numbers, and what was not said is left to the bucket."""
    await fake.call("GET", AT + query)
    command = fake.node.commands[-1]
    unsaid = dict.fromkeys(("consistency", "r", "pr", "sloppy"))
    assert {name: getattr(command, name) for name in unsaid} == {**unsaid, **expected}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {}),
        ("?w=all&dw=1&pw=quorum", {"w": "all", "dw": 1, "pw": "quorum"}),
        ("?sloppy=false", {"sloppy": False}),
        ("?sloppy=true&w=2", {"sloppy": True, "w": 2}),
        ("?ttl=90s", {"ttl_ms": 90_000}),
        ("?ttl=0.1ms", {"ttl_ms": 1}),
        ("?ttl=0s", {"ttl_ms": 0}),
        ("?consistency=quorum&w=2", {"consistency": Consistency.QUORUM, "w": 2}),
    ],
)
async def test_what_a_write_asks_for_reaches_the_node(fake, query: str, expected: dict):
    """The same; a life shorter than a millisecond does not become an endless one."""
    assert (await fake.call("PUT", AT + query, b"v")).status == 204
    command = fake.node.commands[-1]
    unsaid = dict.fromkeys(("consistency", "w", "dw", "pw", "sloppy", "ttl_ms"))
    assert {name: getattr(command, name) for name in unsaid} == {**unsaid, **expected}


BAD_READS = [
    ("r=0", "r"),
    ("r=4", "r"),
    ("r=-1", "r"),
    ("r=1.0", "r"),
    ("r=", "r"),
    ("r=two", "r"),
    ("r=%C2%B2", "r"),
    ("r=99999999999999999999", "r"),
    ("pr=4", "pr"),
    ("sloppy=maybe", "sloppy"),
    ("r=1&r=1", "r"),
    ("consistency=strong", "consistency"),
    ("consistency=ALL", "consistency"),
    ("consistency=all&r=1", "r"),
    ("consistency=one&r=3", "r"),
    ("timeout=2", "timeout"),
    ("timeout=0s", "timeout"),
    ("timeout=-1s", "timeout"),
    ("timeout=60001ms", "timeout"),
    ("timeout=1e3s", "timeout"),
    ("timeout=nans", "timeout"),
    ("timeout=", "timeout"),
    ("siblings=some", "siblings"),
    ("w=1", "w"),
    ("ttl=1s", "ttl"),
    ("n=3", "n"),
    ("r=%zz", "r"),
    ("r=%ff", "r"),
]
BAD_WRITES = [
    ("w=0", "w"),
    ("w=4", "w"),
    ("dw=4", "dw"),
    ("pw=4", "pw"),
    ("sloppy=yes", "sloppy"),
    ("sloppy=", "sloppy"),
    ("ttl=5", "ttl"),
    ("ttl=-5s", "ttl"),
    ("ttl=36501d", "ttl"),
    ("consistency=all&w=1", "w"),
    ("r=1", "r"),
    ("siblings=lww", "siblings"),
    ("n=3", "n"),
    ("timeout=61s", "timeout"),
]


@pytest.mark.parametrize(("query", "parameter"), BAD_READS)
async def test_a_bad_read_parameter_is_named(api, query: str, parameter: str):
    """400 with the parameter's name; the read does not happen at some other level."""
    problem = assert_problem(await api.call("GET", f"/v1/kv/{fresh()}/k?{query}"), 400, "invalid-parameter")
    assert problem["parameter"] == parameter


@pytest.mark.parametrize(("query", "parameter"), BAD_WRITES)
async def test_a_bad_write_parameter_is_named_and_nothing_is_written(api, query: str, parameter: str):
    """The same for writes; the key stays missing."""
    at = f"/v1/kv/{fresh()}/k"
    for method in ("PUT", "POST"):
        problem = assert_problem(await api.call(method, f"{at}?{query}", b"v"), 400, "invalid-parameter")
        assert problem["parameter"] == parameter
    assert (await api.call("GET", at)).status == 404


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("consistancy=one", "did you mean consistency?"),
        ("time=1s", "did you mean timeout?"),
        ("colour=red", "there are consistency, pr, r"),
        ("n=2", "n belongs to the bucket"),
        ("w=2", "parameter of writes"),
    ],
)
async def test_an_unknown_parameter_gets_a_suggestion(fake, query: str, hint: str):
    """A typing error is not ignored: the read would run at another level than its author believes."""
    problem = assert_problem(await fake.call("GET", f"{AT}?{query}"), 400, "invalid-parameter")
    assert hint in problem["detail"]
    assert fake.node.commands == []


async def test_deletes_have_no_life_to_limit(api):
    """A tombstone cannot expire: ttl is refused on DELETE, not ignored."""
    assert_problem(await api.call("DELETE", f"/v1/kv/{fresh()}/k?ttl=5s"), 400, "invalid-parameter")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_buckets_are_not_linearizable(api, method: str):
    """400, and nothing at a weaker level instead."""
    bucket = fresh()
    reply = await api.call(method, f"/v1/kv/{bucket}/k?consistency=linearizable")
    assert assert_problem(reply, 400, "invalid-parameter")["parameter"] == "consistency"
    assert (await api.call("GET", f"/v1/kv/{bucket}/k")).status == 404


async def test_the_range_of_a_number_is_the_buckets_n(api):
    """With n=1 one replica may be asked for, two not, whatever the default n is."""
    bucket = fresh("single")
    assert (await api.json("PUT", f"/v1/buckets/{bucket}", {"n": 1})).status == 201
    assert (await api.call("PUT", f"/v1/kv/{bucket}/k?w=1", b"v")).status == 204
    assert_problem(await api.call("PUT", f"/v1/kv/{bucket}/k?w=2", b"v"), 400, "invalid-parameter")


@pytest.mark.parametrize(("query", "allowed_s"), [("", 2.0), ("?timeout=250ms", 0.25), ("?timeout=60s", 60.0)])
async def test_the_deadline_counts_from_the_whole_request(fake, query: str, allowed_s: float):
    """The node gets an absolute deadline on the monotonic clock."""
    before = time.monotonic()
    await fake.call("PUT", AT + query, b"v")
    assert before + allowed_s <= fake.node.deadlines[-1] <= time.monotonic() + allowed_s


@pytest.mark.parametrize(
    ("method", "query", "level"),
    [
        ("GET", "", "quorum"),
        ("GET", "?r=1", "one"),
        ("GET", "?r=2", "quorum"),
        ("GET", "?consistency=all", "all"),
        ("PUT", "?w=1&pw=3", "all"),
        ("DELETE", "?consistency=one", "one"),
        ("GET", "?r=nine", "none"),
    ],
)
async def test_requests_are_counted_by_their_real_level(fake, method: str, query: str, level: str):
    """However the level was asked for, the metrics name it by the API's word, once per request."""
    await fake.call(method, AT + query)
    series = fake.node.metrics.requests[method.lower(), level]
    assert sum(cell.value for cell in series.outcomes.values()) == 1
    assert series.duration.count == 1
