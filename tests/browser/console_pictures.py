"""`python -m tests.browser.console_pictures [FOLDER]`: the pictures of docs/console.md: a real cluster under load."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.browser.chromium import Page, opened
from tests.browser.console_cluster import WatchedCluster, watched_cluster

LOAD_S = 75.0
AWAY_AFTER_S = 45.0
DOCS = Path(__file__).parents[2] / "docs"
READY = "document.documentElement.dataset.ready === 'yes'"
LOOKS = (("console-light", 1240, False, 1.0), ("console-dark", 1240, True, 1.0), ("console-phone", 390, False, 1.0))


async def pictures(cluster: WatchedCluster, folder: Path, browser: Path) -> None:
    """One of each look, at the same moment of the cluster's life."""
    await asyncio.sleep(AWAY_AFTER_S)
    cluster.nodes[-3].kill()
    await asyncio.sleep(LOAD_S - AWAY_AFTER_S)
    async with opened(f"http://127.0.0.1:{cluster.watched.ops_port}/console", browser) as page:
        await page.wait_for(READY)
        await page.press("p")
        for name, width, dark, scale in LOOKS:
            await page.looks(width, 900, dark=dark, scale=scale)
            await asyncio.sleep(1.0)
            (folder / f"{name}.png").write_bytes(await _whole(page, width, dark=dark))


async def _whole(page: Page, width: int, *, dark: bool) -> bytes:
    height = await page.evaluate("document.documentElement.scrollHeight")
    await page.looks(width, height, dark=dark)
    await asyncio.sleep(0.5)
    return await page.picture()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    with tempfile.TemporaryDirectory() as kept, watched_cluster(Path(kept), 5, 1.0) as cluster:
        asyncio.run(pictures(cluster, folder, Path(kept) / "browser"))


if __name__ == "__main__":
    main()
