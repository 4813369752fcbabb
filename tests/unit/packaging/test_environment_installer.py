"""The program that makes environments on a cluster: once, whoever asks, and again what somebody was killed at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.wheels import only_from, write_wheel

from slurm.packaging import environment_installer
from slurm.packaging.environment_installer import READY, facts, place_of
from slurm.packaging.pip_wheel import add_pip
from slurm.packaging.target import Target

pytestmark = pytest.mark.story

TEXT = Path(environment_installer.__file__).read_text("utf-8")
DEADLINE = 250
MANY = 50


class Installer:
    """The program, as it is run on a cluster."""

    def __init__(self, folder: Path) -> None:
        self.base = folder / ".packages"
        self.base.mkdir(mode=0o700)
        self.wheels = folder / "wheels"
        write_wheel(self.wheels, "tiny", command="tiny-tool = tiny:main")
        write_wheel(self.wheels, "other", requires=["tiny"])
        add_pip(self.wheels, Target.told(facts()), ["false"])

    def request(self, **more: Any) -> dict[str, Any]:
        return {"folder": str(self.base / "env"), "key": "a lock", "sdk": "1.0", **more}

    def install(self) -> dict[str, Any]:
        return self.request(wheels=str(self.wheels))

    def start(
        self, request: dict[str, Any], *, python: str = sys.executable
    ) -> subprocess.Popen[bytes]:
        """Begin to answer a request."""
        text = f"{TEXT}\n\nrun(json.loads({json.dumps(request)!r}))\n"
        process = subprocess.Popen(
            [python, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdin is not None
        process.stdin.write(text.encode())
        process.stdin.close()
        process.stdin = None
        return process

    def answer(self, request: dict[str, Any], *, python: str = sys.executable) -> dict[str, Any]:
        return answer_of(self.start(request, python=python))

    @property
    def place(self) -> Path:
        return Path(place_of(str(self.base / "env"), "a lock"))


def answer_of(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    output, _ = process.communicate(timeout=DEADLINE)
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(tmp_path)


def test_it_is_asked_first_and_makes_nothing_then(installer: Installer) -> None:
    said = installer.answer(installer.request())
    assert said["ready"] is False
    assert said["place"] == str(installer.place)
    assert Target.told(said["python"]) == Target.told(facts())
    assert not installer.place.parent.exists()


def test_an_environment_is_made_once_however_many_ask(installer: Installer) -> None:
    running = [installer.start(installer.install()) for _ in range(MANY)]
    said = [answer_of(one) for one in running]
    assert [one["ready"] for one in said] == [True] * MANY
    assert {one["place"] for one in said} == {str(installer.place)}
    # Each pip would have left a record of its own.
    [about] = installer.place.glob("lib/python*/site-packages/tiny-1.0.dist-info")
    made = (about / "RECORD").stat().st_mtime_ns
    ready = (installer.place / READY).stat()
    assert made <= ready.st_mtime_ns
    assert installer.answer(installer.install())["ready"]
    assert (about / "RECORD").stat().st_mtime_ns == made
    tool = (installer.place / "bin" / "tiny-tool").read_text()
    assert str(installer.place) in tool.splitlines()[0] + tool.splitlines()[1]
    assert installer.place.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_what_somebody_was_killed_at_is_made_again(
    installer: Installer, kill: Callable[[int, int], None]
) -> None:
    """Also where pip goes on: nobody begins before it is done."""
    first = installer.start(installer.install())
    python = installer.place / "bin" / "python"
    while not python.is_symlink():  # it has begun, and pip takes a while
        assert first.poll() is None, "it has ended before it could be killed"
    kill(first.pid, signal.SIGKILL)
    first.wait(DEADLINE)
    assert first.stdout is not None
    first.stdout.close()
    assert not (installer.place / READY).exists()
    (installer.place / "left").touch()
    assert installer.answer(installer.request())["ready"] is False
    assert installer.answer(installer.install())["ready"] is True
    assert not (installer.place / "left").exists()
    said = subprocess.check_output([python, "-c", "import other, tiny; print(tiny.VERSION)"])
    assert said == b"1.0\n"


def test_the_environment_sees_what_the_interpreter_sees_and_itself_first(
    installer: Installer,
) -> None:
    installer.answer(installer.install())
    program = "import sys, json; print(json.dumps([sys.prefix, sys.path]))"
    python = str(installer.place / "bin" / "python")
    prefix, path = json.loads(subprocess.check_output([python, "-c", program]))
    mine = json.loads(subprocess.check_output([sys.executable, "-c", program]))[1]
    assert prefix == str(installer.place)
    packages = [one for one in path if one.endswith("site-packages")]
    assert packages[0].startswith(prefix)
    assert set(filter(None, mine)) - {os.getcwd()} <= set(path)
    shown = subprocess.check_output([python, "-m", "pip", "show", "slurm-tasks"], text=True)
    assert "Version: 1.0" in shown, "pip looks for it nowhere else"
    # An environment that is made by another one's interpreter sees that one's packages.
    above = {**installer.install(), "key": "another lock"}
    found = installer.answer(above, python=python)
    inner = os.path.join(found["place"], "bin", "python")
    _, path = json.loads(subprocess.check_output([inner, "-c", program]))
    assert packages[0] in path


def test_an_index_is_asked_there_also_by_a_python_without_pip(
    installer: Installer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in only_from(installer.wheels).items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    said = installer.answer(installer.request(), python=python)
    assert (said["pip"], said["uv"]) == (False, "")
    [pip] = installer.wheels.glob("pip-*.whl")
    wanted = installer.request(requirements="other\nnever; python_version < '3'\n", pip=str(pip))
    said = installer.answer(wanted, python=python)
    assert said.get("ready"), said
    inner = os.path.join(said["place"], "bin", "python")
    assert subprocess.check_output([inner, "-c", "import other, tiny; print(1)"]) == b"1\n"
    wanted = installer.request(requirements="far\n", pip=str(pip), key="another lock")
    said = installer.answer(wanted, python=python)
    assert "No matching distribution found for far" in said["error"]


def test_what_fails_is_said_and_leaves_nothing(installer: Installer) -> None:
    (installer.wheels / "broken-1.0-py3-none-any.whl").write_bytes(b"no wheel")
    said = installer.answer(installer.install())
    assert "broken-1.0-py3-none-any.whl" in said["error"]
    assert not installer.place.exists()
    installer.base.chmod(0o777)
    said = installer.answer(installer.install())
    assert "is not a directory that only you can write to: remove it" in said["error"]


@pytest.mark.parametrize("libc", [("glibc", 2, 41), ("musl", 1, 2), ("",)])
def test_platforms_are_those_its_c_library_can_load(libc: tuple[Any, ...]) -> None:
    there = Target((3, 13, 0), "cpython", "cp313", "linux-x86_64", libc, {})
    tags = there.platforms
    assert tags[-1] == "linux_x86_64"
    assert (
        ("manylinux_2_41_x86_64" in tags)
        == ("manylinux2014_x86_64" in tags)
        == (libc[0] == "glibc")
    )
    assert ("musllinux_1_2_x86_64" in tags) == (libc[0] == "musl")
    assert "manylinux_2_42_x86_64" not in tags
