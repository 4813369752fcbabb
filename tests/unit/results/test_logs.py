"""What a job has printed is read from where its options send it. The backend is a fake."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend

from slurm import ArrayJob, Cluster, Job, task
from slurm.errors import JobFailed, RemoteFileMissing


@task
def train(value: int = 0) -> int:
    return value


def submitted(
    cluster: Cluster, backend: FakeBackend, state: str = "RUNNING", **options: Any
) -> Job[int]:
    backend.said.clear()
    backend.say(str(len(backend.requests) + 1), state, node="c1")
    job = cluster.submit(train, **options)(1)
    keep_files(backend)
    job.get_status()
    return job


def keep_files(backend: FakeBackend) -> None:
    for request in backend.requests:
        backend.files.update({f"{request.job_dir}/{k}": v for k, v in request.files.items()})


def note(backend: FakeBackend, job: Job[Any], **content: Any) -> None:
    backend.files[job.directory.metadata] = json.dumps({"token": "t", **content}).encode()


PATHS = [
    ("/logs/plain.log", "/logs/plain.log"),
    ("/logs/%x-%4j-%u.log", "/logs/train-0001-me.log"),
    ("/logs/%A_%a", "/logs/1_4294967294"),
    ("logs/%j", "{job_dir}/logs/1"),
    ("none", "/dev/null"),
]


@pytest.mark.parametrize(("pattern", "path"), PATHS)
def test_the_paths_are_those_that_were_asked_for(
    pattern: str, path: str, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = submitted(fake_cluster, backend, output=pattern, error=pattern)
    assert job.stdout_path == job.stderr_path == path.format(job_dir=job.job_dir)
    found = Job.from_dir(job.job_dir, with_id(backend, job, fake_cluster))
    assert found.stdout_path == found.stderr_path == job.stdout_path


def with_id(backend: FakeBackend, job: Job[Any], cluster: Cluster) -> Cluster:
    content = json.loads(backend.files[job.directory.metadata])
    backend.files[job.directory.metadata] = json.dumps({**content, "job_id": job.id}).encode()
    return cluster


def test_relative_ones_are_in_the_working_directory(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = submitted(fake_cluster, backend, output="a/%j", chdir="/work")
    assert job.stdout_path == "/work/a/1"
    assert job.stderr_path == f"{job.job_dir}/slurm_1.err"


def test_what_only_the_job_knows_is_what_it_noted(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = submitted(fake_cluster, backend, output="/logs/%N-%b")
    assert job.stdout_path == "/logs/%N-4"
    note(backend, job, stdout="/logs/c1-%b", stderr=None)
    assert job.stdout_path == "/logs/c1-%b"
    wrong: Any
    for wrong in ([], "pipe:[12]", 5):
        note(backend, job, stdout=wrong)
        assert job.stdout_path == "/logs/%N-4"


def test_elements_of_arrays(fake_cluster: Cluster, backend: FakeBackend) -> None:
    array = fake_cluster.map(train, [1, 2], output="/logs/%A_%3a", error="/logs/%j")
    assert [job.stdout_path for job in array] == ["/logs/1_000", "/logs/1_001"]
    assert array[1].stderr_path == "/logs/%j"
    note(backend, array[1], stderr="/logs/9")
    assert array[1].stderr_path == "/logs/9"
    keep_files(backend)
    metadata = json.loads(backend.files[f"{array.job_dir}/array_metadata.json"])
    backend.files[f"{array.job_dir}/array_metadata.json"] = json.dumps(
        {**metadata, "job_id": "1"}
    ).encode()
    found = ArrayJob.from_dir(array.job_dir, fake_cluster)
    assert [job.stdout_path for job in found] == ["/logs/1_000", "/logs/1_001"]


def test_a_batch_and_packed_items_have_theirs(fake_cluster: Cluster, backend: FakeBackend) -> None:
    logged = train.with_options(output="/logs/%A_%a")
    with fake_cluster.batch():
        job = logged(1)
        array = logged.map([1, 2, 3], pack=2)
    backend_ids = {job.id, array.id}
    assert job.stdout_path == f"/logs/{job.id}_4294967294"
    assert [one.stdout_path for one in array] == [f"/logs/{array.id}_{n}" for n in (0, 0, 1)]
    assert len(backend_ids) == 2


def test_what_is_there_is_read(fake_cluster: Cluster, backend: FakeBackend) -> None:
    job = submitted(fake_cluster, backend, output="/logs/o", error="/logs/o")
    backend.files["/logs/o"] = b"said\n"
    assert (job.get_stdout(), job.get_stderr()) == ("said\n", "said\n")


def test_a_job_that_waits_has_not_printed_what_another_left_there(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = submitted(fake_cluster, backend, "PENDING", output="/logs/o")
    backend.files["/logs/o"] = b"an older job's\n"
    assert job.get_stdout() == ""
    backend.say(job.id, "RUNNING")
    fake_cluster.operations.tracker._polled = 0.0
    assert job.get_stdout() == "an older job's\n"


def test_what_cannot_be_had_is_said_in_one_line(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = submitted(fake_cluster, backend, output="/dev/null", error="/tmp/mine.err")
    with pytest.raises(
        RemoteFileMissing, match=r"job 1 \(train\) keeps no stdout: the option output="
    ):
        job.get_stdout()
    text = (
        r"sends its stderr to /tmp/mine\.err on c1, which is not there for this client: give error="
    )
    with pytest.raises(RemoteFileMissing, match=text):
        job.get_stderr()


@pytest.mark.parametrize(
    ("error", "content", "told"),
    [
        ("/logs/e", b"last words\n", "The end of its stderr:\nlast words"),
        ("/logs/e", None, "Its stderr went to /logs/e, which cannot be read from here"),
        ("/dev/null", None, "It kept no stderr: the option error= sent that to /dev/null"),
    ],
)
def test_an_error_has_the_end_of_its_stderr_or_says_why_not(
    error: str,
    content: bytes | None,
    told: str,
    fake_cluster: Cluster,
    backend: FakeBackend,
) -> None:
    job = submitted(fake_cluster, backend, error=error)
    if content:
        backend.files[error] = content
    backend.say(job.id, "FAILED", node="c1")
    with pytest.raises(JobFailed) as raised:
        job.get_result(DEADLINE)
    assert str(raised.value).endswith(told)
