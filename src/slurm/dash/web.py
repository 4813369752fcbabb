"""The dashboard in a browser of this machine: a server that starts one for each page that is open.

Each is a process of ``slurm dash`` itself, whose screen Textual sends to the page through a pipe and a websocket. The page's
program and its font are textual-serve's, and are sent from here; the page is ours, for that of textual-serve 1.1 loads a font
from another host.
"""

from __future__ import annotations

import asyncio
import errno
import html
import shlex
import signal
import socket
from collections.abc import Callable, Sequence
from importlib import resources
from string import Template
from typing import Any

import textual_serve
from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler, Middleware
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from slurm.dash.web_guard import HEADERS, HOST, new_token, why_not
from slurm.errors import ConfigError

FONT_SIZE = 14
SIZE = (("width", 80), ("height", 24))  # where the page does not say it
SMALLEST, LARGEST = 10, 1000  # columns or lines
HEARTBEAT = 15.0  # seconds: a page that is gone without a word ends its process
LONGEST_MESSAGE = 1 << 20


class Session(AppService):
    """The process behind one page; the page is told when it has ended, also when it could not begin."""

    async def run(self) -> None:
        """Send what it draws, until it ends."""
        await super().run()
        await self.remote_close()


class Server:
    """Answers at ``http://127.0.0.1:PORT/TOKEN/`` alone; `command` is what each page runs."""

    def __init__(self, command: Sequence[str], port: int, token: str) -> None:
        self.port: int = port
        self.address: str = f"http://{HOST}:{port}/{token}/"
        self._command = shlex.join(command)  # AppService takes a line for a shell
        self._token = token
        self._pages: set[web.WebSocketResponse] = set()

    def application(self) -> web.Application:
        """What aiohttp serves."""
        made = web.Application(middlewares=[self._guarded()])
        static = str(resources.files(textual_serve) / "static")
        made.add_routes(
            [
                web.get(f"/{self._token}/", self._page),
                web.get(f"/{self._token}/page.js", self._program),
                web.get(f"/{self._token}/ws", self._websocket),
                web.static(f"/{self._token}/static", static),
            ]
        )
        made.on_shutdown.append(self._close_pages)
        return made

    def _guarded(self) -> Middleware:
        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            refused = why_not(
                request.path,
                request.headers,
                token=self._token,
                port=self.port,
                websocket=request.path.endswith("/ws"),
            )
            if refused:
                return web.Response(status=403, text=f"slurm dash: {refused}\n")
            answer = await handler(request)
            if not answer.prepared:
                origin = f"ws://{request.host}"
                for name, value in HEADERS.items():
                    answer.headers[name] = value.format(origin=origin)
            return answer

        return guarded

    async def _page(self, request: web.Request) -> web.Response:
        websocket = f"ws://{request.host}/{self._token}/ws"
        filled = Template(_own_file("page.html")).substitute(
            websocket=html.escape(websocket), font_size=FONT_SIZE
        )
        return web.Response(text=filled, content_type="text/html")

    async def _program(self, request: web.Request) -> web.Response:
        return web.Response(text=_own_file("page.js"), content_type="text/javascript")

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        page = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LONGEST_MESSAGE)
        await page.prepare(request)
        self._pages.add(page)

        async def close() -> None:
            await page.close()

        session = Session(
            self._command,
            write_bytes=page.send_bytes,
            write_str=page.send_str,
            close=close,
            download_manager=DownloadManager(),
        )
        try:
            await session.start(
                *(_size(request.query.get(name), default) for name, default in SIZE)
            )
            async for message in page:
                if message.type is WSMsgType.TEXT:
                    await _pass_on(message.json(), session, page)
        finally:
            self._pages.discard(page)
            await session.stop()
        return page

    async def _close_pages(self, application: web.Application) -> None:
        for page in list(self._pages):
            await page.close()


def _own_file(name: str) -> str:
    return resources.files("slurm.dash").joinpath(name).read_text("utf-8")


async def _pass_on(said: Any, session: AppService, page: web.WebSocketResponse) -> None:
    """What a page says, as the program of textual-serve 1.1 words it: a kind, and what belongs to it."""
    kind, about = [*said, None, None][:2] if isinstance(said, list) else (None, None)
    if kind == "stdin" and isinstance(about, str):
        await session.send_bytes(about.encode())
    elif kind == "resize" and isinstance(about, dict):
        width, height = (_size(about.get(name), 80) for name in ("width", "height"))
        await session.set_terminal_size(width, height)
    elif kind == "ping":
        await page.send_json(["pong", about])
    elif kind == "blur":
        await session.blur()
    elif kind == "focus":
        await session.focus()


def _size(given: object, default: int) -> int:
    """A width or a height, whatever a page says in its place."""
    text = str(given)
    size = int(text) if text.isdecimal() and len(text) < 6 else default
    return max(SMALLEST, min(size, LARGEST))


def serve(command: Sequence[str], port: int | None, tell: Callable[[str], None]) -> None:
    """Serve what `command` shows until Ctrl-C; the address is told once it answers. Raises `ConfigError` for a port in use."""
    listening = _listen(port)
    with listening:
        asyncio.run(_serve(command, listening, tell))


def _listen(port: int | None) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((HOST, port or 0))
    except OSError as error:
        made.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        why = "is in use" if error.errno == errno.EADDRINUSE else "is not for ordinary users"
        raise ConfigError(
            f"port {port} {why}: name another one, or none to have a free one"
        ) from error
    return made


async def _serve(
    command: Sequence[str], listening: socket.socket, tell: Callable[[str], None]
) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = Server(command, listening.getsockname()[1], new_token())
    # No log of requests: the token is in their addresses.
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        tell(server.address)
        await ended.wait()
    finally:
        await runner.cleanup()
