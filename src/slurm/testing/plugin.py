"""The pytest plugin: tests that submit to a real Slurm.

::

    def test_a_job_runs(cluster):  # a slurm.Cluster, connected through ssh
        with cluster:
            assert double(21).get_result() == 42

    def test_what_happens_without_a_controller(disturbed_cluster):  # one to break, healed afterwards
        disturbed_cluster.kill("slurmctld")

    def test_what_is_said_of_a_job_that_waits(fake_slurm):  # fakes of Slurm's commands, without Docker
        fake_slurm.say(7, "PENDING", reason="Priority")

Loaded through the entry point ``pytest11``. Docker is not touched before a test asks for a cluster;
such tests carry the marker ``slurm``.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from slurm.testing import releases
from slurm.testing.command_options import release_of
from slurm.testing.errors import ClusterError
from slurm.testing.shape_files import PROJECT_MOUNT
from slurm.testing.shape_options import (
    EDITABLE,
    SHAPE_OPTIONS,
    ShapeOption,
    merged,
    shape_arguments,
)
from slurm.testing.shape_text import truth
from slurm.testing.sharing import SharedCluster, kept_of, take_down_kept

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.testing.docker_cluster import DockerCluster
    from slurm.testing.fake_slurm import FakeSlurm
    from slurm.testing.node_commands import ExecCommands, SshCommands
    from slurm.testing.rest import RestService

SHARED = pytest.StashKey[SharedCluster]()
DISTURBED = pytest.StashKey[SharedCluster]()
# What is dead, deaf or old is noticed in seconds, and the shared volume can be filled, unless the user says otherwise.
DISTURBED_OPTIONS: dict[str, Any] = {
    "settings": {"SlurmdTimeout": 20, "MessageTimeout": 5, "MinJobAge": 5},
    "shared_size": "96m",
}
ROOM_FOR_PACKAGES = "2g"
SECTION = "slurm cluster"
RELEASE_HELP = (
    f"the Debian release that picks Slurm's version: {releases.listed()} "
    f"(DEBIAN_RELEASE, that of the ini file, or {releases.DEFAULT})"
)
FIXTURES = frozenset({"slurm_cluster", "disturbed_cluster"})


class MountedProject(NamedTuple):
    """A project on the cluster: its root `here`, its root `there`, and the Python there that can import it."""

    here: Path
    there: str
    python: str


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--slurm-keep``, ``--slurm-down``, ``--slurm-release``, and what the cluster is to be like."""
    group = parser.getgroup("slurm", "a real Slurm in Docker")
    group.addoption(
        "--slurm-keep",
        action="store_const",
        const=True,
        help="leave the cluster running after the tests; the next runs use it again",
    )
    parser.addini("slurm_keep", "whether the cluster stays after the tests; as --slurm-keep")
    group.addoption(
        "--slurm-down",
        action="store_true",
        help="remove the clusters that --slurm-keep has kept, and run no tests",
    )
    group.addoption("--slurm-release", metavar="NAME", help=RELEASE_HELP)
    parser.addini("slurm_release", f"{RELEASE_HELP}; as --slurm-release")
    for one in SHAPE_OPTIONS:
        name = f"--slurm-{one.option}"
        group.addoption(name, dest=f"slurm_{one.argument}", default=None, **one.of_argparse)
        kind: Any = "linelist" if one.is_list else "string"
        parser.addini(f"slurm_{one.argument}", f"{one.help}; as {name}", type=kind)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Do what ``--slurm-down`` says, in place of running tests."""
    if not config.getoption("--slurm-down"):
        return None
    try:
        gone = take_down_kept(config.rootpath)
    except ClusterError as error:
        print(f"{SECTION}: {error}", file=sys.stderr)
        return 1
    for name in gone:
        print(f"The cluster {name} is gone.")
    if not gone:
        print(f"No cluster was kept for the tests in {config.rootpath}.")
    return 0


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and name the cluster of this run."""
    config.addinivalue_line("markers", "slurm: needs the dockerised Slurm cluster")
    # Wherever it was said: tests ask for the option.
    config.option.slurm_release = (
        release_of(config.getoption("--slurm-release"))
        or config.getini("slurm_release")
        or releases.DEFAULT
    )
    run = getattr(config, "workerinput", {}).get("slurm_run") or [
        secrets.token_hex(4),
        os.getpid(),
        [folder.name for folder in kept_of(config.rootpath)],
    ]
    shared = SharedCluster(
        root=config.rootpath,
        run_id=run[0],
        owner=run[1],
        release=config.option.slurm_release,
        keep=_keep(config),
        options=_shape(config),
        kept=frozenset(run[2]),
    )
    config.stash[SHARED] = shared
    purpose = "disturbed" + os.environ.get("PYTEST_XDIST_WORKER", "")
    config.stash[DISTURBED] = replace(shared, purpose=purpose, options=disturbed(shared.options))


def disturbed(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the cluster that is broken is like where the other one is like `options`: what the user said of that holds here, too.

    But it has no emulated nodes: they are slow to start and to answer, and here a node that answers late is one that is dead.

    >>> disturbed({"settings": {"SlurmdTimeout": "60"}, "emulated_nodes": 1000})["settings"]["SlurmdTimeout"]
    '60'
    """
    small = dict(DISTURBED_OPTIONS)
    if {EDITABLE, "requirements"} & {*options}:
        small["shared_size"] = ROOM_FOR_PACKAGES
    return {**merged(small, options), "emulated_nodes": 0}


def _keep(config: pytest.Config) -> bool:
    typed, written = config.getoption("--slurm-keep"), config.getini("slurm_keep")
    try:
        return bool(typed) or bool(written and truth(written, "slurm_keep"))
    except ClusterError as error:
        raise pytest.UsageError(f"{SECTION}: {error}") from None


def _shape(config: pytest.Config) -> dict[str, Any]:
    """What was said of the cluster, on the command line or else in the ini file."""

    def given(one: ShapeOption) -> Any:
        typed = config.getoption(f"slurm_{one.argument}")
        written = config.getini(f"slurm_{one.argument}")
        if one.argument != EDITABLE or not (typed or written):
            return written if typed is None else typed
        folder = config.invocation_params.dir if typed else config.rootpath
        return str(folder / Path(typed or written).expanduser())

    try:
        return shape_arguments(given)
    except ClusterError as error:
        raise pytest.UsageError(f"{SECTION}: {error}") from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which run it belongs to."""
    shared = node.config.stash[SHARED]
    node.workerinput["slurm_run"] = [shared.run_id, shared.owner, sorted(shared.kept)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test that needs the cluster, so that ``-m "not slurm"`` never starts it.

    Where one wants the project in it, whether it is chosen or not, it is in it for all.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if FIXTURES.intersection(fixtures):
            item.add_marker("slurm")
        shared = config.stash[SHARED]
        if "slurm_project" in fixtures and EDITABLE not in shared.options:
            options = {**shared.options, EDITABLE: str(config.rootpath)}
            config.stash[SHARED] = replace(shared, options=options)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say why the cluster did not start, or how to reach one that is kept."""
    for shared in config.stash[SHARED].of_this_run():
        failure = shared.failure()
        if failure is not None:
            terminalreporter.section(SECTION, red=True)
            terminalreporter.write_line(failure)
        elif shared.is_kept and shared.folder.is_dir():
            terminalreporter.section(SECTION)
            terminalreporter.write_line(
                f"{shared.what_was_done()} It stays: pytest --slurm-down ends it."
            )
            terminalreporter.write_line(f"ssh -F {shared.cluster().ssh_config} {shared.project}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the clusters in the process that began the run, whatever became of the tests."""
    first = config.stash.get(SHARED, None)
    if first is None or hasattr(config, "workerinput"):
        return
    for shared in first.of_this_run():
        try:
            shared.release_resources()
        except ClusterError as error:
            config.get_terminal_writer().line(f"{SECTION}: {error}", red=True)


@pytest.fixture(scope="session")
def slurm_cluster(pytestconfig: pytest.Config) -> DockerCluster:
    """The dockerised cluster, up: one for the whole run and all its xdist workers."""
    return _up(pytestconfig.stash[SHARED])


@pytest.fixture
def disturbed_cluster(pytestconfig: pytest.Config) -> Iterator[DockerCluster]:
    """Another dockerised cluster, for a test to break: kill, pause and cut off its services, fill its disk.

    It stays up for the tests to come: each process of a run has one of its own, if a test there asks
    for it. After each test, what that disturbed is healed and what it left in the queue cancelled.
    """
    cluster = _up(pytestconfig.stash[DISTURBED])
    try:
        yield cluster
    finally:
        cluster.heal()
        cluster.cancel_all_jobs()


@pytest.fixture
def cluster(slurm_cluster: DockerCluster) -> Iterator[Cluster]:
    """A `slurm.Cluster` on the dockerised cluster, as from a laptop; closed after the test."""
    from slurm.cluster import Cluster

    connected = Cluster.from_env(slurm_cluster.slurmfile, env="default")
    try:
        yield connected
    finally:
        connected.close()


@pytest.fixture(scope="session")
def slurm_exec(slurm_cluster: DockerCluster) -> ExecCommands:
    """Runs commands on the cluster's machines through the engine, and reads and writes files there."""
    return slurm_cluster.over_exec


@pytest.fixture(scope="session")
def slurm_ssh(slurm_cluster: DockerCluster) -> SshCommands:
    """The same through ssh, as a user does it from a laptop."""
    return slurm_cluster.over_ssh


@pytest.fixture(scope="session")
def slurm_rest(slurm_cluster: DockerCluster) -> RestService:
    """The cluster's slurmrestd: `url`, `data_parsers`, and `token`. The cluster is one with ``slurm_rest`` or ``--slurm-rest``."""
    try:
        return slurm_cluster.rest
    except ClusterError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def slurm_project(slurm_cluster: DockerCluster, pytestconfig: pytest.Config) -> MountedProject:
    """The project of these tests, mounted on the cluster and importable there: what is changed here is changed there.

    It is that of ``slurm_editable`` or ``--slurm-editable``, else the one whose root is pytest's root directory.
    """
    here = pytestconfig.stash[SHARED].options[EDITABLE]
    return MountedProject(Path(here), PROJECT_MOUNT, slurm_cluster.python)


@pytest.fixture
def fake_slurm(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeSlurm]:
    """Fakes of Slurm's commands, first on the PATH, that say what the test has them say; they need no Docker."""
    from slurm.testing.fake_slurm import FakeSlurm

    with FakeSlurm(tmp_path_factory.mktemp("fake_slurm")) as fake:
        monkeypatch.setenv("PATH", str(fake.programs), prepend=os.pathsep)
        yield fake


def _up(shared: SharedCluster) -> DockerCluster:
    try:
        return shared.bring_up()
    except ClusterError as error:
        reason = str(error).partition("\n")[0]
    pytest.fail(f"{reason}; see the section {SECTION!r} at the end", pytrace=False)
