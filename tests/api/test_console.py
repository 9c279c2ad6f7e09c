"""The console's page, its files and its data on the operations listener."""

import re

import pytest

from dynamo.api.console_files import FOLDER, contents
from tests.api.serving import Api, assert_problem

DATA = "/admin/v1/console"


async def test_the_page_may_run_its_own_scripts_only(fake: Api):
    """Nothing inline, nothing from elsewhere, in the page as in its policy."""
    reply = await fake.call("GET", "/console", ops=True)
    policy = reply.headers["Content-Security-Policy"]
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r" on\w+=|style=|<style|https?:|<script>", reply.body.decode()) == []


async def test_every_file_that_is_asked_for_is_there(fake: Api):
    """What the page links and what modules import; each with its type and the same policy."""
    asked = set(re.findall(r'"console/([^"]+)"', (FOLDER / "page.html").read_text()))
    for script in FOLDER.glob("*.js"):
        asked |= set(re.findall(r'from "\./([^"]+)"', script.read_text()))
    assert asked | {"page.html"} == set(contents())
    for name in sorted(asked):
        reply = await fake.call("GET", f"/console/{name}", ops=True)
        assert (reply.status, reply.headers["X-Content-Type-Options"]) == (200, "nosniff"), name
        assert reply.body == contents()[name]


@pytest.mark.parametrize("name", ["nothing.js", "../page.html", "%2e%2e%2fpage.html", "LICENSE", "", "vendor/LICENSE"])
async def test_other_files_are_not(fake: Api, name: str):
    """Names are looked up, not paths opened."""
    assert_problem(await fake.call("GET", f"/console/{name}", ops=True), 404, "route-not-found")


async def test_clients_do_not_get_it(fake: Api):
    """It is the operators'."""
    assert_problem(await fake.call("GET", "/console"), 404, "route-not-found")


def test_the_chart_library_has_its_licence():
    """As its licence asks."""
    assert "MIT License" in (FOLDER / "vendor/LICENSE").read_text()
    assert "v1.6.32" in contents()["uPlot.iife.min.js"][:200].decode()


async def test_the_data(fake: Api):
    """Ring, windows and what was judged; null where nothing was measured."""
    metrics, history = fake.node.metrics, fake.node.history
    history.look(1000, 1.0, 0)
    metrics.requests["get", "one"].finished("ok", 0.001)
    history.look(2000, 2.0, 3)
    for verdict, age_s in (("fresh", 0.0), ("stale", 0.003), ("unresolved", 0.0)):
        metrics.staleness.levels["one"].count(verdict, age_s)
        metrics.staleness.whatif[0][verdict].value += 1
    metrics.staleness.reply_times[0].observe(0.0)
    shown = (await fake.call("GET", DATA, ops=True)).json
    assert shown["node"] == fake.node.id
    assert len(shown["ring"]["owners"]) == shown["ring"]["partitions"]
    assert set(shown["ring"]["owners"]) <= set(range(len(shown["ring"]["members"])))
    assert shown["history"]["hints_pending"] == [3.0]
    assert shown["history"]["levels"]["one"]["reads"] == [1.0]
    assert shown["history"]["levels"]["all"]["read_p99_s"] == [None]
    judged = shown["since_start"]["levels"]["one"]
    assert [count for bound, count in judged["staler"] if bound in {0.0, 0.002, 0.005}] == [1, 1, 0]
    assert shown["since_start"]["replies"][0] == {"replies": 1, "judged": 2, "stale": 1, "p50_s": 0.0, "p99_s": 0.0}
    assert_problem(await fake.call("GET", f"{DATA}?x=1", ops=True), 400, "invalid-parameter")
