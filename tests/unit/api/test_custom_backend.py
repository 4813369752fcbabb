"""A backend of the user's own: an extension point of the SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend

from slurm import Cluster, api, task
from slurm.api.requests import Archive
from slurm.errors import ConfigError, SubmissionError
from slurm.states import REUSED


@task
def train(steps: int) -> int:
    return steps


def test_a_cluster_is_made_of_any_backend(backend: FakeBackend, tmp_path: Path) -> None:
    with Cluster(backend, job_base_dir=tmp_path) as cluster:
        job = train(3)
        backend.finish(job, 3)
        assert (job.id, job.get_result(DEADLINE)) == ("1", 3)
        assert repr(cluster) == f"<Cluster FakeBackend {tmp_path}>"
    cluster.close()


def test_every_backend_has_the_interface() -> None:
    backends = (api.LocalBackend, api.SlurmCliBackend, api.SSHCommandBackend, FakeBackend)
    assert all(issubclass(one, api.BackendBase) for one in backends)
    assert not any(one.__abstractmethods__ for one in backends)


def test_jobs_of_two_backends_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with Cluster(FakeBackend(), job_base_dir=tmp_path) as first:
        job = train(1)
    second = Cluster(FakeBackend(), job_base_dir=tmp_path)
    with second, pytest.raises(SubmissionError, match="cannot depend on job 1"):
        train(job)
    first.close()
    second.close()


def test_another_backend_is_said_before_anything_else_that_is_wrong(tmp_path: Path) -> None:
    """Also where the job's id is another job's by now; and what is waited for besides is submitted."""
    with Cluster(FakeBackend(), job_base_dir=tmp_path) as first:
        [record] = (job := train(1)).records
        record.observe(record.status._replace(reason=REUSED))
    with Cluster(FakeBackend(), job_base_dir=tmp_path) as second:
        array = train.map([1])
        with pytest.raises(SubmissionError, match="cannot depend on job 1"):
            train.after(job, array)(1)
        assert array.is_submitted
        own = train(1)
        [record] = own.records
        record.observe(record.status._replace(reason=REUSED))
        array = train.map([1])
        with pytest.raises(SubmissionError, match="nothing can wait for job 2"):
            train.after(own, array)(1)
        assert array.is_submitted
    first.close()
    second.close()


def test_options_are_for_backends_that_are_still_to_be_made(backend: FakeBackend) -> None:
    with pytest.raises(ConfigError, match="made already"):
        Cluster(backend, hostname="login")


def test_one_job_is_submitted_asked_for_and_cancelled_by_itself(
    backend: FakeBackend, fake_cluster: Cluster
) -> None:
    request = fake_cluster.dry_run(train, 3)
    where: Any = {"base": "/jobs", "events": "/jobs/.events", "archive": Archive("/sdk")}
    submitted = backend.submit_job(request, **where)
    assert (submitted.job_id, submitted.job_dir) == ("1", request.job_dir)
    assert backend.submissions == [[request]]
    backend.say("7", "RUNNING")
    assert str(backend.get_job_status("7").state) == "RUNNING"
    backend.cancel_job("7")
    assert backend.cancelled == ["7"]
