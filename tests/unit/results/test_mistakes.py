"""What people see of their mistakes: every row of the page is made, those of a real Slurm in tests/slurm."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.helpers.fakes import FakeBackend, job_on
from tests.helpers.mistakes import (
    OUR_FRAME,
    OURS,
    Mistake,
    Session,
    assert_no_frame_of_ours,
    assert_same,
    assert_shown,
    rows,
)

from slurm import Cluster
from slurm.api.local import LocalBackend


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
