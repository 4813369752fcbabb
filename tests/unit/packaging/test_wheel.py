"""Packaging as a wheel: found, built and sent once, installed once, and used by jobs."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, Programs, request_of
from tests.helpers.installers import FakeInstaller
from tests.helpers.wheels import write_wheel

from slurm import Cluster, task
from slurm.config.slurmfile import cluster_settings
from slurm.errors import ConfigError, PackagingError
from slurm.packaging import WheelPackagingStrategy, strategy_of
from slurm.packaging.environments.installer import READY
from slurm.packaging.inherit import VARIABLE
from slurm.packaging.projects import fingerprint, project_of

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
    older = write_wheel(folder, "tiny_project", "1.2", files={"tiny/jobs.py": ""})
    with zipfile.ZipFile(older) as archive:
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
    packages = local_base / ".packages"
    [environment] = [one for one in (packages / "env").iterdir() if one.is_dir()]
    assert {each["prefix"] for each in found} == {str(environment)}
    assert {each["tool"] for each in found} == {str(environment / "bin" / "tiny-tool")}
    assert {each["beside"] for each in found} == {pytest.__file__}
    assert Path(found[0]["file"]).is_relative_to(environment)
    [wheels] = (packages / "wheels").iterdir()
    assert len(list(wheels.glob("tiny_project-1.2-*.whl"))) == 1
    for folder in (packages, environment.parent, environment):
        assert folder.stat().st_mode & 0o777 == 0o700
    # Another client finds it there.
    later = Cluster("local", job_base_dir=local_base, packaging=packaging(python))
    made = (environment / READY).stat().st_ino
    assert later.submit(tiny.where)(3).get_result(TIMEOUT)["prefix"] == str(environment)
    later.close()
    assert (environment / READY).stat().st_ino == made


@pytest.mark.story
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


# --- building, with a uv that hands out what a test wrote ----------------------------------------

UV = """\
# A fake uv: it builds nothing, and hands out the wheels in $HERE/dist.
while [ $# -gt 0 ]; do [ "$1" = --out-dir ] && out=$2; shift; done
cp "$HERE"/dist/*.whl "$out"
"""


@pytest.fixture
def uv(programs: Programs) -> Programs:
    programs.add("uv", UV)
    hand_out(programs)
    return programs


def hand_out(programs: Programs, **more: Any) -> Path:
    """Have the next build be this wheel."""
    dist = programs.folder / "dist"
    for path in dist.glob("*.whl"):
        path.unlink()
    return write_wheel(dist, "tiny", "1.2", **more)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write_project(tmp_path / "it's $(mine)")


@pytest.fixture
def installer(backend: FakeBackend) -> FakeInstaller:
    return FakeInstaller(backend)


@pytest.fixture
def submitted(fake_cluster: Cluster, installer: FakeInstaller, mine: Path) -> Any:
    """Submits a task that is packaged as a wheel of `mine`; answers the job's script."""

    def submit(**settings: Any) -> str:
        packaged = task(packaging={"type": "wheel", "project": mine, **settings})(subprocess.run)
        return request_of(fake_cluster, packaged).files["job.sh"].decode()

    return submit


def test_the_wheel_is_built_and_sent_once_until_the_project_changes(
    submitted: Any, uv: Programs, mine: Path, backend: FakeBackend, installer: FakeInstaller
) -> None:
    submitted()
    submitted()
    [build] = uv.calls("uv")
    assert (build[:2], Path(build[-1]).name) == (["build", "--wheel"], mine.name)
    [request] = installer.made
    assert backend.programs[0] == [sys.executable, "-"]
    assert request["wheel"] == "tiny-1.2-py3-none-any.whl"
    assert request["origin"] == str(mine)
    pip, sent = backend.copies[request["wheels"]]
    assert (pip[:4], sent) == ("pip-", request["wheel"])
    asked = installer.asked
    (mine / "src" / "tiny" / "jobs.py").write_text("changed")
    submitted()
    assert len(uv.calls("uv")) == 2
    assert installer.asked == asked  # with another text, and yet the same wheel
    submitted(dependencies=False, build_isolation=False)
    assert uv.calls("uv")[-1][-2] == "--no-build-isolation"
    hand_out(uv, files={"tiny.py": "edited"})
    (mine / "src" / "tiny" / "jobs.py").write_text("changed again")
    submitted()
    assert len(installer.made) == 2


def test_what_the_wheel_requires_is_below_it_and_stays_when_the_project_is_edited(
    submitted: Any, uv: Programs, mine: Path, installer: FakeInstaller
) -> None:
    needs = ["numpy>=2", 'jax; extra == "gpu"', 'tomli; python_version < "3.11"', "slurm-tasks"]
    hand_out(uv, requires=needs, more="Provides-Extra: gpu\n")
    submitted()
    below, own = installer.made
    assert below["requirements"].splitlines() == ["numpy>=2", 'tomli; python_version < "3.11"']
    assert below["complete"] is False
    assert below["key"] == own["below"]
    hand_out(uv, requires=needs, more="Provides-Extra: gpu\n", files={"tiny.py": "edited"})
    (mine / "src" / "tiny" / "jobs.py").write_text("edited")
    submitted()
    edited = installer.made[-1]
    assert len(installer.made) == 3
    assert (edited["below"], edited["key"] != own["key"]) == (own["below"], True)
    submitted(extras=["gpu"])
    assert installer.made[3]["requirements"].splitlines()[:2] == ["numpy>=2", "jax"]
    with pytest.raises(ConfigError, match=r"has no extra 'cpu'; it has \['gpu'\]"):
        submitted(extras=["cpu"])
    submitted(dependencies=False)
    assert installer.made[-1]["below"] is None


def test_the_projects_lock_file_counts_before_what_its_wheel_says(
    submitted: Any, uv: Programs, mine: Path, installer: FakeInstaller
) -> None:
    hand_out(uv, requires=["numpy>=2"])
    (mine / "requirements.txt").write_text(
        "numpy==2.1 --hash=sha256:00\nslurm-tasks==1 --hash=sha256:00\n"
    )
    submitted()
    below = installer.made[0]
    assert below["requirements"] == "numpy==2.1 --hash=sha256:00\n"
    assert below["complete"] is True
    assert below["origin"] == str(mine / "requirements.txt")


def test_an_environment_that_was_removed_is_made_again(
    submitted: Any,
    uv: Programs,
    fake_cluster: Cluster,
    backend: FakeBackend,
    installer: FakeInstaller,
) -> None:
    """A submission looks whether it is there, and has what is gone forgotten."""
    hand_out(uv, requires=["numpy"])
    submitted()
    below, own = [path for path in backend.files if path.endswith(READY)]
    for gone in (below, own):
        del backend.files[gone]
        WheelPackagingStrategy().forget([gone], fake_cluster)
        submitted()
        assert {below, own} <= set(backend.files)
    assert len(installer.made) == 4


def test_threads_that_submit_together_build_once(
    submitted: Any, uv: Programs, installer: FakeInstaller
) -> None:
    threads = [threading.Thread(target=submitted) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert len(uv.calls("uv")) == len(installer.made) == 1


def test_what_is_submitted_again_takes_no_question_of_its_own(
    submitted: Any, uv: Programs, mine: Path, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    hand_out(uv, requires=["numpy"])
    submitted()
    backend.reads.clear()
    programs = len(backend.programs)
    packaged = task(packaging={"type": "wheel", "project": mine})(subprocess.run)
    needed = request_of(fake_cluster, packaged).needed
    assert sorted(needed) == sorted(path for path in backend.files if path.endswith(READY))
    assert (backend.reads, len(backend.programs)) == ([], programs)


def test_the_script_runs_the_environments_python_and_finds_its_programs(
    submitted: Any, uv: Programs, backend: FakeBackend, tmp_path: Path
) -> None:
    script: str = submitted()
    [ready] = [path for path in backend.files if path.endswith(READY)]
    place = Path(ready).parent
    lines = script.splitlines()
    assert lines[-1].startswith(f"exec {place}/bin/python -u ")
    assert f'export VIRTUAL_ENV={place} PATH={place}/bin:"$PATH"' in lines

    def said() -> str:
        """What the job says, which does not start."""
        done = subprocess.run(["bash"], input=script.encode(), capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (1, b"")
        return done.stderr.decode()

    assert said() == (
        f"slurm-tasks: the environment {place} is not there any more: submit the job again\n"
    )
    place.mkdir(parents=True)
    (place / READY).touch()
    (place / "below").symlink_to(tmp_path / "gone")
    assert said() == f"slurm-tasks: {place}/below is not there any more: submit the job again\n"


# Builds as setuptools does: beside the sources, and what is there already is taken as well.
BESIDE = """\
for project; do :; done
mkdir -p "$project/build/lib" "$project/src/tiny.egg-info"
cp -r "$project/src/tiny" "$project/build/lib"
ls "$project/build/lib/tiny" > "$HERE/built"
"""


def test_a_removed_module_is_gone_and_a_build_leaves_nothing_in_the_project(
    submitted: Any, uv: Programs, mine: Path
) -> None:
    uv.add("uv", BESIDE + UV)
    gone = mine / "src" / "tiny" / "gone.py"
    gone.touch()
    before = sorted(mine.rglob("*"))
    submitted()
    assert (uv.folder / "built").read_text().split() == ["__init__.py", "gone.py", "jobs.py"]
    assert sorted(mine.rglob("*")) == before
    gone.unlink()
    submitted()
    assert (uv.folder / "built").read_text().split() == ["__init__.py", "jobs.py"]


def editing(mine: Path, times: int) -> str:
    """A uv during whose first builds the project is edited."""
    edited = shlex.quote(str(mine / "src" / "tiny" / "jobs.py"))
    return (
        f'[ "$(wc -l < "$HERE/uv.calls")" -gt {times} ] || echo "# edited" >> {edited}\n'
        f'for project; do :; done; cp "$project/src/tiny/jobs.py" "$HERE/built"\n{UV}'
    )


def test_an_edit_during_a_build_is_in_the_next_wheel(
    submitted: Any, uv: Programs, mine: Path
) -> None:
    """And not kept as that of before: what is built is a copy."""
    source = mine / "src" / "tiny" / "jobs.py"
    before = source.read_text()
    uv.add("uv", editing(mine, 1))
    submitted()
    assert (uv.folder / "built").read_text() == before
    submitted()
    assert len(uv.calls("uv")) == 2
    assert (uv.folder / "built").read_text() == source.read_text() != before


def test_a_project_that_is_written_to_all_the_time_is_built(
    submitted: Any, uv: Programs, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that notes in it how far it is: what is built then is not kept for others."""
    states = (str(number) for number in range(100))
    monkeypatch.setattr("slurm.packaging.wheels.building.state_of", lambda project: next(states))
    submitted()
    assert len(uv.calls("uv")) == 1


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
    submitted: Any, uv: Programs, installer: FakeInstaller
) -> None:
    installer.error = "Processing tiny\nERROR: no room\n[notice] a new pip\n"
    first, *tail = problem(submitted, python="/opt/python").splitlines()
    assert first == (
        "tiny-1.2-py3-none-any.whl could not be installed on the cluster with /opt/python: ERROR: no room"
    )
    assert tail[0] == "  Processing tiny"
    submitted_again = problem(submitted, python="/opt/python")
    assert submitted_again.startswith(first)  # a failure is not remembered


def test_where_no_index_answers_the_way_out_is_said(
    submitted: Any, uv: Programs, installer: FakeInstaller
) -> None:
    hand_out(uv, requires=["numpy"])
    installer.error = "WARNING: Retrying (Retry(total=4)) after connection broken\nERROR: no numpy"
    said = problem(submitted)
    assert "the index does not answer on the cluster" in said
    assert 'dependencies = "send"' in said
    assert "\n" not in said


@pytest.mark.local
@pytest.mark.parametrize(
    ("version", "abi", "about", "parts"),
    [
        (
            (3, 9, 2),
            "cp39",
            {"tag": "cp311-cp311-linux_x86_64"},
            ["compiled for cp311-cp311-linux_x86_64", "is Python 3.9 on", "submit with Python 3.9"],
        ),
        (
            (3, 9, 2),
            "cp39",
            {"more": "Requires-Python: >=3.10\n"},
            ["requires Python >=3.10", "on the cluster is 3.9.2", "change requires-python"],
        ),
    ],
)
def test_a_wheel_that_the_python_there_cannot_have_is_refused_before_anything_is_sent(
    submitted: Any,
    uv: Programs,
    backend: FakeBackend,
    installer: FakeInstaller,
    version: tuple[int, ...],
    abi: str,
    about: dict[str, str],
    parts: list[str],
) -> None:
    hand_out(uv, requires=["numpy"], **about)
    installer.facts.update(version=version, abi=abi, platform="linux-x86_64")
    with pytest.raises(ConfigError) as caught:
        submitted(python="/opt/python3")
    said = str(caught.value)
    ways = "name another interpreter there with the packaging's python, or "
    assert [one for one in [*parts, "/opt/python3 on the cluster", ways] if one not in said] == []
    assert "\n" not in said
    assert (installer.made, backend.copies) == ([], {})


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"pyton": "p"}, ["'wheel'", "did you mean 'python'?"]),
        ({"dependencies": "no"}, ["dependencies 'no'", "'send' or 'index', or false"]),
        ({"dependencies": 1}, ["dependencies 1"]),
        ({"extras": "gpu"}, ["extras is a list of names"]),
        ({"dependencies": False, "extras": ["gpu"]}, ["of no use without dependencies"]),
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


# --- another project's slurm ---------------------------------------------------------------------


def test_another_projects_slurm_is_left_out_and_said(
    submitted: Any, uv: Programs, installer: FakeInstaller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    needs = ["lab", "Slurm_Tasks[rich]>=0.1", "slurm-sdk>=0.1", "slurm-tasks-tools", "slurm"]
    hand_out(uv, requires=needs)
    installer.foreign = True
    submitted()
    submitted()
    assert installer.made[0]["requirements"].split() == ["lab", "slurm-tasks-tools", "slurm"]
    left_out, brought = [record.getMessage() for record in caplog.records]
    assert left_out == (
        "tiny-1.2-py3-none-any.whl depends on slurm-sdk, another project's package that brings a `slurm` too: it is "
        "left out. The SDK is slurm-tasks, and travels by itself"
    )
    assert brought == (
        "what tiny-1.2-py3-none-any.whl requires brings a package `slurm` of another project: in the jobs, "
        "`import slurm` is the SDK"
    )
