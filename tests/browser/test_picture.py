"""The picture of a history in a real browser: it draws, answers the mouse, and copes with ten thousand operations."""

import time
from pathlib import Path

import pytest

from dynamo.checker.picture import Judged
from dynamo.checker.verdict import Order, Search, Verdict
from dynamo.checker.visualize import draw
from dynamo.workload.picture_file import write
from tests.browser.chromium import PROGRAM, Page, opened
from tests.unit.checker.stale_read import ASIDES, REASON, did, fine, stale_read

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on this machine")

CROSS_RED = [0xB9, 0x1C, 0x1C]
REDRAW_MAX_S = 1.0


def drawn(folder: Path, *keys: Judged) -> Path:
    write(folder / "out.html", draw("h.jsonl", keys, ASIDES))
    return folder / "out.html"


async def spot(page: Page, section: int, index: int, at: float | None = None) -> tuple[float, float]:
    """Where a bar is on the screen: a little behind its call, or at a moment."""
    box = f"(() => {{ const s = sections[{section}].stage, b = s.canvas.getBoundingClientRect(); "
    moment = f"s.key.bars[{index}][BAR.called]" if at is None else str(at)
    found = await page.evaluate(
        f"{box} return [b.x + s.x({moment}) + 4, b.y + s.y(s.view.rowOf({index})) + s.row * POINT] }})()"
    )
    return found[0], found[1]


async def colour(page: Page, section: int, x: float, y: float) -> list[int]:
    """The pixel of the canvas at a place of the screen."""
    return await page.evaluate(
        f"(() => {{ const c = sections[{section}].canvas, b = c.getBoundingClientRect(), r = devicePixelRatio; "
        f"return [...c.getContext('2d').getImageData(({x} - b.x) * r, ({y} - b.y) * r, 1, 1).data].slice(0, 3) }})()"
    )


async def test_a_counterexample_is_drawn_and_explains_itself(tmp_path: Path):
    """Hover shows states and times, the cross is where it was tried, click pins, Escape unpins; no script fails."""
    async with opened(drawn(tmp_path, stale_read(), fine(30)), tmp_path / "browser") as page:
        await page.wait_for("document.documentElement.dataset.ready === 'yes' && sections[0].stage")
        assert REASON in await page.evaluate("document.querySelector('#key-0 .reason').textContent")
        assert await page.evaluate("+sections[0].canvas.dataset.drawn") == 4

        await page.mouse("mouseMoved", *await spot(page, 0, 2))
        shown = await page.evaluate("tip.innerText")
        for words in ("get -> new (v2)", "operation 3", "3 of 3 in the longest legal order", "new", "4 s (after 1 s)"):
            assert words in shown

        cross = await page.evaluate("sections[0].stage.view.trials[0].at")
        x, y = await spot(page, 0, 3, cross)
        assert await colour(page, 0, x - 4, y) == CROSS_RED

        await page.click(*await spot(page, 0, 3))
        assert "get -> old, but there was new" in await page.evaluate("pin.innerText")
        await page.mouse("mouseMoved", 5, 5)
        assert await page.evaluate("tip.hidden && !pin.hidden")
        await page.press("Escape")
        assert await page.evaluate("pin.hidden && sections[0].stage.pinned === null")
        assert page.complaints == []


async def test_faults_are_lanes_above(tmp_path: Path):
    """The band of a fault tells what it was, from when to when."""
    async with opened(drawn(tmp_path, stale_read()), tmp_path / "browser") as page:
        await page.wait_for("document.documentElement.dataset.ready === 'yes' && sections[0].stage")
        assert await page.evaluate("sections[0].stage.eventLanes") == ["faults", "remarks"]
        place = "(() => { const s = sections[0].stage, b = s.canvas.getBoundingClientRect(); "
        x, y = await page.evaluate(f"{place} return [b.x + s.x(1.5), b.y + AXIS + EVENT_ROW / 2] }})()")
        await page.mouse("mouseMoved", x, y)
        shown = await page.evaluate("tip.innerText")
        assert "n3 is cut off" in shown
        assert "500 ms to 2.5 s" in shown


async def test_zoom_spacing_and_views(tmp_path: Path):
    """Buttons and keys change what is in sight; the table lists versions and places."""
    async with opened(drawn(tmp_path, stale_read()), tmp_path / "browser") as page:
        await page.wait_for("document.documentElement.dataset.ready === 'yes' && sections[0].stage")
        await page.evaluate("sections[0].element.querySelector('[title=\"zoom in\"]').click()")
        assert await page.evaluate("sections[0].stage.zoom") == pytest.approx(1.6)
        await page.evaluate("sections[0].element.querySelector('[title=everything]').click()")
        assert await page.evaluate("sections[0].stage.zoom") == 1
        before = await spot(page, 0, 2)
        await page.evaluate("sections[0].stage.setSpacing(false)")
        assert await page.evaluate("sections[0].stage.byEvents") is False
        assert await spot(page, 0, 2) != before
        await page.evaluate("sections[0].buttons[1].click()")
        assert await page.evaluate("sections[0].stage.view.name") == "all operations"
        await page.evaluate("sections[0].details.open = true")
        await page.wait_for("sections[0].table.rows.length === 4")
        cells = await page.evaluate("[...sections[0].table.rows[2].cells].map((cell) => cell.textContent)")
        assert cells == ["3", "A", "get -> new (v2)", "ok", "2", "3 s", "4 s", "3"]
        assert page.complaints == []


def many(count: int) -> Judged:
    """A key with so many operations of ten clients that overlap, and a read in the middle that does not fit."""
    ops = []
    for index in range(count):
        kind, more = ("put", {"written": f"v{index}"}) if index % 2 == 0 else ("get", {"seen": f"v{index - 1}"})
        ops.append(did(index, f"c{index % 10}", kind, index * 0.01, index * 0.01 + 0.08, number=index // 2 + 1, **more))
    placed, stuck = tuple(range(count // 2)), count // 2 + 1
    search = Search([Order(placed, tuple("v" for _ in placed), {stuck: "it saw something else"})], stuck, placed[-1])
    return Judged(ops, Verdict("illegal", "zones", "b/many", "one does not fit", (stuck,), count), search)


async def test_ten_thousand_operations_on_one_key(tmp_path: Path):
    """It opens where it fails, with little drawn; all of it is drawn in less than a second, as is the next key."""
    async with opened(drawn(tmp_path, many(10_000), fine(5)), tmp_path / "browser") as page:
        await page.wait_for("document.documentElement.dataset.ready === 'yes' && sections[0].stage")
        assert await page.evaluate("+sections[0].canvas.dataset.drawn") < 400
        x, y = await spot(page, 0, 5001)
        await page.mouse("mouseMoved", x, y)
        assert "it saw something else" in await page.evaluate("tip.innerText")
        began_s = time.monotonic()
        await page.evaluate("sections[0].stage.fit()")
        assert time.monotonic() - began_s < REDRAW_MAX_S
        assert await page.evaluate("+sections[0].canvas.dataset.drawn") == 10_000
        await page.evaluate("document.getElementById('next-bad').click()")
        assert await page.evaluate("+sections[0].canvas.dataset.drawn") < 400
        assert page.complaints == []
