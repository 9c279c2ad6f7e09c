"""The audit on the operations listener."""

from tests.api.serving import Api, assert_problem

AUDIT = "/admin/v1/audit"


async def test_status(fake: Api):
    """What was found, and how long ago."""
    reply = await fake.call("GET", AUDIT, ops=True)
    assert reply.json == {
        "node": "node1",
        "running": False,
        "partitions_done": 3,
        "partitions": 8,
        "entries": 100,
        "damaged": 2,
        "leaves_rewritten": 1,
        "unreadable": 0,
        "in_doubt": 1,
        "finished_age_s": 9.5,
    }


async def test_run(fake: Api):
    """It is begun, not waited for."""
    reply = await fake.call("POST", AUDIT, ops=True)
    assert (reply.status, reply.json["running"]) == (202, True)


async def test_unknown_words(api: Api):
    """Are refused, as everywhere."""
    assert_problem(await api.call("POST", f"{AUDIT}?now=true", ops=True), 400, "invalid-parameter")
    assert_problem(await api.call("DELETE", AUDIT, ops=True), 405, "method-not-allowed")
