"""Packaging as a wheel: found, built and sent once, installed once, and used by jobs."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, Programs, request_of

import slurm
from slurm import Cluster, task
from slurm.config.slurmfile import cluster_settings
from slurm.errors import ConfigError, PackagingError
from slurm.packaging import WheelPackagingStrategy, installer, strategy_of
from slurm.packaging.building import address_of
from slurm.packaging.inherit import VARIABLE
from slurm.packaging.projects import fingerprint, project_of
from slurm.packaging.wheel import READY

TIMEOUT = 200

PROJECT = """\
[project]
name = "tiny-project"
version = "1.2"
[project.scripts]
tiny-tool = "tiny.jobs:main"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.hatch.build.targets.wheel]
packages = ["src/tiny"]
"""
JOBS = """\
import importlib.util, json, os, shutil, sys
from slurm import task, workflow

@task
def where(number):
    return {
        "number": number,
        "file": __file__,
        "prefix": sys.prefix,
        "tool": shutil.which("tiny-tool"),
        "beside": importlib.util.find_spec("pytest").origin,
    }

@task(packaging="inherit")
def named():
    return sys.prefix

@task(packaging="none")
def unpackaged():
    return sys.prefix

@workflow
def inner():
    return where(1).get_result()["prefix"]

@workflow
def flow():
    jobs = [named(), unpackaged(), inner()]
    own = json.loads(os.environ["SLURM_SDK_PACKAGING_CONFIG"])
    return sys.prefix, own, [job.get_result() for job in jobs]

def main():
    print("the tool of tiny")
"""


def write_project(folder: Path) -> Path:
    package = folder / "src" / "tiny"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "jobs.py").write_text(JOBS)
    (folder / "pyproject.toml").write_text(PROJECT)
    return folder


def wheel(
    members: Mapping[str, str],
    *,
    name: str = "tiny",
    pure: bool = True,
    year: int = 2020,
    requires: Sequence[str] = (),
) -> bytes:
    """A wheel file, written by hand."""
    info = f"{name}-1.2.dist-info"
    files = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n"
        + "".join(f"Requires-Dist: {line}\n" for line in requires),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: {str(pure).lower()}\nTag: py3-none-any\n",
    }
    record = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record.append(f"{path},sha256={digest.decode()},{len(text)}\n")
    files[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (year, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


# --- the whole way, with pip, on the local backend -----------------------------------------------


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that has pip and pytest, and that believes to have the project installed already."""
    folder = tmp_path_factory.mktemp("python")
    venv = str(folder / "venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    with zipfile.ZipFile(io.BytesIO(wheel({"tiny/jobs.py": ""}, name="tiny_project"))) as archive:
        archive.extractall(folder / "copy")
    [packages] = (folder / "venv" / "lib").glob("python*/site-packages")
    there = str(Path(pytest.__file__).parents[1])
    (packages / "more.pth").write_text(f"{folder / 'copy'}\n{there}\n")
    return str(folder / "venv" / "bin" / "python")


@pytest.fixture
def tiny(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module with the project's tasks, imported from its sources, and no uv on the PATH."""
    import importlib

    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.syspath_prepend(str(project / "src"))
    yield importlib.import_module("tiny.jobs")
    for name in ("tiny.jobs", "tiny"):
        sys.modules.pop(name, None)


def settings_of(python: str) -> dict[str, Any]:
    return {"python": python, "dependencies": False, "build_isolation": False}


def packaging(python: str) -> dict[str, Any]:
    return {"type": "wheel", **settings_of(python)}


@pytest.mark.story
def test_jobs_run_with_the_project_installed_once(
    local: Cluster, local_base: Path, tiny: Any, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "packaging", packaging(python))
    found = [job.get_result(TIMEOUT) for job in [tiny.where(0), tiny.where(1)]]
    assert [each["number"] for each in found] == [0, 1]
    [address] = (local_base / ".packages").iterdir()
    [environment] = address.glob("env-*")
    assert {each["prefix"] for each in found} == {str(environment)}
    assert {each["tool"] for each in found} == {str(environment / "bin" / "tiny-tool")}
    assert {each["beside"] for each in found} == {pytest.__file__}
    assert Path(found[0]["file"]).is_relative_to(environment)
    assert len(list(address.glob("tiny_project-1.2-*.whl"))) == 1
    for folder in (address.parent, address, environment):
        assert folder.stat().st_mode & 0o777 == 0o700
    # Another client finds it there.
    later = Cluster("local", job_base_dir=local_base, packaging=packaging(python))
    made = (environment / READY).stat().st_mtime_ns
    assert later.submit(tiny.where)(3).get_result(TIMEOUT)["prefix"] == str(environment)
    later.close()
    assert (environment / READY).stat().st_mtime_ns == made


def test_a_workflows_jobs_run_with_what_it_was_built_with(
    local: Cluster, tiny: Any, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = task(packaging=packaging(python))(tiny.where.unwrapped)(0)
    environment = built.get_result(TIMEOUT)["prefix"]
    monkeypatch.setattr(tiny.flow, "packaging", packaging(python))
    job = tiny.flow()
    prefix, own, children = job.get_result(TIMEOUT)
    assert prefix == environment
    assert own == {
        **WheelPackagingStrategy(**settings_of(python)).inherited(),
        "environment": prefix,
    }
    assert children == [environment, sys.prefix, environment]
    written = json.loads(Path(job.job_dir, ".slurm_environment.json").read_text())
    assert written["packaging"] == own


# --- which project -------------------------------------------------------------------------------


def test_the_project_is_the_nearest_above_the_tasks_module(
    tiny: Any, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_project(tmp_path / "other")
    monkeypatch.chdir(other / "src" / "tiny")
    assert project_of(tiny.where.unwrapped, None) == project
    assert project_of(subprocess.run, None) == other
    assert project_of(tiny.where.unwrapped, "../..") == other


def test_no_project_anywhere_is_one_line_that_says_how_to_name_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no pyproject\.toml in .*packaging's project"):
        project_of(subprocess.run, None)
    with pytest.raises(ConfigError, match=r"project 'here': there is no pyproject\.toml in /"):
        project_of(subprocess.run, "here")


def test_a_project_has_changed_when_its_sources_have(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p")
    (project / "flat").mkdir()
    (project / "flat" / "__init__.py").touch()
    (project / "jobs" / "train").mkdir(parents=True)
    states = [fingerprint(project)]
    for changed in ("src/tiny/jobs.py", "src/tiny/new.json", "flat/more.py", "pyproject.toml"):
        (project / changed).write_text("changed")
        states.append(fingerprint(project))
    assert len(set(states)) == 5
    for written in ("jobs/train/script.py", "results.json", "src/tiny/.state", ".git"):
        (project / written).write_text("written")
    (project / "src" / "tiny" / "__pycache__").mkdir()
    (project / "src" / "tiny" / "broken").symlink_to("nowhere")
    assert fingerprint(project) == states[-1]


def test_a_wheels_address_is_that_of_its_content() -> None:
    addresses = {
        address_of(name, wheel({"tiny.py": text}, year=year))
        for name, text, year in [
            ("a", "x", 2020),
            ("a", "x", 2024),
            ("a", "y", 2020),
            ("b", "x", 2020),
        ]
    }
    assert len(addresses) == 3


# --- building, with a uv that hands out what a test wrote ----------------------------------------

UV = """\
# A fake uv: it builds nothing, and hands out the wheels in $HERE/dist.
while [ $# -gt 0 ]; do [ "$1" = --out-dir ] && out=$2; shift; done
cp "$HERE"/dist/*.whl "$out"
"""


@pytest.fixture
def uv(programs: Programs) -> Programs:
    programs.add("uv", UV)
    dist = programs.folder / "dist"
    dist.mkdir()
    (dist / "tiny-1.2-py3-none-any.whl").write_bytes(wheel({"tiny.py": "x = 1"}))
    return programs


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write_project(tmp_path / "it's $(mine)")


@pytest.fixture
def submitted(fake_cluster: Cluster, backend: FakeBackend, mine: Path) -> Any:
    """Dry runs of a task that is packaged as a wheel of `mine`; answers the environment's script."""
    backend.program_answer = (0, b"noise\n/base/.packages/env\n")

    def dry_run(**settings: Any) -> str:
        packaged = task(packaging={"type": "wheel", "project": mine, **settings})(subprocess.run)
        return request_of(fake_cluster, packaged).files["job.sh"].decode()

    return dry_run


def test_the_wheel_is_built_and_sent_once_until_the_project_changes(
    submitted: Any, uv: Programs, mine: Path, backend: FakeBackend, fake_cluster: Cluster
) -> None:
    submitted()
    backend.files["/base/.packages/env/.ready"] = b""
    submitted()
    [build] = uv.calls("uv")
    assert (build[:2], build[-1]) == (["build", "--wheel"], str(mine))
    [sent] = [path for path in backend.files if path.endswith(".whl")]
    folder, name = os.path.split(sent)
    assert os.path.dirname(folder) == f"{fake_cluster.job_base_dir}/.packages"
    assert name == "tiny-1.2-py3-none-any.whl"
    [install] = backend.programs
    assert install[:3] == [sys.executable, "-", sent]
    (mine / "src" / "tiny" / "jobs.py").write_text("changed")
    submitted()
    assert len(uv.calls("uv")) == 2
    assert len(backend.programs) == 1  # with another text, and yet the same wheel
    submitted(dependencies=False, build_isolation=False)
    assert uv.calls("uv")[-1][-2:] == ["--no-build-isolation", str(mine)]
    assert [call[-2] for call in backend.programs] == ["yes", "no"]
    assert len({call[-3] for call in backend.programs}) == 2


def test_an_environment_that_was_removed_is_made_again(
    submitted: Any, uv: Programs, backend: FakeBackend
) -> None:
    submitted()
    submitted()
    assert len(backend.programs) == 2


def test_threads_that_submit_together_build_once(
    submitted: Any, uv: Programs, backend: FakeBackend
) -> None:
    backend.files["/base/.packages/env/.ready"] = b""
    threads = [threading.Thread(target=submitted) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert len(uv.calls("uv")) == len(backend.programs) == 1


def test_the_script_runs_the_environments_python_and_finds_its_programs(
    submitted: Any, uv: Programs
) -> None:
    lines = submitted().splitlines()
    assert lines[-1].startswith("exec /base/.packages/env/bin/python -u ")
    assert 'export VIRTUAL_ENV=/base/.packages/env PATH=/base/.packages/env/bin:"$PATH"' in lines
    # It is not there here: the job says so, and does not start.
    done = subprocess.run(
        ["bash"], input="\n".join(lines), text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "slurm-tasks: the environment /base/.packages/env is not there any more: submit the job again\n"
    )


# --- what goes wrong before anything is submitted ------------------------------------------------


def problem(submitted: Any, **settings: Any) -> str:
    with pytest.raises(PackagingError) as caught:
        submitted(**settings)
    return str(caught.value)


def test_a_build_that_fails_says_why_in_one_line_and_then_shows_its_output(
    submitted: Any, programs: Programs, mine: Path, backend: FakeBackend
) -> None:
    programs.add("uv", "echo Building; echo 'error: no backend' >&2; echo see above; exit 2")
    first, *tail = problem(submitted).splitlines()
    uv = programs.folder / "uv"
    assert first == f"the wheel of {mine} could not be built: {uv} exited with 2: error: no backend"
    assert tail == ["  Building", "  error: no backend", "  see above"]
    assert backend.programs == []


def test_a_build_that_leaves_no_wheel_is_an_error(submitted: Any, programs: Programs) -> None:
    programs.add("uv", "exit 0")
    assert "the build left 0 wheels, not one" in problem(submitted)


def test_an_installation_that_fails_shows_what_was_printed_there(
    submitted: Any, uv: Programs, backend: FakeBackend
) -> None:
    backend.program_answer = (1, b"Collecting numpy\nERROR: no network\n[notice] a new pip\n")
    first, *tail = problem(submitted, python="/opt/python").splitlines()
    assert first == (
        "tiny-1.2-py3-none-any.whl could not be installed on the cluster with /opt/python: "
        "ERROR: no network"
    )
    assert tail[0] == "  Collecting numpy"
    submitted_again = problem(submitted, python="/opt/python")
    assert submitted_again.startswith(first)  # a failure is not remembered


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"pyton": "p"}, ["'wheel'", "did you mean 'python'?"]),
        ({"dependencies": "no"}, ["dependencies 'no' is neither true nor false"]),
        ({"project": 3}, ["project 3 is not text"]),
        ({"environment": ""}, ["environment"]),
    ],
)
def test_settings_that_make_no_sense_are_one_line(settings: Any, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        strategy_of({"type": "wheel", **settings})
    assert all(part in str(caught.value) for part in parts), caught.value
    assert "\n" not in str(caught.value)


def test_a_project_in_a_slurmfile_is_relative_to_it(tmp_path: Path) -> None:
    path = tmp_path / "Slurmfile.toml"
    path.write_text('[default.packaging]\ntype = "wheel"\nproject = "code"\n')
    assert cluster_settings(path).arguments["packaging"]["project"] == str(tmp_path / "code")


def test_what_is_inherited_is_plain_json_and_builds_nothing(
    fake_cluster: Cluster, tmp_path: Path
) -> None:
    config = WheelPackagingStrategy(project=tmp_path, environment="/base/env").inherited()
    assert json.loads(json.dumps(config)) == config
    packaged = task(packaging=config)(subprocess.run)
    assert (
        "exec /base/env/bin/python -u"
        in request_of(fake_cluster, packaged).files["job.sh"].decode()
    )


# --- inside a workflow's job ---------------------------------------------------------------------


def test_the_same_settings_in_a_workflows_job_build_nothing(
    fake_cluster: Cluster, backend: FakeBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script_of(**settings: Any) -> str:
        packaged = task(packaging={"type": "wheel", **settings})(subprocess.run)
        return request_of(fake_cluster, packaged).files["job.sh"].decode()

    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no pyproject\.toml in \S+ or above it: [^;]*$"):
        script_of()
    parent = {**WheelPackagingStrategy().inherited(), "environment": "/base/env"}
    monkeypatch.setenv(VARIABLE, json.dumps(parent))
    assert "exec /base/env/bin/python -u" in script_of()
    with pytest.raises(ConfigError, match=r"no pyproject.*; in a workflow's job, .*'inherit'"):
        script_of(python="/another")
    assert backend.programs == []


# --- the installer, as the cluster runs it -------------------------------------------------------


class Site:
    """A folder `.packages` on a cluster whose Python has no pip."""

    def __init__(self, base: Path, python: str) -> None:
        self.folder = base / ".packages" / "aa"
        self.folder.mkdir(parents=True, mode=0o700)
        base.joinpath(".packages").chmod(0o700)
        self.python = python

    def write(self, content: bytes) -> str:
        path = self.folder / "tiny-1.2-py3-none-any.whl"
        path.write_bytes(content)
        return str(path)

    def start(self, wheel: str, dependencies: str = "no") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.python, installer.__file__, wheel, "key", dependencies, slurm.__version__],
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, wheel: str, dependencies: str = "no") -> tuple[int, str]:
        with self.start(wheel, dependencies) as process:
            output = process.communicate(timeout=TIMEOUT)[0]
        return process.returncode, output.rstrip("\n")


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return str(folder / "bin" / "python")


@pytest.fixture
def site(tmp_path: Path, bare_python: str) -> Site:
    return Site(tmp_path / "a 'base'", bare_python)


def test_several_that_start_together_make_one_environment(site: Site) -> None:
    path = site.write(wheel({"tiny.py": "x = 41 + 1"}))
    processes = [site.start(path) for _ in range(3)]
    outputs = {process.communicate(timeout=TIMEOUT)[0].rstrip("\n") for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    [place] = map(Path, outputs)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert place == site.folder / f"env-{version}-key"
    assert installer.READY == READY
    argv = [str(place / "bin" / "python"), "-c", "import tiny; print(tiny.x)"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout == b"42\n"


def test_what_an_interrupted_installation_left_is_replaced(site: Site) -> None:
    path = site.write(wheel({"tiny.py": ""}))
    code, place = site.run(path)
    assert code == 0
    Path(place, READY).unlink()
    Path(place, "half").touch()
    assert site.run(path) == (0, place)
    assert not Path(place, "half").exists()
    made = Path(place, READY).stat().st_mtime_ns
    assert site.run(path) == (0, place)
    assert Path(place, READY).stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("members", "more", "dependencies", "part"),
    [
        ({}, {"requires": ["numpy>=2"]}, "yes", "has no pip to install numpy>=2 with"),
        ({}, {"pure": False}, "no", "holds more than Python modules"),
        ({"tiny-1.2.data/scripts/run": ""}, {}, "no", "holds more than Python modules"),
    ],
)
def test_what_cannot_be_done_without_pip_is_said_in_one_line(
    members: dict[str, str], more: Any, dependencies: str, part: str, site: Site
) -> None:
    code, output = site.run(site.write(wheel(members, **more)), dependencies)
    assert code == 1
    assert part in output
    assert "\n" not in output
    assert not list(site.folder.glob("env-*"))


def test_what_a_wheel_needs_is_without_extras_and_the_sdk(site: Site) -> None:
    wanted = ["numpy>=2", "slurm-tasks-tools", "slurm", 'tomli; python_version < "3.11"']
    others = ['rich; extra == "more"', "slurm-tasks>=0.1", "Slurm_Tasks[rich]", "slurm-sdk>=0.1"]
    path = site.write(wheel({}, requires=[*wanted, *others]))
    assert installer.required_by(path) == wanted
    code, said = site.run(site.write(wheel({"tiny.py": ""}, requires=others)), "yes")
    assert code == 0, said
    [warning, _] = said.split("\n")
    assert warning == (
        "warning: tiny-1.2-py3-none-any.whl depends on slurm-sdk, another project's package that "
        "brings a `slurm` too: it is left out. The SDK is slurm-tasks, and travels by itself"
    )


@pytest.fixture
def site_with_pip(tmp_path: Path, bare_python: str, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Its pip takes what lies in the folder ``index``, and nothing from a network."""
    import pip

    venv = tmp_path / "with pip"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    [packages] = venv.glob("lib/python*/site-packages")
    (packages / "pip").symlink_to(Path(pip.__file__).parent)
    (tmp_path / "index").mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", (tmp_path / "index").as_uri())
    return Site(tmp_path / "base", str(venv / "bin" / "python"))


def test_the_sdk_is_asked_of_no_index_though_something_depends_on_it(
    site_with_pip: Site, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    needs = ["slurm-tasks[rich]>=0.1", "slurm-sdk"]
    (index / "lab-1.2-py3-none-any.whl").write_bytes(
        wheel({"lab.py": "x = 1"}, name="lab", requires=needs)
    )
    foreign = wheel({"slurm/__init__.py": "foreign = True"}, name="slurm_sdk")
    (index / "slurm_sdk-1.2-py3-none-any.whl").write_bytes(foreign)
    path = site_with_pip.write(wheel({"tiny.py": "import lab"}, requires=["lab", needs[0]]))
    code, said = site_with_pip.run(path, "yes")
    assert code == 0, said
    [warning, place] = said.split("\n")
    assert warning == (
        "warning: what tiny-1.2-py3-none-any.whl depends on brings a package `slurm` of another "
        "project: in the jobs, `import slurm` is the SDK"
    )
    ask = "import importlib.metadata as m, tiny; print(m.version('slurm-tasks'))"
    python = Path(place, "bin", "python")
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == slurm.__version__, done.stderr


def test_what_the_installer_warns_of_is_logged(
    submitted: Any, uv: Programs, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    backend.program_answer = (0, b"noise\nwarning: one\nwarning: two\n/base/.packages/env\n")
    submitted()
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "one",
        "two",
    ]


def test_a_folder_that_others_can_write_to_is_not_trusted(site: Site) -> None:
    path = site.write(wheel({}))
    site.folder.parent.chmod(0o777)
    code, output = site.run(path)
    assert code == 1
    assert (
        output == f"{site.folder.parent} is not a directory that only you can write to: remove it"
    )
