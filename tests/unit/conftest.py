"""Shared by the tests of one part: a clean environment, fake Slurm programs, a fake backend, real job runs."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from tests.helpers.channels import AGENT, Open
from tests.helpers.fakes import DEADLINE, FakeBackend, Programs, assert_ended, job_on, request_of
from tests.helpers.local_site import Site
from tests.helpers.prepared import PreparedPython
from tests.helpers.printed_json import hold_to_schemas
from tests.helpers.processes import JobRun, RunJob, RunPython, execute
from tests.helpers.scheduler_on_disk import SchedulerOnDisk

from slurm import Cluster, Job
from slurm.agent.agent import Agent
from slurm.api.local import LocalBackend
from slurm.api.slurm_cli import InProcessBackend, SlurmCliBackend
from slurm.api.transport import Channel
from slurm.job_dir.paths import SDK
from slurm.testing.plugin import FIXTURES

HELPERS = Path(__file__).parents[1] / "helpers"

# A few examples of each property, the same in every run, or many: `make test-stories` takes the full number. There is
# no clock: a busy machine is no failure.
for profile, examples in {"fast": 15, "full": 200}.items():
    hypothesis.settings.register_profile(
        profile, deadline=None, derandomize=True, database=None, max_examples=examples
    )
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


# --- what belongs to the unit tier ---------------------------------------------------------------

LOCAL = frozenset(
    {"fake_slurm", "local_base", "make_site", "prepared_python", "roomy", "run_python"}
)
ALONE: list[pytest.Item] = []


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test that asks for jobs or programs of this machine. One of the cluster is elsewhere: here nobody looks."""
    asked = frozenset(getattr(item, "fixturenames", ()))
    if asked & FIXTURES or item.get_closest_marker("slurm"):
        raise pytest.UsageError(f"{item.nodeid} needs the cluster: it belongs in tests/slurm")
    if asked & LOCAL:
        item.add_marker("local")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Watch a test of the unit tier, which is alone in its process."""
    if not any(mark.name in ("local", "story") for mark in item.iter_markers()):
        ALONE.append(item)
    try:
        yield
    finally:
        ALONE.clear()


def refuse_python(event: str, arguments: tuple[Any, ...]) -> None:
    """Fail a test that starts Python without the marker for that: each start takes as long as twenty tests."""
    if not ALONE or event != "subprocess.Popen":
        return
    is_python = os.path.basename(os.fsdecode(arguments[0])).startswith("python")
    if is_python and threading.current_thread() is threading.main_thread():
        pytest.fail(f"{ALONE[0].name} starts Python: it needs the marker local")


sys.addaudithook(refuse_python)


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No surrounding job, nobody's Slurmfile, and no cache of the user's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in os.environ:
        if name.startswith(("SLURM", "SBATCH", "SQUEUE", "SACCT")) or name == "JOB_DIR":
            monkeypatch.delenv(name)


# --- programs on the PATH ------------------------------------------------------------------------


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """A folder of fake programs at the front of the PATH."""
    made = Programs(tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


@pytest.fixture
def slurm(programs: Programs) -> SlurmCliBackend:
    """A backend over fake programs: nothing is queued and accounting knows nothing, unless a test says so."""
    programs.add("squeue", "cat $HERE/queue 2>/dev/null; exit 0")
    programs.add("sacct", "cat $HERE/accounts 2>/dev/null; exit 0")
    backend = SlurmCliBackend()
    backend.agent.scheduler.search_pauses = ()
    return backend


@pytest.fixture
def run_python(tmp_path: Path) -> RunPython:
    """Run this interpreter with the arguments given; ``code=`` is the exit status expected."""

    def run(*arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=tmp_path,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


# --- a fake backend, for what stands above backends ----------------------------------------------


@pytest.fixture
def backend() -> FakeBackend:
    """A `FakeBackend`, the one under `fake_cluster`."""
    return FakeBackend()


@pytest.fixture
def fake_cluster(tmp_path: Path, backend: FakeBackend) -> Iterator[Cluster]:
    """A cluster over the fake backend; it asks the scheduler every few milliseconds."""
    cluster = Cluster(
        backend, job_base_dir=tmp_path / "jobs", poll_interval_min=0.01, poll_interval_max=0.02
    )
    yield cluster
    cluster.close()


@pytest.fixture
def patient_cluster(tmp_path: Path, backend: FakeBackend) -> Iterator[Cluster]:
    """A cluster that asks the scheduler once in ten minutes by itself."""
    cluster = Cluster(
        backend, job_base_dir=tmp_path, poll_interval_min=600.0, poll_interval_max=600.0
    )
    yield cluster
    cluster.close()


@pytest.fixture
def job(fake_cluster: Cluster, backend: FakeBackend) -> Job[Any]:
    """A running job."""
    backend.say("7", "RUNNING")
    return job_on(fake_cluster, "7")


# --- real runs of a job directory ----------------------------------------------------------------


@pytest.fixture(scope="session")
def prepared_python(sdk_directory: Path) -> Iterator[PreparedPython]:
    """A Python that has the runner of `sdk_directory` at hand."""
    [sdk] = [path for path in sdk_directory.iterdir() if path.is_dir()]
    python = PreparedPython(sdk)
    yield python
    python.close()


@pytest.fixture
def run_job(fake_cluster: Cluster, sdk_directory: Path, prepared_python: PreparedPython) -> RunJob:
    """Write the files of a job and run its job.sh: ``run_job(task, *args, env={...}, **kwargs)``."""
    base = Path(fake_cluster.job_base_dir)
    base.mkdir(parents=True)
    (base / SDK).symlink_to(sdk_directory)

    def run(task: Any, *args: Any, env: Mapping[str, str] | None = None, **kwargs: Any) -> JobRun:
        request = request_of(fake_cluster, task, *args, **kwargs)
        return JobRun(request, execute(request, env or {}, prepared_python))

    return run


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `node_tasks`, importable by its own name here and on the node."""
    monkeypatch.syspath_prepend(str(HELPERS))
    return importlib.import_module("node_tasks")


# --- agents and channels -------------------------------------------------------------------------


@pytest.fixture
def agent() -> Agent:
    """An agent that is asked about files only."""
    return Agent(scheduler=object())


@pytest.fixture
def files(agent: Agent) -> InProcessBackend:
    """A backend over `agent`."""
    return InProcessBackend(agent)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Where jobs are kept; not there yet."""
    return tmp_path / "jobs"


@pytest.fixture
def scheduler(tmp_path: Path) -> SchedulerOnDisk:
    """A fake scheduler that several processes may share."""
    return SchedulerOnDisk(tmp_path / "queue")


@pytest.fixture
def channel_to() -> Iterator[Open]:
    """Opens channels; whatever happens to them, no thread, process or pipe may be left."""
    before = set(threading.enumerate())
    with contextlib.ExitStack() as stack:

        def open_channel(argv: list[str] = AGENT, connect_timeout: float = DEADLINE) -> Channel:
            channel = Channel.opened(argv, target="login", connect_timeout=connect_timeout)
            stack.callback(channel.close)
            return channel

        yield open_channel
    gc.collect()  # an unclosed pipe is a ResourceWarning, and warnings are errors
    assert_ended(set(threading.enumerate()) - before)


@pytest.fixture(scope="module")
def local_base(
    tmp_path_factory: pytest.TempPathFactory, lend_sdk: Callable[[Path], None]
) -> Iterator[Path]:
    """One local scheduler for a module, under a path that needs quoting."""
    folder = tmp_path_factory.mktemp("it's a $(base)") / "jobs"
    lend_sdk(folder)
    yield folder
    if folder.exists():
        LocalBackend(state_dir=str(folder / ".local")).shutdown(kill_jobs=True)


@pytest.fixture
def local(local_base: Path) -> Iterator[Cluster]:
    """A cluster of real processes, active: tasks that a test calls are submitted to it."""
    cluster = Cluster("local", job_base_dir=local_base, max_cpus=4)
    with cluster:
        yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A local scheduler with room for every job, shared by the tests of a module."""
    site = Site(tmp_path_factory.mktemp("roomy"), max_cpus=64, max_mem=64 * 1024)
    site.submit("true")  # it begins with these bounds, whichever test is first
    yield site
    site.close()


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes local schedulers for one test: ``make_site(max_cpus=1)``."""
    with contextlib.ExitStack() as stack:

        def make(base: Path = tmp_path, **settings: Any) -> Site:
            site = Site(base, **settings)
            stack.callback(site.close)
            return site

        yield make


@pytest.fixture(autouse=True)
def printed_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command prints with ``--json`` is as its schema says, in every test."""
    hold_to_schemas(monkeypatch)
