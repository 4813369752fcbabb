"""Commands below ``slurm jobs`` with jobs that were given to sbatch by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conformance.waiting import PATIENCE, wait_until

from slurm import Cluster, cli
from slurm.testing import DockerCluster


def sbatch(cluster: Cluster, *words: str) -> str:
    argv = ["sbatch", "--parsable", "--output=/dev/null", *words]
    status, out = cluster.backend.run_program(argv, timeout=PATIENCE)
    assert status == 0, out
    return out.decode().strip()


def test_they_are_listed_waited_for_and_cancelled(
    ssh: Cluster, slurm_cluster: DockerCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    short = sbatch(ssh, "--job-name=a|short one", "--comment=x | y", "--wrap=exit 0")
    bad = sbatch(ssh, "--wrap=exit 3")
    array = sbatch(ssh, "--array=0-3", "--job-name=plain array", "--begin=now+1hour", "--wrap=true")

    def run(*words: str) -> tuple[int, str]:
        status = cli.main(["jobs", *words, "--slurmfile", str(slurm_cluster.slurmfile)])
        return status, capsys.readouterr().out

    def listed() -> dict[str, dict[str, Any]]:
        found = json.loads(run("list", "--json")[1])["jobs"]
        return {job["job_id"]: job for job in found}

    assert run("wait", short) == (0, f"{short} a|short one COMPLETED\n")
    assert run("wait", bad)[0] == 4
    found = listed()
    assert (found[short]["name"], found[short]["ours"]) == ("a|short one", False)
    assert (found[short]["state"], found[bad]["state"]) == ("COMPLETED", "FAILED")
    waits = found[f"{array}_[0-3]"]
    assert (waits["states"], waits["reason"]) == ({"PENDING": 4}, "BeginTime")
    assert waits["may_start"] is not None
    assert run("cancel", f"{array}_[1-2]") == (0, f"cancelled {array}_[1-2] plain array\n")
    assert run("cancel", "--name", "plain a*", "--yes")[0] == 0

    def states() -> set[str]:
        """Those of its rows: of tasks that never began, Slurm does not keep each number."""
        return {job["state"] for job_id, job in listed().items() if job_id.startswith(array)}

    wait_until(lambda: states() == {"CANCELLED"}, "all are cancelled")


def test_what_they_print_is_where_slurm_says_and_what_they_use_is_told_while_they_run(
    ssh: Cluster, slurm_cluster: DockerCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ssh.backend.make_directory(f"{ssh.job_base_dir}/plain % output")
    gate = f"{folder}/gate"
    waits = (
        f'echo "out $SLURM_ARRAY_TASK_ID"; echo bad >&2; until [ -e "{gate}" ]; do sleep 0.1; done'
    )
    where = (f"--output={folder}/%A_%a.out", f"--error={folder}/%j.err")
    single = sbatch(ssh, *where, f"--wrap={waits}")
    array = sbatch(ssh, *where, "--array=2-3", f"--wrap={waits}")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(["jobs", *words, "--slurmfile", str(slurm_cluster.slurmfile)])
        said = capsys.readouterr()
        return status, said.out, said.err

    wait_until(lambda: run("logs", single)[1] == "out \n", "it prints")
    ssh.backend.write_file(gate, b"")
    assert run("logs", single, "--follow", "--stderr") == (0, "bad\n", "")
    status, out, _ = run("logs", array, "--follow")
    assert (status, sorted(out.splitlines())) == (0, ["2| out 2", "3| out 3"])
    status, out, err = run("logs", "987654")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
