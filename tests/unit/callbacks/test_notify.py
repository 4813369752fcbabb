"""NotifyCallback and what it sends with: commands of the user's, and webhooks on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from slurm.callbacks import NotifyCallback
from slurm.callbacks.contexts import CompletedContext, SubmitEndContext
from slurm.callbacks.notify import Notifier
from slurm.errors import ConfigError, SlurmError
from slurm.states import JobState


class Hook(HTTPServer):
    """A webhook that keeps what it was sent, and answers with `status`."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard: list[tuple[str, str | None, object]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/secret"


class Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append((self.path, self.headers["Content-Type"], json.loads(content)))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ended(state: str, *, array: str = "", job_id: str = "12") -> CompletedContext:
    return CompletedContext("train", job_id, array_dir=array, state=JobState(state))


def test_a_webhook_gets_the_line_as_json(hook: Hook) -> None:
    NotifyCallback(hook.address).on_completed_ctx(ended("FAILED"))
    assert hook.heard == [("/secret", "application/json", {"text": "train 12: FAILED"})]


def test_what_a_webhook_refuses_is_said_without_its_address(hook: Hook) -> None:
    hook.status = 404
    with pytest.raises(SlurmError, match="the webhook answered 404") as raised:
        Notifier(hook.address).send("a line")
    assert "secret" not in str(raised.value)


def test_a_webhook_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SlurmError, match=r"could not be reached: .*refused") as raised:
        Notifier("http://127.0.0.1:1/secret").send("a line")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "https:// /secret",
        "https:///secret",
        "http://[::1/secret",
        "http://h:x/secret",
        "ftp://h/secret",
    ],
)
def test_an_address_that_is_none_is_refused_at_once_and_not_named(address: str) -> None:
    with pytest.raises(ConfigError, match="address of a webhook is https://HOST/PATH") as raised:
        Notifier(address)
    assert "secret" not in str(raised.value)


def test_letters_of_either_size_begin_an_address(hook: Hook) -> None:
    Notifier(hook.address.replace("http", "HTTP")).send("a line")
    assert hook.heard == [("/secret", "application/json", {"text": "a line"})]


def test_a_command_gets_the_line_and_no_shell_is_asked(tmp_path: Path) -> None:
    script = tmp_path / "told"
    script.write_text('#!/bin/sh\nprintf "%s|" "$@" > "$0.words"; cat > "$0.stdin"\n')
    script.chmod(0o755)
    line = "train 12: FAILED; $(touch x) 'a'"
    Notifier([str(script), "--about", "job: {}"]).send(line)
    assert Path(f"{script}.words").read_text() == f"--about|job: {line}|"
    assert Path(f"{script}.stdin").read_text() == f"{line}\n"


def test_a_command_that_fails_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SlurmError, match=r"^sh exited with 3: no mail$"):
        Notifier("sh -c 'echo no; echo mail >&2; exit 3'").send("a line")
    with pytest.raises(SlurmError, match="nothing-of-the-kind cannot be run"):
        Notifier("nothing-of-the-kind").send("a line")


@pytest.mark.parametrize("target", ["", "  ", "mail 'x", [], [""], [7]])
def test_a_target_that_is_none_is_refused_at_once(target: object) -> None:
    with pytest.raises(ConfigError):
        NotifyCallback(target)  # type: ignore[arg-type]


def test_only_failures_are_told_where_that_is_wanted(hook: Hook) -> None:
    callback = NotifyCallback(hook.address, only_failures=True)
    callback.on_completed_ctx(ended("COMPLETED"))
    callback.on_completed_ctx(ended("TIMEOUT"))
    assert [content for _, _, content in hook.heard] == [{"text": "train 12: TIMEOUT"}]


def test_an_array_is_told_as_a_whole(hook: Hook) -> None:
    callback = NotifyCallback(hook.address)
    about = SubmitEndContext("train", "12", array_dir="/jobs/12", array_size=3)
    callback.on_end_submit_job_ctx(about)
    for number, state in enumerate(["COMPLETED", "FAILED", "COMPLETED"]):
        assert hook.heard == []
        callback.on_completed_ctx(ended(state, array="/jobs/12", job_id=f"12_{number}"))
    assert hook.heard[0][2] == {"text": "train 12: 2 COMPLETED, 1 FAILED"}
    callback.on_completed_ctx(ended("FAILED", array="/jobs/another", job_id="13_0"))
    assert hook.heard[1][2] == {"text": "train 13_0: FAILED"}
