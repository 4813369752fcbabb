"""What people see of their mistakes: the page ``docs/reference/mistakes.md`` is the table, and every row of it is made.

A ``python`` block after ``<!-- mistake: KIND -->`` is typed, the ``text`` block after it is what is shown then; ``...``
there stands for anything on one line. Of a program that is all that it writes, else the traceback's last lines.
"""

from __future__ import annotations

import gc
import importlib
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.helpers.fakes import FakeBackend, job_on

import slurm
from slurm import Cluster
from slurm.api.local import LocalBackend
from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED

PAGE = Path(__file__).parents[3] / "docs/reference/mistakes.md"
ROW = re.compile(
    r"^<!-- mistakes?: (?P<kind>[^\n]+) -->\n```python\n(?P<typed>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
OURS = f"{Path(slurm.__file__).parent}{os.sep}"
MARKERS = re.compile(r"\s*[~^]+\s*")
# What a Python before 3.11 shows of `UsersFrames` itself.
OUR_FRAME = re.compile(rf'^  File "{re.escape(OURS)}.*\n    .*\n', re.MULTILINE)


class Mistake(NamedTuple):
    """A row of the page."""

    kind: str
    typed: str
    shown: str


TABLE = [
    Mistake(*(match[name] or "" for name in Mistake._fields))
    for match in ROW.finditer(PAGE.read_text("utf-8"))
]
[BEFORE] = [row.typed for row in TABLE if row.kind == "before"]


def rows(kind: str) -> pytest.MarkDecorator:
    """The rows of a kind, as parameters of a test."""
    found = [row for row in TABLE if row.kind.partition(" ")[0] == kind]
    assert found, f"the page has no mistakes of the kind {kind}"
    return pytest.mark.parametrize("row", found, ids=lambda row: row.typed.splitlines()[-1][:60])


class Session:
    """Types rows one after the other, as into one prompt; what stands before them all is a module in `folder`."""

    def __init__(self, folder: Path, **names: Any) -> None:
        (folder / "before_mistakes.py").write_text(BEFORE)
        module = importlib.import_module("before_mistakes")
        self.names: dict[str, Any] = {**vars(module), "__name__": "typed", **names}

    def error_of(self, typed: str) -> Exception:
        """What the lines raise."""
        with pytest.raises(Exception) as raised:  # noqa: PT011 - the page says which
            exec(compile(typed, "<typed>", "exec"), self.names)  # noqa: S102 - the page's own lines
        return raised.value


def assert_shown(row: Mistake, error: Exception) -> None:
    """The error's own lines are those of the page."""
    assert_same(row, "".join(traceback.format_exception_only(type(error), error)))


def assert_same(row: Mistake, written: str) -> None:
    wanted = [re.escape(line).replace(re.escape("..."), ".*") for line in row.shown.splitlines()]
    lines = [line.rstrip() for line in written.splitlines() if not MARKERS.fullmatch(line)]
    shown = "\n".join(lines)
    assert re.fullmatch("\n".join(wanted), shown), shown


def assert_no_frame_of_ours(error: Exception) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(OURS)]
    assert frames
    assert sys.version_info < (3, 11) or not ours, ours
    assert sys.version_info < (3, 11) or (
        f'File "{OURS}' not in "".join(traceback.format_exception(error))
    )


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One prompt for all rows."""
    folder = tmp_path_factory.mktemp("session")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        gc.freeze()  # what was there before is not gone through again for each row
        yield Session(folder)


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, lend_sdk: Callable[[Path], None]
) -> Iterator[Path]:
    """A home directory; the local schedulers that are started under it are ended."""
    folder = tmp_path_factory.mktemp("home")
    bases = [folder / name for name in ("slurm_jobs", "jobs")]
    for base in bases:
        lend_sdk(base)
    yield folder
    for base in bases:
        LocalBackend(state_dir=str(base / ".local")).shutdown(kill_jobs=True)


@pytest.fixture
def scratch(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`home`, in which all happens."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    return home


# --- in this process ---------------------------------------------------------------------------------


# Files and sockets that a row opens are closed when it is forgotten: before the test ends.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("local", "scratch")
@rows("inside")
def test_inside_of_a_context(row: Mistake, session: Session) -> None:
    error = session.error_of(row.typed)
    assert_shown(row, error)
    assert_no_frame_of_ours(error)
    del error
    gc.collect()


@pytest.mark.local
@rows("outside")
def test_outside_of_a_context(
    row: Mistake, session: Session, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "without Slurm" in row.typed:
        monkeypatch.setenv("PATH", str(scratch))
    error = session.error_of(row.typed)
    assert_shown(row, error)
    assert_no_frame_of_ours(error)


@rows("without")
def test_without_what_an_extra_brings(
    row: Mistake, session: Session, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = row.kind.partition(" ")[2]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    error = session.error_of(row.typed)
    assert_shown(row, error)
    assert_no_frame_of_ours(error)


@rows("ended")
def test_a_job_that_the_scheduler_ended(
    row: Mistake, session: Session, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    _, state, code = row.kind.split()
    backend.files["/jobs/7/job.sh"] = b"#!/bin/bash\n#SBATCH --mem=1G\n#SBATCH --time=00:10:00\n"
    usage = {
        "JobID": "7",
        "State": state,
        "ExitCode": code,
        "Elapsed": "00:10:00",
        "NodeList": "c1",
    }
    backend.usage = lambda job_ids: [usage]
    backend.say("7", state, source="sacct", exit_code=code, node="c1")
    session.names["job"] = job_on(fake_cluster, "7")
    error = session.error_of(row.typed)
    assert_shown(row, error)
    assert_no_frame_of_ours(error)


# --- programs ----------------------------------------------------------------------------------------


@pytest.mark.local
@rows("script")
def test_all_that_a_program_writes(row: Mistake, scratch: Path) -> None:
    (scratch / "Slurmfile.toml").write_text('[default.cluster]\nbackend = "local"\n')
    program = scratch / "program.py"
    program.write_text(row.typed)
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 1
    written = done.stdout + done.stderr
    assert sys.version_info < (3, 11) or f'File "{OURS}' not in written, written
    assert_same(row, OUR_FRAME.sub("", written) if sys.version_info < (3, 11) else written)


PYTEST = """
from slurm import Cluster, task

@task(time="00:05:00")
def reciprocal(number):
    return 1 / number

def test_half():
    with Cluster("local"):
        assert reciprocal(0).get_result() == 2
"""


@pytest.mark.story
def test_pytest_shows_the_tests_own_line(scratch: Path) -> None:
    (scratch / "test_half.py").write_text(PYTEST)
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_half.py"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 1, done.stdout
    assert ">           assert reciprocal(0).get_result() == 2" in done.stdout
    assert "    return 1 / number" in done.stdout
    assert done.stdout.count("E           ZeroDivisionError: division by zero") == 1
    assert sys.version_info < (3, 11) or OURS not in done.stdout


# --- on a real Slurm ---------------------------------------------------------------------------------


@rows("slurm")
def test_on_a_cluster(row: Mistake, session: Session, slurm_cluster: DockerCluster) -> None:
    session.names["slurmfile"] = slurm_cluster.slurmfile
    with Cluster.from_env(slurm_cluster.slurmfile) as cluster:
        error = session.error_of(row.typed)
    cluster.close()
    assert_shown(row, error)
    assert_no_frame_of_ours(error)


@pytest.fixture(scope="module")
def enforcing_cluster(pytestconfig: pytest.Config) -> DockerCluster:
    """One on which users may charge one account, and a partition's limits are held when a job is submitted."""
    settings = {"AccountingStorageEnforce": "associations,limits,qos", "EnforcePartLimits": "ALL"}
    shared = replace(
        pytestconfig.stash[SHARED], purpose="enforcing", options={"settings": settings}
    )
    cluster = shared.bring_up()
    for argv in (
        ["sacctmgr", "-i", "add", "account", "physics"],
        ["sacctmgr", "-i", "add", "user", "dev", "account=physics"],
        ["scontrol", "create", "partition=short", "nodes=c1", "maxtime=10", "state=up"],
    ):
        cluster.exec("slurmctld", argv, check=False)  # a cluster that was kept has them
    return cluster


@pytest.mark.slurm
@rows("enforcing")
def test_on_a_cluster_that_enforces(
    row: Mistake, session: Session, enforcing_cluster: DockerCluster
) -> None:
    with Cluster.from_env(enforcing_cluster.slurmfile) as cluster:
        error = session.error_of(row.typed)
    cluster.close()
    assert_shown(row, error)
    assert_no_frame_of_ours(error)
