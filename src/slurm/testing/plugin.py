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
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from slurm.testing.errors import ClusterError
from slurm.testing.sharing import SharedCluster

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.testing.docker_cluster import DockerCluster
    from slurm.testing.fake_slurm import FakeSlurm

SHARED = pytest.StashKey[SharedCluster]()
DISTURBED = pytest.StashKey[SharedCluster]()
# What is dead, deaf or old is noticed in seconds, and the shared volume can be filled.
DISTURBED_OPTIONS: dict[str, Any] = {
    "settings": {"SlurmdTimeout": 20, "MessageTimeout": 5, "MinJobAge": 5},
    "shared_size": "96m",
}
SECTION = "slurm cluster"
FIXTURES = frozenset({"slurm_cluster", "disturbed_cluster"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--slurm-keep`` and ``--slurm-release``."""
    group = parser.getgroup("slurm", "a real Slurm in Docker")
    group.addoption(
        "--slurm-keep",
        action="store_true",
        help="leave the cluster running after the tests and use it again in the next run",
    )
    group.addoption(
        "--slurm-release",
        metavar="NAME",
        default=os.environ.get("DEBIAN_RELEASE") or "trixie",
        help="the Debian release that picks Slurm's version: trixie or bookworm (%(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and name the cluster of this run."""
    config.addinivalue_line("markers", "slurm: needs the dockerised Slurm cluster")
    run = getattr(config, "workerinput", {}).get("slurm_run") or [secrets.token_hex(4), os.getpid()]
    shared = SharedCluster(
        root=config.rootpath,
        run_id=run[0],
        owner=run[1],
        release=config.getoption("--slurm-release"),
        keep=config.getoption("--slurm-keep"),
    )
    config.stash[SHARED] = shared
    purpose = "disturbed" + os.environ.get("PYTEST_XDIST_WORKER", "")
    config.stash[DISTURBED] = replace(shared, purpose=purpose, options=DISTURBED_OPTIONS)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker which run it belongs to."""
    shared = node.config.stash[SHARED]
    node.workerinput["slurm_run"] = [shared.run_id, shared.owner]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that needs the cluster, so that ``-m "not slurm"`` never starts it."""
    for item in items:
        if FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("slurm")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say why the cluster did not start, or how to reach one that is kept."""
    for shared in config.stash[SHARED].of_this_run():
        failure = shared.failure()
        if failure is not None:
            terminalreporter.section(SECTION, red=True)
            terminalreporter.write_line(failure)
        elif shared.keep and shared.folder.is_dir():
            terminalreporter.section(SECTION)
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
