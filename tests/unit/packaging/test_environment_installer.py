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

from slurm.packaging.environments.installer import READY, place_of
from slurm.packaging.environments.interpreter_facts import facts
from slurm.packaging.environments.making import installer_program
from slurm.packaging.environments.pip_wheel import add_pip
from slurm.packaging.environments.target import Target

pytestmark = pytest.mark.story

DEADLINE = 250
MANY = 50


def uv_only_from(folder: Path) -> dict[str, str]:
    """What has uv look into a folder alone."""
    settings = folder.parent / "uv.toml"
    settings.write_text(f"no-index = true\nfind-links = [{json.dumps(str(folder))}]\n")
    return {"UV_CONFIG_FILE": str(settings), "UV_OFFLINE": "1"}


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
        process = subprocess.Popen(
            [python, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert process.stdin is not None
        process.stdin.write(installer_program(request))
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


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_the_index_there_is_never_asked_for_the_sdk(
    installer: Installer, tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the one that anything requires, nor for a version that the SDK here is not of."""
    for name, value in {**only_from(installer.wheels), **uv_only_from(installer.wheels)}.items():
        monkeypatch.setenv(name, value)
    python = sys.executable
    if tool == "uv":
        bare = tmp_path / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
        python = str(bare / "bin" / "python")
        uv = Path(sys.executable).with_name("uv")
        (tmp_path / "programs").mkdir()
        (tmp_path / "programs" / "uv").symlink_to(uv)
        monkeypatch.setenv("PATH", f"{tmp_path / 'programs'}:/usr/bin:/bin")
    write_wheel(installer.wheels, "slurm-tasks", "99.0", files={"slurm/__init__.py": ""})
    write_wheel(installer.wheels, "lab", requires=["slurm-tasks[rich]>=0.1", "tiny"])
    write_wheel(installer.wheels, "far", requires=["slurm-tasks>=9"])
    said = installer.answer(installer.request(requirements="lab\n"), python=python)
    assert said.get("ready"), said
    assert said["foreign"] is False
    program = "import importlib.metadata as m, lab, tiny; print(m.version('slurm-tasks'))"
    inner = os.path.join(said["place"], "bin", "python")
    assert subprocess.check_output([inner, "-c", program]) == b"1.0\n"
    said = installer.answer(installer.request(requirements="far\n", key="far"), python=python)
    assert "slurm-tasks" in said["error"]
    # What a lock has is all, and is installed as it is.
    locked = installer.request(requirements="far==1.0\n", complete=True, key="locked")
    said = installer.answer(locked, python=python)
    assert said.get("ready"), said
    inner = os.path.join(said["place"], "bin", "python")
    program = "import importlib.metadata as m, far; print(m.version('slurm-tasks'))"
    assert subprocess.check_output([inner, "-c", program]) == b"1.0\n"


def test_another_projects_slurm_is_told_of(installer: Installer) -> None:
    assert installer.answer(installer.install())["foreign"] is False
    write_wheel(installer.wheels, "slurm-sdk", files={"slurm/__init__.py": ""})
    said = installer.answer({**installer.install(), "key": "more"})
    assert said["foreign"] is True
    above = {"wheels": str(installer.wheels), "wheel": "tiny-1.0-py3-none-any.whl", "below": "more"}
    assert installer.answer(installer.request(key="above", **above))["foreign"] is True


def test_one_on_top_of_another_is_ready_with_both_and_has_the_commands_of_both(
    installer: Installer,
) -> None:
    text = "import tiny\ndef main():\n    print(tiny.VERSION)\n"
    write_wheel(installer.wheels, "tools", files={"tools.py": text}, command="tools = tools:main")
    (installer.wheels / "tiny-1.0-py3-none-any.whl").rename(installer.base / "older.whl")
    below = installer.answer({**installer.install(), "key": "below"})["place"]
    binary = Path(below, "bin", "binary")
    binary.symlink_to("/bin/true")
    tiny = write_wheel(installer.wheels, "tiny", "2.0", command="tiny-tool = tiny:main")
    request = installer.request(wheels=str(installer.wheels), wheel=tiny.name, below="below")
    said = installer.answer(request)
    assert (said["ready"], said["below"]) == (True, below)
    place = Path(said["place"])
    assert json.loads((place / READY).read_text()) == {
        "wheels": str(installer.wheels),
        "origin": None,
        "wheel": tiny.name,
        "below": below,
    }
    assert sorted(path.name for path in place.glob("lib/python*/site-packages/*.dist-info")) == [
        "slurm_tasks-1.0.dist-info",
        "tiny-2.0.dist-info",
    ]
    assert subprocess.check_output([place / "bin" / "tools"]) == b"2.0\n"
    assert {"tiny-tool", "pip"} <= {path.name for path in (place / "bin").iterdir()}
    path = json.loads(
        subprocess.check_output(
            [place / "bin" / "python", "-c", "import json, sys; print(json.dumps(sys.path))"]
        )
    )
    order = [one for one in path if one.startswith(str(installer.base))]
    assert order == [str(next(Path(one).glob("lib/*/site-packages"))) for one in (place, below)]
    Path(below, READY).unlink()
    assert installer.answer(request)["ready"] is False


def test_another_environments_interpreter_makes_another_environment(
    installer: Installer, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True
    )
    other = installer.answer(installer.request(), python=str(tmp_path / "venv" / "bin" / "python"))
    assert other["place"] != installer.answer(installer.request())["place"]


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """What follows a semicolon is a condition to pip, where it is no address."""
    (tmp_path / "semi;touch x # 100%20").mkdir()
    installer = Installer(tmp_path / "semi;touch x # 100%20")
    said = installer.answer(installer.install())
    assert said.get("ready"), said
    inner = os.path.join(said["place"], "bin", "python")
    subprocess.run([inner, "-c", "import tiny, other"], check=True)


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
