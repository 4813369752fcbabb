"""What a user gets, and can do, when nobody can tell whether a job was submitted."""

from __future__ import annotations

import json
import posixpath
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import ArrayJob, Cluster, Job, task
from slurm.errors import JobError, SubmissionRefused, SubmissionUnknown, TransportError


@task
def train(rate: float) -> float:
    return rate


class Forgetful(FakeBackend):
    """A fake whose answers get lost: it has taken the job, and tells only who asks for it later."""

    def __init__(self) -> None:
        super().__init__()
        self.found: str | SubmissionUnknown | None = None
        self.asked: list[tuple[str, dict[str, str]]] = []

    def find_job(self, job_dir: str, **about: str) -> str | None:
        self.asked.append((job_dir, about))
        if isinstance(self.found, SubmissionUnknown):
            raise self.found
        return self.found


@pytest.fixture
def backend() -> Forgetful:
    return Forgetful()


@pytest.fixture
def cluster(backend: Forgetful) -> Any:
    made = Cluster(backend, job_base_dir="/jobs")
    with made:
        yield made
    made.close()


@pytest.mark.usefixtures("cluster")
def test_the_error_says_what_is_known_and_how_to_find_out_the_rest(backend: Forgetful) -> None:
    backend.refusal = SubmissionUnknown("Socket timed out")
    with pytest.raises(SubmissionUnknown) as caught:
        train.submit(key="run 7")(0.1)
    [request] = backend.requests
    assert (caught.value.token, caught.value.job_dir) == (request.token, request.job_dir)
    message = str(caught.value)
    assert message.startswith("train: nobody can tell now whether it was submitted: Socket timed")
    assert f"the same key or Job.from_dir({request.job_dir!r}, cluster) finds the job" in message


@pytest.mark.usefixtures("cluster")
def test_a_connection_that_was_lost_with_the_answer_says_the_same(
    backend: Forgetful, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*args: Any, **kwargs: Any) -> Any:
        raise SubmissionUnknown("the answer was lost: login: Broken pipe")

    monkeypatch.setattr(backend, "submit_jobs", lost)
    with pytest.raises(SubmissionUnknown, match=r"train: nobody can tell .*Broken pipe") as caught:
        train(0.1)
    assert caught.value.token
    assert caught.value.job_dir.startswith("/jobs/train/")


def leave(backend: Forgetful) -> str:
    """The directory of a job whose answer was lost."""
    backend.refusal = SubmissionUnknown("Socket timed out")
    with pytest.raises(SubmissionUnknown) as caught:
        train(0.1)
    backend.refusal = None
    [request] = backend.requests
    backend.files[posixpath.join(request.job_dir, "metadata.json")] = request.files["metadata.json"]
    return caught.value.job_dir


def test_a_job_whose_answer_was_lost_is_found_by_its_directory(
    backend: Forgetful, cluster: Cluster
) -> None:
    path = leave(backend)
    backend.found = "77"
    job: Job[float] = Job.from_dir(path, cluster)
    assert (job.id, job.records[0].token, job.reattached) == ("77", backend.requests[0].token, True)
    about = {"script": "job.sh", "metadata": "metadata.json", "id_key": "job_id"}
    assert backend.asked == [(path, {"token": job.records[0].token, **about})]


def test_a_job_that_was_never_submitted_is_said_to_be_none(
    backend: Forgetful, cluster: Cluster
) -> None:
    with pytest.raises(JobError, match="prepared and never submitted"):
        Job.from_dir(leave(backend), cluster)


def test_as_long_as_nobody_can_tell_the_directory_does_not_either(
    backend: Forgetful, cluster: Cluster
) -> None:
    path = leave(backend)
    backend.found = SubmissionUnknown("the scheduler does not tell: Connection refused")
    with pytest.raises(SubmissionUnknown, match="Connection refused") as caught:
        Job.from_dir(path, cluster)
    assert (caught.value.token, caught.value.job_dir) == (backend.requests[0].token, path)


def test_an_array_whose_answer_was_lost_is_asked_for_again_when_it_is_used(
    backend: Forgetful, cluster: Cluster
) -> None:
    backend.refusal = SubmissionUnknown("Socket timed out")
    array = cluster.map(train, [1, 2])
    with pytest.raises(SubmissionUnknown, match=r"ArrayJob\.from_dir"):
        array.submit()
    backend.refusal = None
    assert len(array.submit()) == 2
    tokens = {request.token for request in backend.requests}
    assert len(tokens) == 1, "the same one, which makes no second array"


def test_an_array_that_was_refused_stays_so(backend: Forgetful, cluster: Cluster) -> None:
    backend.refusal = SubmissionRefused("no such partition")
    array = cluster.map(train, [1, 2])
    for _ in range(2):
        with pytest.raises(SubmissionRefused):
            array.submit()
    assert len(backend.requests) == 1


def test_the_parts_of_an_array_are_found_by_tokens_of_their_own(
    backend: Forgetful, cluster: Cluster
) -> None:
    backend.max_array_size = 2
    array = cluster.map(train, [1, 2, 3])
    array.submit()
    first, *others = backend.requests
    last = others[-1]
    known = {request.id_key: "2" for request in others[:-1]}
    metadata = json.loads(first.files["array_metadata.json"])
    path = posixpath.join(first.job_dir, "array_metadata.json")
    backend.files[path] = json.dumps({**metadata, "job_id": "1", **known}).encode()
    backend.found = "9"
    assert len(ArrayJob.from_dir(first.job_dir, cluster)) == 3
    [(_, about)] = backend.asked
    assert (about["token"], about["script"]) == (last.token, last.script)
    assert (about["id_key"], about["metadata"]) == (last.id_key, last.metadata)


def test_a_submission_that_never_left_is_no_unknown_one(
    backend: Forgetful, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: Any, **kwargs: Any) -> Any:
        raise TransportError("nothing was submitted: login: No route to host")

    monkeypatch.setattr(backend, "submit_jobs", unreachable)
    with pytest.raises(TransportError, match="nothing was submitted"):
        train(0.1)
