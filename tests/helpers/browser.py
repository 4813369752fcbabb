"""A real browser without a window, Debian's Chromium, driven by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import re
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    Socket = aiohttp.ClientWebSocketResponse[bool]

DEADLINE = 120.0
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")
# Neither the sandbox, which root does not have, nor anything that asks hosts of Google's.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--remote-debugging-port=0", "--window-size=1280,800", "about:blank"),
)


class Page:
    """A page of the browser: what it was told, what it loaded, what it was sent."""

    def __init__(self, socket: Socket, session: str) -> None:
        self._socket, self._session = socket, session
        self._numbers = itertools.count(3)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.status: dict[str, int] = {}  # of what was loaded, by its address
        self.asked: list[str] = []  # addresses that were to be loaded
        self.received = ""  # through websockets
        self.console: list[str] = []

    async def read(self) -> None:
        """Take what the browser says."""
        async for message in self._socket:
            said = message.json()
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            else:
                self._note(said.get("method"), said.get("params", {}))

    def _note(self, method: str, about: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.asked.append(about["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.asked.append(about["url"])
        elif method == "Network.responseReceived":
            self.status[about["response"]["url"]] = about["response"]["status"]
        elif method == "Network.webSocketFrameReceived":
            frame = about["response"]
            data = frame["payloadData"]
            self.received += (
                base64.b64decode(data).decode("utf-8", "replace") if frame["opcode"] == 2 else data
            )
        elif method == "Log.entryAdded":
            self.console.append(about["entry"]["text"])

    async def tell(self, method: str, **about: Any) -> dict[str, Any]:
        """A command of the protocol, and its answer."""
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": about, "sessionId": self._session}
        await self._socket.send_json(message)
        said = await asyncio.wait_for(self._answers[number], DEADLINE)
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        return result

    async def open(self, address: str) -> int:
        """Go to an address; the status that its server answered with."""
        await self.tell("Page.navigate", url=address)
        await self.until(lambda: address in self.status)
        return self.status[address]

    async def type(self, text: str) -> None:
        """Press the keys for a text."""
        for one in text:
            await self.tell("Input.dispatchKeyEvent", type="keyDown", text=one, key=one)
            await self.tell("Input.dispatchKeyEvent", type="keyUp", key=one)

    async def picture(self) -> bytes:
        """What can be seen, as a PNG file."""
        return base64.b64decode((await self.tell("Page.captureScreenshot"))["data"])

    async def value(self, expression: str) -> Any:
        """What an expression in the page comes to."""
        said = await self.tell("Runtime.evaluate", expression=expression, returnByValue=True)
        return said["result"].get("value")

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for something to hold."""
        give_up = time.monotonic() + DEADLINE
        while not holds():
            assert time.monotonic() < give_up, (self.asked, self.console)
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Page]:
    """A page of a browser that keeps its files in a folder."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "this test needs a browser: apt-get install chromium"
    process = await asyncio.create_subprocess_exec(
        *(program, f"--user-data-dir={folder}", *FLAGS),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        address = await asyncio.wait_for(_address(process.stderr), DEADLINE)
        rest = asyncio.create_task(process.stderr.read())  # else the pipe is full some day
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(address, max_msg_size=0) as socket,
        ):
            page = await _page(socket)
            reading = asyncio.create_task(page.read())
            for domain in ("Page", "Network", "Runtime", "Log"):
                await page.tell(f"{domain}.enable")
            yield page
            reading.cancel()
        rest.cancel()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _address(stderr: asyncio.StreamReader) -> str:
    """Where the browser can be driven, which it says as it begins."""
    async for line in stderr:
        found = LISTENING.search(line.decode())
        if found:
            return found.group(1)
    raise AssertionError("the browser has ended")


async def _page(socket: Socket) -> Page:
    await socket.send_json(
        {"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}}
    )
    target = (await _answer(socket, 1))["targetId"]
    about = {"targetId": target, "flatten": True}
    await socket.send_json({"id": 2, "method": "Target.attachToTarget", "params": about})
    return Page(socket, (await _answer(socket, 2))["sessionId"])


async def _answer(socket: Socket, number: int) -> dict[str, Any]:
    while True:
        said = await socket.receive_json(timeout=DEADLINE)
        if said.get("id") == number:
            result: dict[str, Any] = said["result"]
            return result
