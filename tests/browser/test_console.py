"""The console of a real cluster in a real browser: it draws what nodes count, asks nobody else, needs no mouse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import PROGRAM, Page, opened
from tests.browser.console_cluster import WatchedCluster, watched_cluster

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine"),
]

READY = "document.documentElement.dataset.ready === 'yes'"
TITLES = (
    "Stale reads",
    "Failed requests",
    "Latency of reads, p99",
    "Latency of writes, p99",
    "Predicted, and measured",
)
CARD = "[...document.querySelectorAll('.card')].find((card) => card.querySelector('h3').textContent === {title})"
COLOURED = """((canvas) => canvas ? (({data}) => { let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    const most = Math.max(data[at], data[at + 1], data[at + 2]), least = Math.min(data[at], data[at + 1], data[at + 2]);
    found += data[at + 3] > 200 && most - least > 60;
  } return found })(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)) : 0)"""
"""Pixels of a canvas that are neither grey nor see-through: of the lines of levels."""
DRAWN_MIN = 40


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedCluster]:
    """Three nodes under load at all levels, one of them behind a slow line; windows are short."""
    with watched_cluster(tmp_path_factory.mktemp("console"), 3, 0.3) as running:
        yield running


def address(cluster: WatchedCluster) -> str:
    return f"http://127.0.0.1:{cluster.watched.ops_port}"


def of_card(title: str, rest: str) -> str:
    return f"({CARD.format(title=json.dumps(title))}){rest}"


async def drawn(page: Page) -> None:
    """Wait until every chart shows a line in a level's colour."""
    for title in TITLES:
        canvas = of_card(title, "?.querySelector('canvas')")
        await page.wait_for(f"{COLOURED}({canvas}) >= {DRAWN_MIN}")


async def test_it_shows_the_cluster_and_asks_nobody_else(cluster: WatchedCluster, tmp_path: Path):
    """Nodes and how each sees the others, the ring, all charts; no error, no request to another host."""
    async with opened(f"{address(cluster)}/console", tmp_path / "browser") as page:
        await page.wait_for(READY)
        await drawn(page)
        rows = await page.evaluate(of_card("Nodes", ".innerText"))
        assert all(node.id in rows for node in cluster.nodes)
        assert "node2 (this one)" in rows
        states = await page.evaluate("[...document.querySelectorAll('.words .state')].map((cell) => cell.textContent)")
        assert states == ["alive"] * 6
        assert await page.evaluate("document.querySelectorAll('.ring path').length") == 256
        assert await page.evaluate("document.querySelector('.tile b').textContent") == "3 of 3"
        whatif = await page.evaluate(of_card("Had they waited for more, or fewer", ".innerText"))
        assert f"0 of {whatif.split('0 of ', 1)[1].split(' ', 1)[0]} (below" in whatif
        assert page.complaints == []
        assert all(asked.startswith(address(cluster) + "/") for asked in page.requests)
        assert len(page.requests) > 15


async def test_light_dark_and_a_phone(cluster: WatchedCluster, tmp_path: Path):
    """The scheme is the reader's, lines have its colours, and nothing is wider than 390 pixels."""
    async with opened(f"{address(cluster)}/console", tmp_path / "browser") as page:
        papers = {}
        for dark in (False, True):
            await page.looks(1200, 900, dark=dark)
            await page.wait_for(READY)
            await drawn(page)
            papers[dark] = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert papers == {False: "rgb(245, 246, 248)", True: "rgb(15, 18, 22)"}
        await page.looks(390, 844)
        await page.wait_for("document.documentElement.clientWidth === 390")
        await page.wait_for("document.documentElement.scrollWidth === 390")
        tops = await page.evaluate(
            "[...document.querySelectorAll('.card')].map((card) => card.getBoundingClientRect().x)"
        )
        assert len(set(tops)) == 1
        await drawn(page)
        assert page.complaints == []


async def test_without_a_mouse(cluster: WatchedCluster, tmp_path: Path):
    """Tab goes through everything in order; arrows move along a chart, Enter opens its table, hides a line, pauses."""
    async with opened(f"{address(cluster)}/console", tmp_path / "browser") as page:
        await page.wait_for(READY)
        await drawn(page)
        await page.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.evaluate(of_card("Stale reads", ".querySelector('.plot').focus()"))
        await page.press("Home")
        first = await page.evaluate(of_card("Stale reads", ".querySelector('.when').textContent"))
        await page.press("ArrowRight")
        await page.wait_for(of_card("Stale reads", ".querySelector('.plot').ariaLabel.includes('Stale reads.')"))
        assert first.count(":") == 2
        await page.press("Tab")
        pressed = "document.activeElement.getAttribute('aria-pressed')"
        assert (await page.evaluate("document.activeElement.innerText")).startswith("one")
        await page.press("Enter")
        assert await page.evaluate(pressed) == "false"
        for _ in range(4):
            await page.press("Tab")
        assert await page.evaluate("document.activeElement.innerText") == "Table"
        await page.press("Enter")
        await page.wait_for(of_card("Stale reads", ".querySelectorAll('details tbody tr').length > 3"))
        await page.evaluate("document.getElementById('pause').focus()")
        await page.press("Enter")
        assert "as of" in await page.evaluate("document.getElementById('status').textContent")
        assert page.complaints == []


async def test_a_node_that_is_gone_is_seen(cluster: WatchedCluster, tmp_path: Path):
    """The others hold it dead, and the page says so, and that it is back, without being loaded again."""
    gone = cluster.nodes[2]
    answering = "document.querySelector('.tile b').textContent"
    async with opened(f"{address(cluster)}/console", tmp_path / "browser") as page:
        await page.wait_for(f"{answering} === '3 of 3'")
        await asyncio.to_thread(gone.kill)
        await page.wait_for(f"{answering} === '2 of 3'")
        await page.wait_for("document.querySelectorAll('.words .state.dead').length === 2")
        gone.start()
        await page.wait_for(f"{answering} === '3 of 3'")
