"""How a cluster is asked: one program, one answer; and what is said where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster
from slurm.cluster_checks import site_probe
from slurm.cluster_checks.asking import ask, program
from slurm.errors import SlurmError


class Answering(FakeBackend):
    """A machine on which every program prints the same."""

    printed = b""

    def run_program(
        self, argv: Sequence[str], *, input: bytes = b"", timeout: float
    ) -> tuple[int, bytes]:
        self.asked = list(argv), input
        return 3, self.printed


@pytest.fixture
def backend() -> Answering:
    return Answering()


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (b"", "it printed nothing"),
        (b"Welcome\nSyntaxError: invalid syntax\n", "SyntaxError: invalid syntax"),
        (b"\nbm9uZQ==\n", "exited with 3"),
        (b"\xff\xfe\n", "exited with 3"),
    ],
)
def test_what_is_no_answer_is_said_with_its_last_words(
    printed: bytes, said: str, fake_cluster: Cluster, backend: Answering
) -> None:
    backend.printed = printed
    with pytest.raises(SlurmError, match="could not look around there") as caught:
        ask(fake_cluster, ["programs"])
    assert said in str(caught.value)


def test_an_answer_comes_after_whatever_a_site_prints(
    fake_cluster: Cluster, backend: Answering, capsys: pytest.CaptureFixture[str]
) -> None:
    site_probe.run({"parts": ["seen"], "seen": "/nowhere"})
    backend.printed = b"Welcome to hpc\n" + capsys.readouterr().out.encode()
    answers = ask(fake_cluster, ["seen"], seen="/nowhere")
    assert answers.said["seen"]["content"] is None
    assert abs(answers.clock_ahead) < 60
    argv, text = backend.asked
    assert argv == [backend.host().executable, "-I", "-"]
    assert text == program({"parts": ["seen"], "seen": "/nowhere"})


def test_a_request_is_data_whatever_is_in_it() -> None:
    request: dict[str, Any] = {"parts": [], "base": '\'); import os; os.abort() #\n"""'}
    last = program(request).decode().splitlines()[-1]
    found: list[Any] = []
    exec(last, {"json": __import__("json"), "run": found.append})  # noqa: S102 - what is run there
    assert found == [request]
