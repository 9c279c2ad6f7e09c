"""A real browser without a window, driven over its own debugging protocol: open a page, move the mouse, look."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
PORT_FILE = "DevToolsActivePort"
PATIENCE_S = 30.0
WIDTH, HEIGHT = 1200, 900


class Page:
    """One page. Coordinates are pixels of the window."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._sent = 0
        self.complaints: list[str] = []
        """What the page threw, or wrote as an error."""

    async def send(self, method: str, **params) -> dict:
        """One command and its answer."""
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": params})
        while True:
            message = json.loads((await self._socket.receive(PATIENCE_S)).data)
            if message.get("method") == "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]["exceptionDetails"]))
            if message.get("id") == self._sent:
                assert "error" not in message, message
                return message["result"]

    async def evaluate(self, expression: str):
        """The value of a JavaScript expression."""
        answer = await self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def wait_for(self, expression: str) -> None:
        """Until it is true."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self.evaluate(expression):
                await asyncio.sleep(0.02)

    async def mouse(self, kind: str, x: float, y: float) -> None:
        """`mouseMoved`, `mousePressed` or `mouseReleased`."""
        await self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def click(self, x: float, y: float) -> None:
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await self.mouse(kind, x, y)

    async def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, text=key if len(key) == 1 else "")


@contextlib.asynccontextmanager
async def opened(file: Path, folder: Path) -> AsyncIterator[Page]:
    """The page of a file, loaded. The browser keeps what it needs in `folder`, and ends with the block."""
    assert PROGRAM is not None, "callers look first"
    size = f"--window-size={WIDTH},{HEIGHT}"
    process = await asyncio.create_subprocess_exec(
        *(PROGRAM, *FLAGS, size, f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port = await _port(folder / PORT_FILE, process)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(await _address(session, port), max_msg_size=0) as socket,
        ):
            page = Page(socket)
            await page.send("Runtime.enable")
            await page.send("Page.enable")
            await page.send("Page.navigate", url=file.as_uri())
            await page.wait_for("document.readyState === 'complete'")
            yield page
            await page.send("Browser.close")
        await asyncio.wait_for(process.wait(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _port(file: Path, process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(PATIENCE_S):
        while not (file.is_file() and file.read_text().strip()):
            assert process.returncode is None, "the browser ended by itself"
            await asyncio.sleep(0.02)
    return int(file.read_text().split()[0])


async def _address(session: aiohttp.ClientSession, port: int) -> str:
    """Of the page that the browser began with."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                pages = [each for each in await answer.json() if each["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
            await asyncio.sleep(0.02)
