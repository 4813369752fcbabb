"""In which order a job searches for imports, and what it says where another module is found than the client's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.helpers.processes import JobRun, RunJob, RunPython, result_of

from slurm.job_dir.search_path import NODE_PATH, SDK_PATH, OwnModule, digest_of
from slurm.runner.imports import has_namesake

STDLIB = sysconfig.get_path("stdlib")
RESTORED = """
import json, os, queue, sys
from slurm.job_dir.search_path import OwnModule
from slurm.runner.imports import SDK, restore_search_path

entries, own, names = json.loads(sys.argv[1])
at_start = [entry for entry in sys.path if entry != SDK and os.path.exists(entry)]
restore_search_path(entries, {name: OwnModule(*one) for name, one in own.items()})
for name in names:
    __import__(name)
print(json.dumps([sys.path, at_start, SDK, {name: sys.modules[name].__file__ for name in names}]))
"""


class Restored:
    """What a process says whose search path was restored as a job's is."""

    def __init__(self, said: subprocess.CompletedProcess[str]) -> None:
        self.path, self.at_start, self.sdk, self.files = json.loads(said.stdout)
        self.stderr = said.stderr


def restored(
    run_python: RunPython,
    entries: Sequence[str],
    own: Mapping[str, OwnModule] | None = None,
    names: Sequence[str] = (),
) -> Restored:
    given = [list(entries), own or {}, list(names)]
    return Restored(run_python("-c", RESTORED, json.dumps(given)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Modules of names that the standard library has as well; the runner has imported one of them."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("statistics", "queue", "profile"):
        (folder / f"{name}.py").write_text(f"WHERE = 'the project: {name}'\n")
    return folder


def own(folder: Path, *names: str) -> dict[str, OwnModule]:
    files = [folder / f"{name}.py" for name in names]
    return {one.stem: OwnModule(str(one), digest_of(one.read_bytes())) for one in files}


def test_the_nodes_own_directories_stand_where_the_clients_did(
    run_python: RunPython, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("script", "more", "editable")]
    for folder in folders:
        folder.mkdir()
    archive = tmp_path / "code.zip"
    archive.touch()
    script, more, editable = map(str, folders)
    entries = [script, SDK_PATH, more, str(archive), "/is not here", NODE_PATH, editable]
    found = restored(run_python, entries)
    assert found.path[:4] == [script, found.sdk, more, str(archive)]
    behind = [entry for entry in found.at_start if entry not in found.path[:4]]
    assert found.path[4:] == [*behind, editable]


def test_the_projects_module_is_the_one_even_where_the_runner_had_imported_another(
    run_python: RunPython, project: Path
) -> None:
    names = ["statistics", "queue", "profile"]
    found = restored(run_python, [str(project), SDK_PATH, NODE_PATH], own(project, *names), names)
    assert found.files == {name: str(project / f"{name}.py") for name in names}
    assert found.stderr == ""


def test_another_module_than_the_clients_is_said_once(run_python: RunPython, project: Path) -> None:
    """A node that does not see the project finds what has the same name: one line for each that is imported."""
    names = ["statistics", "queue"]
    found = restored(
        run_python, [SDK_PATH, NODE_PATH], own(project, *names, "profile"), [*names, *names]
    )
    assert found.files["statistics"] == f"{STDLIB}/statistics.py"
    told = found.stderr.splitlines()
    assert len(told) == 2
    for name, line in zip(sorted(names), sorted(told)):
        assert line.startswith(
            f"slurm-tasks: the module {name!r} is {STDLIB}/{name}.py here, and not "
        )
        assert str(project / f"{name}.py") in line
        assert "pythonpath" in line


def test_a_copy_of_the_clients_module_is_as_good(
    run_python: RunPython, project: Path, tmp_path: Path
) -> None:
    """On a machine that shares no files, where lines may end in another way."""
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "statistics.py").write_bytes(
        (project / "statistics.py").read_bytes().replace(b"\n", b"\r\n")
    )
    theirs = own(project, "statistics")
    (project / "statistics.py").unlink()
    found = restored(run_python, [SDK_PATH, str(copy), NODE_PATH], theirs, ["statistics"])
    assert found.files["statistics"] == str(copy / "statistics.py")
    assert found.stderr == ""


def test_a_travelled_module_wins_over_one_of_the_nodes_own(project: Path, tmp_path: Path) -> None:
    """Not over one that lies where the user said, nor for a part of a package, which is no use by itself."""
    source = str(project / "statistics.py")
    assert has_namesake("statistics", source, [SDK_PATH, NODE_PATH])
    assert not has_namesake("statistics", source, [SDK_PATH, STDLIB, NODE_PATH])
    assert not has_namesake("statistics", f"{STDLIB}/statistics.py", [NODE_PATH])
    assert not has_namesake("no_such_module", source, [NODE_PATH])
    assert not has_namesake("json.decoder", source, [NODE_PATH])


def test_another_projects_slurm_on_the_path_is_said(
    run_python: RunPython, tmp_path: Path, sdk_directory: Path
) -> None:
    """Another installation of this one is no matter."""
    theirs = tmp_path / "theirs"
    (theirs / "slurm").mkdir(parents=True)
    (theirs / "slurm" / "__init__.py").write_text("foreign = True\n")
    ours = next(one for one in sdk_directory.iterdir() if (one / "slurm").is_dir())
    found = restored(run_python, [SDK_PATH, NODE_PATH, str(ours), str(theirs)], names=["slurm"])
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"slurm-tasks: {theirs}/slurm is another project's package: ")
    assert found.files["slurm"] == f"{found.sdk}/slurm/__init__.py"
    assert restored(run_python, [SDK_PATH, NODE_PATH, str(ours)]).stderr == ""


MEAN = """
import json, subprocess, sys
import statistics
from slurm import task

CHECK = "import statistics, slurm, json; print(json.dumps([statistics.WHERE, slurm.__file__]))"

@task
def where():
    import slurm
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True)
    return statistics.WHERE, json.loads(done.stdout), slurm.__file__, sys.path
"""


def test_a_job_imports_what_the_client_did_and_its_subprocesses_do(
    run_job: RunJob, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "means.py").write_text(MEAN)
    editable = tmp_path / "editable"
    editable.mkdir()
    monkeypatch.setattr(sys, "path", [str(project), *sys.path, str(editable)])
    monkeypatch.delitem(sys.modules, "statistics", raising=False)
    try:
        run: JobRun = run_job(__import__("means").where)
    finally:
        for name in ("means", "statistics"):
            sys.modules.pop(name, None)
    here, (there, their_sdk), sdk, path = result_of(run)
    assert here == there == "the project: statistics"
    assert their_sdk == sdk
    assert path[:2] == [str(project), os.path.dirname(os.path.dirname(sdk))]
    assert path.index(STDLIB) < path.index(str(editable))
    assert run.stderr == ""


def test_cloudpickle_that_is_not_the_package_is_refused(
    tmp_path: Path, run_python: RunPython
) -> None:
    """A file of that name in the project would travel in its place, and the project with it."""
    (tmp_path / "cloudpickle.py").touch()
    done = run_python(
        "-c", "from slurm.packaging.sdk_archive import archive_for; archive_for('/base')", code=1
    )
    assert "cloudpickle.py is not the package cloudpickle" in done.stderr.splitlines()[-1]
