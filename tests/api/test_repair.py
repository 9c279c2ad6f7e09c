"""Anti-entropy on the operations listener."""

import pytest

from tests.api.serving import Api, assert_problem

REPAIR = "/admin/v1/repair"


async def test_a_run_is_taken_at_once(fake: Api):
    """Answered before it has begun; asked for twice it is the same."""
    reply = await fake.call("POST", REPAIR, ops=True)
    assert reply.status == 202
    run = reply.json["run"]
    assert (run["number"], run["state"], run["bucket"], run["partition"]) == (1, "waiting", None, None)
    assert (await fake.call("POST", REPAIR, ops=True)).json["run"]["number"] == 1
    assert (await fake.call("GET", REPAIR, ops=True)).json["run"] == run


async def test_a_run_of_a_part(fake: Api):
    """One bucket, one partition, both."""
    run = (await fake.call("POST", f"{REPAIR}?bucket=carts&partition=3", ops=True)).json["run"]
    assert (run["bucket"], run["partition"]) == ("carts", 3)
    assert (await fake.call("POST", f"{REPAIR}?partition=3", ops=True)).json["run"]["number"] == 2


@pytest.mark.parametrize(
    "query", ["?partition=-1", "?partition=x", "?partition=100000", "?partition=", "?key=a", "?bucket=", "?bucket=A"]
)
async def test_what_is_no_part(api: Api, query: str):
    """Is refused."""
    assert_problem(await api.call("POST", REPAIR + query, ops=True), 400, "invalid-parameter")


async def test_status(fake: Api):
    """Nothing was compared so far."""
    shown = (await fake.call("GET", REPAIR, ops=True)).json
    assert (shown["node"], shown["enabled"], shown["rebuilding_partitions"]) == ("node1", True, [])
    assert shown["last_full_sweep_age_s"] is None
    assert shown["run"] is None
    assert shown["total"]["keys_repaired"] == 0


async def test_how_far_it_is(fake: Api):
    """As the repairer notes it."""
    board = fake.node.repairs
    run = board.request("", -1)
    run.started, run.exchanges_due, run.tally.exchanges, run.tally.keys_repaired = True, 10, 4, 2
    shown = (await fake.call("GET", REPAIR, ops=True)).json["run"]
    assert (shown["state"], shown["exchanges"], shown["exchanges_due"], shown["keys_repaired"]) == ("running", 4, 10, 2)
    run.finished = True
    board.swept()
    shown = (await fake.call("GET", REPAIR, ops=True)).json
    assert shown["run"]["state"] == "finished"
    assert shown["last_full_sweep_age_s"] == 0
