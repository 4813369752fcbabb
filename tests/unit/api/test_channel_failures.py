"""Channels that do not come about, and answers that cannot be read."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tests.helpers.channels import Open, shell
from tests.helpers.fakes import DEADLINE

from slurm.api import liveness, transport
from slurm.api.transport import BOOTSTRAP
from slurm.errors import AuthenticationFailed, HostKeyError, TransportError


def answering(then: str) -> list[str]:
    """A child that speaks as the agent does up to the marker, and then runs `then`."""
    return [
        sys.executable,
        "-u",
        "-c",
        "import sys, time\ni, o = sys.stdin.buffer, sys.stdout.buffer\n"
        "n, k = i.readline().split(); i.read(int(n))\n"
        f"o.write(b'slurm-tasks-agent ' + k + b'\\n'); start = i.read(16)\n{then}\ntime.sleep(600)\n",
    ]


def test_what_is_printed_between_answers_is_skipped(channel_to: Open) -> None:
    """As a background job of a login's start-up file does, seconds after the start."""
    channel = channel_to(
        answering(
            "import json\n"
            "name = json.loads(i.read(int.from_bytes(start[4:8], 'big')))['id']\n"
            "o.write(b'Warning: your quota on /home is nearly used up\\n' * 3)\n"
            "answer = json.dumps({'id': name, 'result': 7}).encode()\n"
            "o.write(b'slf\\0' + len(answer).to_bytes(4, 'big') + b'\\0' * 8 + answer)"
        )
    )
    assert channel.request("hello", {}, b"", DEADLINE) == (7, b"")
    assert channel.alive


@pytest.mark.parametrize(
    "then",
    [
        "o.write(b'\\xff' * (2 << 20))",
        "o.write(b'slf\\0' + b'\\0\\0\\0\\x02' + b'\\0' * 8 + b'no')",
        "o.write(b'slf\\0' + b'\\0\\0\\0\\x02' + b'\\0' * 8 + b'{}')",
        "o.write(b'slf\\0' + b'\\0\\0\\0\\x0b' + b'\\0' * 8 + b'{\"id\": 999}')\nsys.exit()",
        "sys.exit()",
    ],
    ids=["a flood", "no JSON", "no id", "wrong id, then the end", "the end"],
)
def test_an_answer_that_cannot_be_read_breaks_the_connection(then: str, channel_to: Open) -> None:
    """Whatever stands in the stream after it could be anything: nothing more can come of it."""
    channel = channel_to(answering(then))
    with pytest.raises(TransportError):
        channel.request("hello", {}, b"", DEADLINE)
    assert not channel.alive


# --- silence --------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is noticed in milliseconds."""
    monkeypatch.setattr(liveness, "QUIET", 0.02)
    monkeypatch.setattr(liveness, "GRACE", 0.05)
    monkeypatch.setattr(transport, "LOOK", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_has_gone_silent_is_given_up(channel_to: Open) -> None:
    """As when the laptop was asleep, or the network is gone: nobody says that the connection is."""
    channel = channel_to(answering("i.read()"))
    with pytest.raises(TransportError, match="dead"):
        channel.request("hello", {}, b"", DEADLINE)
    assert not channel.alive


@pytest.mark.usefixtures("impatient")
def test_a_peer_that_takes_nothing_more_is_given_up(channel_to: Open) -> None:
    channel = channel_to(answering("time.sleep(600)"))
    with pytest.raises(TransportError, match="dead"):
        channel.request("write", {}, bytes(4 << 20), DEADLINE)
    assert not channel.alive


def test_a_peer_that_is_busy_and_there_is_waited_for(
    channel_to: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question for a sign of life is answered beside whatever else the agent does."""
    monkeypatch.setattr(liveness, "QUIET", 0.02)
    monkeypatch.setattr(transport, "LOOK", 0.01)
    channel = channel_to()
    argv = ["sleep", "0.3"]
    assert channel.request("run", {"argv": argv, "timeout": 60}, b"", DEADLINE) == (0, b"")


# --- no connection -------------------------------------------------------------------------------


def refused(open_channel: Open, argv: list[str], **options: Any) -> TransportError:
    with pytest.raises(TransportError) as caught:
        open_channel(argv, **options)
    assert str(caught.value).startswith("login")
    assert "\n" not in str(caught.value)
    return caught.value


def test_an_unknown_host_key_says_what_to_run(channel_to: Open) -> None:
    said = "No ED25519 host key is known for login.\nHost key verification failed."
    error = refused(channel_to, shell(f"echo '{said}' >&2; exit 255"))
    assert type(error) is HostKeyError
    assert "slurm login login" in str(error)
    assert "No ED25519 host key is known" in str(error)


def test_a_refused_login_says_what_to_run(channel_to: Open) -> None:
    error = refused(
        channel_to, shell("echo 'a@login: Permission denied (publickey).' >&2; exit 255")
    )
    assert type(error) is AuthenticationFailed
    assert "slurm login login" in str(error)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'ssh: Could not resolve hostname login' >&2; exit 255", "Could not resolve"),
        ("echo 'sh: python3: not found' >&2; exit 127", "python3: not found"),
        ("exit 1", "closed"),
        ("yes 'a very talkative login' | head -c 3000000", "login"),
    ],
)
def test_a_login_that_ends_says_why(script: str, message: str, channel_to: Open) -> None:
    error = refused(channel_to, shell(script), connect_timeout=DEADLINE)
    assert message in str(error)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "exit 0",
            "the connection was closed. No agent began there (exit status 0): if python= is",
        ),
        (
            "echo \"AttributeError: 'file' object has no attribute 'buffer'\" >&2; exit 1",
            "no attribute 'buffer'. No agent began there (exit status 1): if python= is no Python 3.6",
        ),
    ],
)
def test_a_program_that_is_no_python_is_said_with_the_name_of_the_setting(
    script: str, said: str, channel_to: Open
) -> None:
    with pytest.raises(TransportError) as caught:
        channel_to(shell(script))
    assert said in str(caught.value)


def test_a_login_that_says_nothing_is_given_up(channel_to: Open) -> None:
    error = refused(channel_to, ["sleep", "600"], connect_timeout=0.1)
    assert "did not answer" in str(error)


def test_a_program_that_is_not_installed_is_a_transport_error(channel_to: Open) -> None:
    error = refused(channel_to, ["/nowhere/ssh"])
    assert "/nowhere/ssh" in str(error)


def test_the_bootstrap_passes_any_login_shell() -> None:
    assert not set("'\n!$`\\") & set(BOOTSTRAP)
