"""The train/eval example as real sbatch jobs, submitted through ssh, its artifacts checked."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.helpers.accounting import settled

from slurm import Cluster
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

EPOCHS, EPOCH_STEPS, CAP = 3, 5, 2
DEADLINE = 400.0


class Pipeline:
    """One run of the example on the cluster, as a user starts it."""

    def __init__(self, docker: DockerCluster, cluster: Cluster) -> None:
        self.docker = docker
        self.cluster = cluster
        self.workdir = f"/shared/work/run-{secrets.token_hex(6)}"

    def start(self, **parameters: object) -> subprocess.Popen[str]:
        given = {
            "slurmfile": self.docker.slurmfile,
            "workdir": self.workdir,
            "epochs": EPOCHS,
            "epoch-steps": EPOCH_STEPS,
            "steps-per-job-cap": CAP,
            "step-seconds": 0.05,
            "eval-seconds": 6,
            **{name.replace("_", "-"): value for name, value in parameters.items()},
        }
        options = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        module = "slurm.examples.parallel_train_eval.workflow"
        return subprocess.Popen(
            [sys.executable, "-m", module, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, client: subprocess.Popen[str]) -> str:
        stdout, stderr = client.communicate(timeout=DEADLINE)
        assert client.returncode == 0, stderr
        return stdout

    def read_json(self, path: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.cluster.backend.read_file(path))
        return content

    @property
    def state(self) -> dict[str, Any]:
        return self.read_json(f"{self.workdir}/state.json")

    def jobs(self, kind: str) -> list[dict[str, Any]]:
        return [job for entry in self.state["epochs"] for job in entry[f"{kind}_jobs"]]

    def wait_until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                if reached():
                    return
            except FileNotFoundError:
                pass  # nothing is written yet
            time.sleep(0.2)
        raise AssertionError(f"not reached in {DEADLINE:g} s: {self.state}")

    def assert_whole(self) -> None:
        state = self.state
        assert state["status"] == "completed"
        for epoch, entry in enumerate(state["epochs"]):
            history = self.read_json(entry["checkpoint"])["history"]
            assert [step["step"] for step in history] == list(range(1, EPOCH_STEPS + 1))
            metrics = self.read_json(entry["metrics"])
            assert (metrics["epoch"], metrics["checkpoint"]) == (epoch, entry["checkpoint"])
            outcomes = [job["outcome"] for job in entry["eval_jobs"]]
            assert outcomes.count("completed") == 1


@pytest.fixture(scope="module")
def backend(slurm_cluster: DockerCluster) -> Iterator[Cluster]:
    cluster = Cluster.from_env(slurm_cluster.slurmfile)
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def finished(slurm_cluster: DockerCluster, backend: Cluster) -> Pipeline:
    """A pipeline that went through undisturbed."""
    pipeline = Pipeline(slurm_cluster, backend)
    pipeline.finish(pipeline.start())
    return pipeline


@pytest.fixture
def pipeline(slurm_cluster: DockerCluster, backend: Cluster) -> Pipeline:
    return Pipeline(slurm_cluster, backend)


def test_the_artifacts_are_on_the_shared_volume(finished: Pipeline) -> None:
    finished.assert_whole()
    files = finished.docker.exec("c2", ["find", finished.workdir, "-name", "epoch_*.json"]).stdout
    assert len(files.split()) == 2 * EPOCHS


def test_accounting_knows_every_job_as_completed_where_it_was_asked_for(
    finished: Pipeline,
) -> None:
    expected = {job["job_id"]: "gpu" for job in finished.jobs("train")}
    expected.update({job["job_id"]: "cpu" for job in finished.jobs("eval")})
    expected.update(dict.fromkeys(finished.state["orchestrators"], "cpu"))
    assert len(expected) == EPOCHS * 4 + 1
    found = settled(finished.docker, expected, "COMPLETED")
    assert {job_id: partition for job_id, (_, partition) in found.items()} == expected


def test_every_train_job_saw_a_gpu(finished: Pipeline) -> None:
    for job in finished.jobs("train"):
        assert job["partition"] == "gpu"
        assert job["cuda_visible_devices"] in ("0", "1")


def test_evaluations_overlapped_later_training(finished: Pipeline) -> None:
    epochs = finished.state["epochs"]
    for earlier, later in zip(epochs, epochs[1:]):
        evaluation, training = earlier["eval_jobs"][0], later["train_jobs"]
        assert training[0]["started_at"] < evaluation["finished_at"]
        assert evaluation["started_at"] < training[-1]["finished_at"]


def test_every_evaluation_depended_on_its_training(finished: Pipeline) -> None:
    for entry in finished.state["epochs"]:
        assert entry["eval_jobs"][0]["depends_on"] == [entry["train_jobs"][-1]["job_id"]]


@pytest.mark.matrix
def test_two_pipelines_at_once_do_not_meet(slurm_cluster: DockerCluster, backend: Cluster) -> None:
    pipelines = [Pipeline(slurm_cluster, backend) for _ in range(2)]
    clients = [pipeline.start(eval_seconds=0.2) for pipeline in pipelines]
    for pipeline, client in zip(pipelines, clients):
        pipeline.finish(client)
        pipeline.assert_whole()
    ids = [
        {job["job_id"] for kind in ("train", "eval") for job in pipeline.jobs(kind)}
        for pipeline in pipelines
    ]
    assert len(ids[0]) == len(ids[1]) == EPOCHS * 4
    assert not ids[0] & ids[1]


def test_partitions_can_be_chosen(pipeline: Pipeline) -> None:
    client = pipeline.start(
        epochs=1,
        eval_seconds=0.2,
        partition_workflow="gpu",
        partition_train="cpu",
        partition_eval="gpu",
        gres_train="",
    )
    pipeline.finish(client)
    ids = [pipeline.state["orchestrators"][0], pipeline.jobs("train")[0]["job_id"]]
    ids.append(pipeline.jobs("eval")[0]["job_id"])
    found = settled(pipeline.docker, ids, "COMPLETED")
    assert [found[job_id][1] for job_id in ids] == ["gpu", "cpu", "gpu"]


def test_a_client_that_was_killed_finds_its_run_again(pipeline: Pipeline) -> None:
    client = pipeline.start(eval_seconds=0.2)
    pipeline.wait_until(lambda: pipeline.state["epochs"][0]["steps_completed"] > 0)
    client.kill()
    client.communicate()
    pipeline.finish(pipeline.start(eval_seconds=0.2))
    assert len(pipeline.state["orchestrators"]) == 1
    pipeline.assert_whole()


@pytest.mark.matrix
def test_orchestrator_and_train_job_killed_together_are_replaced(pipeline: Pipeline) -> None:
    client = pipeline.start(eval_seconds=0.2, step_seconds=0.5)
    pipeline.wait_until(lambda: pipeline.state["epochs"][1]["train_jobs"] != [])
    state = pipeline.state
    victims = [state["orchestrators"][0], state["epochs"][1]["train_jobs"][-1]["job_id"]]
    kill = ["scancel", "--full", "--signal=KILL", *victims]
    pipeline.docker.exec("login", kill, user="dev", check=False)  # the short one may be over
    assert client.wait(DEADLINE) == 1
    client.communicate()
    pipeline.finish(pipeline.start(eval_seconds=0.2))
    assert len(pipeline.state["orchestrators"]) == 2
    pipeline.assert_whole()


def test_a_partition_that_does_not_exist_is_refused_in_one_line(pipeline: Pipeline) -> None:
    client = pipeline.start(partition_train="gpus")
    _, stderr = client.communicate(timeout=DEADLINE)
    assert client.returncode == 2
    [line] = stderr.splitlines()
    assert "--partition-train 'gpus' is not a partition" in line
    assert "did you mean 'gpu'" in line
    assert not pipeline.cluster.backend.file_exists(pipeline.workdir)


def test_a_workdir_that_cannot_be_written_is_refused_in_one_line(pipeline: Pipeline) -> None:
    client = pipeline.start(workdir="/etc/run")
    _, stderr = client.communicate(timeout=DEADLINE)
    assert client.returncode == 2
    [line] = stderr.splitlines()
    assert "--workdir cannot be written" in line
