"""The agent as it is sent: one text that needs nothing but Python, and whose errors say where they are."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.channels import Open
from tests.helpers.fakes import DEADLINE

from slurm.api.agent_text import agent_sources, agent_text, packed
from slurm.api.transport import BOOTSTRAP

ALONE = [sys.executable, "-I", "-S", "-u", "-c", BOOTSTRAP]


def run(text: bytes) -> subprocess.CompletedProcess[bytes]:
    """A Python without any package runs `text`."""
    data = b"%d nonce\n" % len(text) + text
    return subprocess.run(ALONE, input=data, capture_output=True, check=False)


@pytest.mark.local
def test_it_needs_nothing_but_python(channel_to: Open, tmp_path: Path) -> None:
    channel = channel_to(ALONE)
    params = {"path": str(tmp_path / "file"), "exclusive": False}
    assert channel.request("write", params, b"content", DEADLINE)[0] is True
    assert (tmp_path / "file").read_bytes() == b"content"


def test_it_is_sent_before_anybody_reads() -> None:
    """A pipe holds 64 KB: the client can write it all and then see what ssh says."""
    assert len(agent_text()) < 1 << 16


@pytest.mark.local
def test_an_error_shows_the_line() -> None:
    sources = agent_sources()
    sources["server"] += "\n\ndef serve_over_stdio(nonce):\n    read_frame(None)\n"
    done = run(packed(sources))
    assert done.returncode == 1
    said = done.stderr.decode()
    assert 'File "slurm_sdk_agent.frames", line ' in said
    assert "\n    part = stream.read(count)\n" in said


@pytest.mark.parametrize("module", sorted(agent_sources()))
def test_its_modules_import_no_other_part_of_the_sdk(module: str) -> None:
    for node in ast.walk(ast.parse(agent_sources()[module])):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level < 2, ast.unparse(node)
            names = [node.module or ""] if node.level == 0 else []
        assert "slurm" not in [name.split(".")[0] for name in names], module


@pytest.mark.local
def test_any_modules_can_be_packed() -> None:
    sources = {
        "loader": agent_sources()["loader"],
        "__init__": "",
        "server": "from .words import greeting\n\n\ndef serve_over_stdio(nonce):\n"
        "    print(greeting, nonce, __name__)\n",
        "words": "greeting = 'grüß \\'dich\\' {}'\n",
    }
    done = run(packed(sources))
    assert (done.stdout.decode(), done.stderr) == (
        "grüß 'dich' {} nonce slurm_sdk_agent.server\n",
        b"",
    )
