"""What a site offers: asked for after a refusal, never before, and no reason to hide it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.helpers.fakes import Programs
from tests.helpers.job_tasks import add

from slurm import Cluster
from slurm.agent import commands
from slurm.api.slurm_cli import SlurmCliBackend
from slurm.errors import SubmissionRefused

REFUSED = "echo 'sbatch: error: Batch job submission failed: {}' >&2; exit 1"
PARTITIONS = "echo 'Welcome!'; echo 'cpu*|up|infinite|1-infinite|2|8|16000|gpu:2|(null)'"


@pytest.fixture
def cluster(slurm: SlurmCliBackend, base: Path, lend_sdk: Callable[[Path], None]) -> Cluster:
    lend_sdk(base)
    return Cluster(slurm, job_base_dir=str(base))


def refusal(cluster: Cluster) -> str:
    with pytest.raises(SubmissionRefused) as raised:
        add.with_options(partition="nope", account="chem").submit(cluster)(1, 2)
    cluster.close()
    return str(raised.value)


def test_partitions_are_asked_for_once_and_told(cluster: Cluster, programs: Programs) -> None:
    programs.add("sbatch", REFUSED.format("Invalid partition name specified"))
    programs.add("sinfo", PARTITIONS)
    assert refusal(cluster) == (
        "add: Invalid partition name specified (partition=nope; there are the partitions cpu (default): "
        "choose one with partition=)"
    )
    assert len(programs.calls("sinfo")) == 1


def test_accounts_are_told(cluster: Cluster, programs: Programs) -> None:
    programs.add("sbatch", REFUSED.format("Invalid account or account/partition combination"))
    programs.add("sacctmgr", "echo 'physics||normal'")
    assert "your accounts are physics (qos normal)" in refusal(cluster)
    [argv] = programs.calls("sacctmgr")
    assert "show assoc user=" in " ".join(argv)


@pytest.mark.parametrize("sinfo", ["exit 1", "echo nonsense", "echo 'a|b'", "exec sleep 600"])
def test_a_site_that_does_not_tell_hides_no_refusal(
    sinfo: str, cluster: Cluster, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "USAGE_TIMEOUT", 0.2)
    programs.add("sbatch", REFUSED.format("Invalid partition name specified"))
    programs.add("sinfo", sinfo)
    assert refusal(cluster) == "add: Invalid partition name specified (partition=nope)"


@pytest.mark.parametrize("sbatch", ["echo 12", REFUSED.format("a bad day")])
def test_nobody_is_asked_where_it_would_help_nobody(
    sbatch: str, cluster: Cluster, programs: Programs
) -> None:
    for name in ("sinfo", "sacctmgr"):
        programs.add(name, "exit 1")
    programs.add("sbatch", sbatch)
    if sbatch == "echo 12":
        assert add.submit(cluster)(1, 2).id == "12"
        cluster.close()
    else:
        assert refusal(cluster) == "add: a bad day"
    assert programs.calls("sinfo") == programs.calls("sacctmgr") == []


def test_a_batch_that_is_refused_asks_once(cluster: Cluster, programs: Programs) -> None:
    programs.add("sbatch", REFUSED.format("Invalid partition name specified"))
    programs.add("sinfo", PARTITIONS)

    def three() -> None:
        with cluster.batch():
            for number in range(3):
                add(number, number)

    with pytest.raises(SubmissionRefused, match="there are the partitions cpu"):
        three()
    assert len(programs.calls("sinfo")) == 1
    cluster.close()
