"""What people see of their mistakes on a real Slurm: the rows of the page that need one. The others are in tests/unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.helpers.mistakes import Mistake, Session, assert_no_frame_of_ours, assert_shown, rows

from slurm import Cluster
from slurm.testing import DockerCluster
from slurm.testing.plugin import SHARED


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One prompt for all rows."""
    folder = tmp_path_factory.mktemp("session")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield Session(folder)


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


@pytest.mark.matrix
@rows("enforcing")
def test_on_a_cluster_that_enforces(
    row: Mistake, session: Session, enforcing_cluster: DockerCluster
) -> None:
    with Cluster.from_env(enforcing_cluster.slurmfile) as cluster:
        error = session.error_of(row.typed)
    cluster.close()
    assert_shown(row, error)
    assert_no_frame_of_ours(error)
