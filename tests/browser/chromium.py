"""A real browser without a window, driven over its own debugging protocol: open a page, move the mouse, look."""

from __future__ import annotations

import asyncio
import base64
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
        """What the page threw or wrote as an error, and what the browser refused it."""
        self.requests: list[str] = []
        """Addresses that the page asked for."""

    async def send(self, method: str, **params) -> dict:
        """One command and its answer."""
        self._sent += 1
        await self._socket.send_json({"id": self._sent, "method": method, "params": params})
        while True:
            message = json.loads((await self._socket.receive(PATIENCE_S)).data)
            self._note(message.get("method"), message.get("params"))
            if message.get("id") == self._sent:
                assert "error" not in message, message
                return message["result"]

    def _note(self, method: str | None, params: dict) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(str(params["entry"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(params["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    async def looks(self, width: int, height: int, *, dark: bool = False, scale: float = 1.0) -> None:
        """On a screen of that size, in light or dark."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self) -> bytes:
        """What the screen shows, as PNG."""
        answer = await self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

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
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {"Tab": 9, "Enter": 13}.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, text=text, windowsVirtualKeyCode=code)


@contextlib.asynccontextmanager
async def opened(where: Path | str, folder: Path) -> AsyncIterator[Page]:
    """The page of a file or an address, loaded. The browser keeps its own in `folder`, and ends with the block."""
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
            for domain in ("Runtime", "Page", "Log", "Network"):
                await page.send(f"{domain}.enable")
            await page.send("Page.navigate", url=where.as_uri() if isinstance(where, Path) else where)
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
