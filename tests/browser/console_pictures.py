"""`python -m tests.browser.console_pictures [FOLDER]`: the pictures of docs/console.md: a real cluster under load."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import Page, opened
from tests.browser.console_cluster import WatchedCluster, watched_cluster
from tests.browser.small_png import smaller

LOAD_S = 75.0
AWAY_AFTER_S = 45.0
SETTLE_S = 1.0
"""For charts to take their new width."""
WINDOW_S = 2.0
DOCS = Path(__file__).parents[2] / "docs"
READY = "document.documentElement.dataset.ready === 'yes'"
LOOKS = (("console-light", 1240, 4000, False), ("console-dark", 1240, 1600, True), ("console-phone", 390, 1700, False))
"""Name, width, most of the height that is shown, whether dark."""


async def pictures(cluster: WatchedCluster, folder: Path, browser: Path) -> None:
    """One of each look, at the same moment of the cluster's life."""
    await asyncio.sleep(AWAY_AFTER_S)
    cluster.nodes[2].kill()
    await asyncio.sleep(LOAD_S - AWAY_AFTER_S)
    async with opened(f"http://127.0.0.1:{cluster.watched.ops_port}/console", browser) as page:
        await page.wait_for(READY)
        await page.send("Emulation.setScrollbarsHidden", hidden=True)
        await page.evaluate("document.getElementById('pause').click()")
        taken = [(name, await _look(page, *look)) for name, *look in LOOKS]
    for name, png in taken:
        (folder / f"{name}.png").write_bytes(smaller(png))


async def _look(page: Page, width: int, height_max: int, dark: bool) -> bytes:
    await page.looks(width, 900, dark=dark)
    await asyncio.sleep(SETTLE_S)
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.looks(width, min(height, height_max), dark=dark)
    await asyncio.sleep(SETTLE_S)
    return await page.picture()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    with tempfile.TemporaryDirectory() as kept, watched_cluster(Path(kept), 5, WINDOW_S) as cluster:
        asyncio.run(pictures(cluster, folder, Path(kept) / "browser"))


if __name__ == "__main__":
    main()
