"""Who may see the dashboard in a browser, and what its page loads; in a real browser too."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from tests.helpers.browser import Page, browser
from tests.helpers.job_tasks import add

from slurm import Cluster
from slurm.dash import web
from slurm.dash.web import Server, serve
from slurm.errors import ConfigError

TOKEN = "secret"
SILENT = [sys.executable, "-c", "pass"]  # what a page runs; here none gets so far
Ask = Callable[..., Awaitable[aiohttp.ClientResponse]]


def asked(steps: Callable[[Ask, Server], Awaitable[None]]) -> None:
    """Run a server, and do these steps with what asks it."""

    async def run() -> None:
        with contextlib.closing(web._listen(None)) as listening:
            port = listening.getsockname()[1]
        server = Server(SILENT, port, TOKEN)
        async with TestServer(server.application(), port=port), aiohttp.ClientSession() as client:

            async def ask(path: str, **headers: str) -> aiohttp.ClientResponse:
                answer = await client.get(f"http://127.0.0.1:{port}{path}", headers=headers)
                await answer.read()
                return answer

            await steps(ask, server)

    asyncio.run(run())


pytestmark = pytest.mark.local
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MTIzNDU2Nzg5MDEyMzQ1Ng==",
}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/secre/", {}),
        ("/secret2/", {}),
        ("/%73ecret2/static/js/textual.js", {}),
        ("/static/js/textual.js", {}),
        ("/page.js", {}),
        ("/secret/", {"Host": "dash.example:{port}"}),
        ("/secret/", {"Host": "127.0.0.1"}),
        ("/secret/", {"Host": "127.0.0.1:{port}.example"}),
        ("/secret/", {"Origin": "http://dash.example"}),
        ("/secret/", {"Origin": "null"}),
        ("/ws", UPGRADE),
        ("/guess/ws", {**UPGRADE, "Origin": "http://127.0.0.1:{port}"}),
        ("/secret/ws", UPGRADE),
        ("/secret/ws", {**UPGRADE, "Origin": "http://dash.example"}),
        ("/secret/ws", {**UPGRADE, "Origin": "https://127.0.0.1:{port}"}),
        ("/secret/ws", {**UPGRADE, "Origin": "http://127.0.0.1:1"}),
        (
            "/secret/ws",
            {**UPGRADE, "Origin": "http://dash.example:{port}", "Host": "dash.example:{port}"},
        ),
    ],
)
def test_whoever_has_not_the_address_sees_nothing(path: str, headers: dict[str, str]) -> None:
    async def steps(ask: Ask, server: Server) -> None:
        filled = {name: value.format(port=server.port) for name, value in headers.items()}
        answer = await ask(path, **filled)
        assert answer.status == 403
        assert TOKEN not in await answer.text()

    asked(steps)


def test_a_page_loads_nothing_from_other_hosts_and_tells_its_address_to_nobody() -> None:
    async def steps(ask: Ask, server: Server) -> None:
        answer = await ask(f"/{TOKEN}/")
        assert answer.status == 200
        page = await answer.text()
        origin = f"ws://127.0.0.1:{server.port}"
        assert f'data-session-websocket-url="{origin}/{TOKEN}/ws"' in page
        loaded = [one for one in re.findall(r'(?:src|href)="([^"]*)"', page) if one != "data:,"]
        loaded += re.findall(r'url\("([^"]*)"\)', page)
        assert not [one for one in loaded if "//" in one]
        for one in filter(None, loaded):
            assert (await ask(f"/{TOKEN}/{one}")).status == 200, one
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert f"connect-src 'self' {origin};" in policy
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert (await ask(f"/{TOKEN}/static/../../ws")).status == 403
        assert (await ask(f"/{TOKEN}/static/%2e%2e/server.py")).status in (403, 404)

    asked(steps)


def test_a_port_in_use_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use: name another one"):
            serve(SILENT, port, print)


@pytest.fixture
def page_of(
    tmp_path: Path, local_base: Path
) -> Callable[[Callable[[Page, str], Awaitable[Any]]], None]:
    """Runs ``slurm dash --web`` and a browser, and does steps with a page of that and the address."""

    def run(steps: Callable[[Page, str], Awaitable[Any]]) -> None:
        options = ["--web", "--backend", "local", "--job-base-dir", str(local_base)]
        server = subprocess.Popen(
            [sys.executable, "-m", "slurm.cli", "dash", *options], stdout=subprocess.PIPE, text=True
        )
        assert server.stdout is not None

        async def drive(address: str) -> None:
            async with browser(tmp_path / "browser") as page:
                await steps(page, address)

        try:
            asyncio.run(drive(server.stdout.readline().split()[0]))
        finally:
            server.send_signal(signal.SIGINT)
            rest = server.communicate()[0]
        assert (server.returncode, rest) == (0, "")

    return run


@pytest.mark.story
def test_a_browser_with_the_address_shows_the_jobs_and_one_without_it_nothing(
    local: Cluster, page_of: Callable[[Callable[[Page, str], Awaitable[Any]]], None]
) -> None:
    job = add(1, 2)
    assert job.get_result() == 3

    async def steps(page: Page, address: str) -> None:
        assert await page.open(address) == 200
        await page.until(lambda: "COMPLETED" in page.received)
        assert "add" in page.received
        await page.type("?")
        await page.until(lambda: "go through the jobs" in page.received)
        origin = address.split("/")[2]
        assert {one.split("/")[2] for one in page.asked if "://" in one} == {origin}
        refused = [said for said in page.console if "Content Security Policy" in said]
        assert refused == []
        for wrong in (address[:-8] + "AAAAAAA/", f"http://{origin}/"):
            assert await page.open(wrong) == 403

    page_of(steps)
