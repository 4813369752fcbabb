"""One suite for all backends: each test runs on every backend that `limits` does not excuse.

``local`` carries the marker ``local``. ``ssh`` and ``slurm`` carry the marker ``slurm``: the first submits
to the dockerised cluster from here, the second runs there, on the login node (see `login_node`).
On the login node of any cluster, ``CONFORMANCE_BACKEND=slurm pytest tests/conformance`` runs the
suite directly.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.conformance.limits import CANNOT, backends_with
from tests.conformance.login_node import TestsThere
from tests.conformance.sites import Gate, Site, local_site, slurm_site, ssh_site
from tests.conformance.waiting import PATIENCE

from slurm import Cluster
from slurm.results import failures

# The one backend on which to run the suite from here, without any other machine.
DIRECTLY = os.environ.get("CONFORMANCE_BACKEND")
THERE = pytest.StashKey[TestsThere]()


# --- which test runs where -------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    """Register xdist's marker, also where it is not installed or switched off."""
    config.addinivalue_line("markers", "xdist_group(name): tests that need the same process")
    if DIRECTLY not in (None, "local", "slurm"):
        raise pytest.UsageError(f"CONFORMANCE_BACKEND={DIRECTLY}: it must be local or slurm")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have every test that uses a cluster run on every backend that can do what it asks for."""
    if "site" not in metafunc.fixturenames:
        return
    name = metafunc.function.__name__
    release = metafunc.config.getoption("--slurm-release", default="")
    params = [
        pytest.param(backend, marks=_marks(backend, metafunc.module.__name__))
        for backend in ([DIRECTLY] if DIRECTLY else backends_with(release))
        if name not in CANNOT[backend]
    ]
    metafunc.parametrize("site", params, indirect=True, scope="session")


def _marks(backend: str, module: str) -> list[pytest.MarkDecorator]:
    if DIRECTLY:
        return []
    # What a module submits once for all its tests needs them in one process.
    if backend == "local":
        return [pytest.mark.xdist_group(f"{module}-local"), pytest.mark.local]
    return [pytest.mark.xdist_group(f"{module}-slurm"), pytest.mark.slurm]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Put in the place of each test for ``slurm`` one that has it run on the login node."""
    if not DIRECTLY:
        session.stash[THERE] = TestsThere(session)
        items[:] = [session.stash[THERE].stand_in_for(item) for item in items]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The login node may begin with a file's tests while those for ``ssh`` run here."""
    if not DIRECTLY and item.get_closest_marker("slurm"):
        item.session.stash[THERE].begin(item.path)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave no process behind, also when interrupted."""
    if THERE in session.stash:
        session.stash[THERE].end()


# --- what tests ask for ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The backend under test."""
    if request.param == "local":
        made = local_site(tmp_path_factory.mktemp("local"))
    elif request.param == "ssh":
        made = ssh_site(request.getfixturevalue("slurm_cluster"))
    else:
        made = slurm_site(request.config.rootpath)
    with made as site:
        if site.backend == "local" and not DIRECTLY:
            request.getfixturevalue("lend_sdk")(Path(site.arguments["job_base_dir"]))
        yield site


@pytest.fixture(scope="session")
def client(site: Site) -> Iterator[Cluster]:
    """One client for all tests; not active."""
    with closing(site.connect()) as client:
        yield client


@pytest.fixture
def cluster(client: Cluster) -> Iterator[Cluster]:
    """`client`, active: tasks that a test calls are submitted to it."""
    with client:
        yield client


@pytest.fixture(scope="module")
def folder(site: Site, client: Cluster) -> str:
    """A fresh directory that jobs and tests see alike."""
    return site.folder(client)


@pytest.fixture(scope="module")
def new_gate(site: Site, client: Cluster) -> Iterator[Callable[[], Gate]]:
    """Makes gates, and opens those that are still closed in the end."""
    gates: list[Gate] = []

    def make() -> Gate:
        gates.append(Gate(client, f"{site.folder(client)}/gate"))
        return gates[-1]

    yield make
    for gate in gates:
        gate.open()


@pytest.fixture
def late_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job used is waited for until it is on record, which may take a busy cluster longer than users would wait."""
    monkeypatch.setattr(failures, "RECORD_GRACE", PATIENCE)


@pytest.fixture
def gate(new_gate: Callable[[], Gate]) -> Gate:
    """A closed gate."""
    return new_gate()
