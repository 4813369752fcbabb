"""The job at which a chain began: known to this process, or only to the files of earlier ones. The backend is a fake."""

from __future__ import annotations

import json
import pickle
import threading
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, job_of, job_on

from slurm import ArrayJob, Cluster, Job
from slurm.errors import (
    ConfigError,
    DependencyFailed,
    JobCancelled,
    JobOutOfMemory,
    NoMainGuard,
    RemoteError,
    RemoteTraceback,
    SchedulerUnreachable,
)
from slurm.job_dir.paths import ArrayDirectory, JobDirectory, receipt_of_job
from slurm.job_dir.result import load_envelope
from slurm.sbatch.dependency import as_metadata, option_of
from slurm.submit.refusals import no_main_guard
from slurm.tracking.upstream import Dependency

DEADLINE = 60.0


class Files:
    """What earlier clients and the runners have left of their jobs."""

    def __init__(self, cluster: Cluster, backend: FakeBackend) -> None:
        self.cluster = cluster
        self.backend = backend

    def job(self, number: int, *dependencies: str, name: str = "train", status: str = "") -> None:
        """A job's directory; a dependency is written as sbatch writes it: ``afterok:1``."""
        path = f"/jobs/{number}"
        self._write(receipt_of_job(self.cluster.job_base_dir, str(number)), {"job_dir": path})
        metadata = {"job_id": str(number), "task_name": name, "status": status, "token": "t"}
        metadata["dependencies"] = as_metadata((), ",".join(dependencies))  # type: ignore[assignment]
        self._write(JobDirectory(path).metadata, metadata)

    def array(
        self, ids: tuple[int, ...], *dependencies: str, count: int, largest: int = 1001
    ) -> None:
        """An array's directory, with all the ids of its submissions."""
        path = f"/jobs/{ids[0]}"
        for number in ids:
            self._write(receipt_of_job(self.cluster.job_base_dir, str(number)), {"job_dir": path})
        metadata: dict[str, Any] = {"task_name": "each", "count": count, "pack": 1, "token": "t"}
        metadata["max_array_size"] = largest
        metadata["dependencies"] = as_metadata((), ",".join(dependencies))
        for piece, number in enumerate(ids):
            metadata[f"job_id_{piece}" if piece else "job_id"] = str(number)
        self._write(ArrayDirectory(path).metadata, metadata)

    def status_of_item(self, number: int, item: int, status: str) -> None:
        """What the runner of an array's item has noted."""
        path = ArrayDirectory(f"/jobs/{number}").element(f"{item:03d}").metadata
        self._write(path, {"status": status})

    def _write(self, path: str, content: Any) -> None:
        self.backend.files[path] = json.dumps(content).encode()


@pytest.fixture
def files(fake_cluster: Cluster, backend: FakeBackend) -> Files:
    return Files(fake_cluster, backend)


def failure(job: Job[Any]) -> DependencyFailed:
    with pytest.raises(DependencyFailed) as caught:
        job.get_result(timeout=DEADLINE)
    return caught.value


def never(backend: FakeBackend, *job_ids: str) -> None:
    for job_id in job_ids:
        backend.say(job_id, "PENDING", reason="DependencyNeverSatisfied")


# --- chains --------------------------------------------------------------------------------------


def test_a_chain_of_which_this_process_knows_the_last_job_only(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.job(1, name="prepare")
    files.job(2, "afterok:1")
    files.job(3, "afterany:9", "afterok:2")
    backend.say("1", "TIMEOUT")
    backend.say("2", "CANCELLED", source="sacct")
    never(backend, "3")
    error = failure(fake_cluster.get_job("3"))
    assert str(error) == (
        "job 3 (train) never started because job 1 (prepare) ended as TIMEOUT; ask for more with the option "
        "time=, or do less per job. Its files: /jobs/1"
    )
    assert error.root_job_id == "1"
    assert "3" in backend.cancelled


def test_a_job_that_an_earlier_client_gave_up_still_names_the_root(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """Accounting says only that somebody cancelled it."""
    files.job(1)
    files.job(2, "afterok:1")
    backend.say("1", "FAILED", source="sacct", node="c1")
    backend.say("2", "CANCELLED", source="sacct", node="None assigned")
    assert failure(fake_cluster.get_job("2")).root_job_id == "1"


def test_a_job_cancelled_while_it_waited_is_just_cancelled(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.job(1)
    files.job(2, "afterok:1")
    backend.say("1", "RUNNING", node="c1")
    backend.say("2", "CANCELLED")
    with pytest.raises(JobCancelled):
        fake_cluster.get_job("2").get_result(DEADLINE)


@pytest.mark.parametrize(("status", "root"), [("failed", "1"), ("completed", ""), ("running", "")])
def test_of_a_job_that_the_scheduler_has_forgotten_its_own_word_counts(
    status: str, root: str, files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.job(1, status=status)
    files.job(2, "afterok:1")
    never(backend, "2")
    assert failure(fake_cluster.get_job("2")).root_job_id == root


def test_a_job_that_was_to_fail_is_the_root_when_it_does_not(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.job(1, name="risky")
    files.job(2, "afternotok:1")
    files.job(3, "afterok:2")
    backend.say("1", "COMPLETED")
    backend.say("2", "CANCELLED")
    never(backend, "3")
    error = failure(fake_cluster.get_job("3"))
    assert "job 1 (risky) ended as COMPLETED; it waited for that to fail" in str(error)


def test_jobs_that_ended_as_they_had_to_are_not_to_blame(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    for number in (1, 2, 3, 4):
        files.job(number)
    files.job(5, "afterany:1", "after:1", "afternotok:2", "afterok:3:4")
    for number, state in ((1, "FAILED"), (2, "FAILED"), (3, "COMPLETED"), (4, "NODE_FAIL")):
        backend.say(str(number), state)
    never(backend, "5")
    assert failure(fake_cluster.get_job("5")).root_job_id == "4"


def test_a_job_that_nobody_here_submitted_is_named_by_its_id(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.job(2, "afterok:77")
    backend.say("77", "FAILED")
    never(backend, "2")
    assert "because job 77 ended as FAILED" in str(failure(fake_cluster.get_job("2")))


@pytest.mark.parametrize("metadata", [b"", b"{", b"[]", b'{"dependencies": []}'])
def test_a_chain_that_nobody_knows_is_still_told_as_one(
    metadata: bytes, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    job = job_on(fake_cluster, "7")
    backend.files["/jobs/7/metadata.json"] = metadata
    never(backend, "7")
    error = failure(job)
    assert "because a job it depends on did not end as required" in str(error)
    assert error.root_job_id == ""


def test_files_that_go_in_circles_end(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.job(1, "afterok:2")
    files.job(2, "afterok:1")
    backend.say("1", "CANCELLED")
    never(backend, "2")
    assert failure(fake_cluster.get_job("2")).root_job_id == "1"


# --- arrays --------------------------------------------------------------------------------------


def test_the_element_of_an_array_that_failed_is_the_root(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.array((10,), count=3)
    files.job(11, "afterok:10")
    for element, state in (("10_0", "COMPLETED"), ("10_1", "OUT_OF_MEMORY"), ("10_2", "FAILED")):
        backend.say(element, state)
    never(backend, "11")
    error = failure(fake_cluster.get_job("11"))
    assert "because job 10_1 (each) ended as OUT_OF_MEMORY" in str(error)


def test_elements_that_never_started_lead_on_to_what_the_array_waited_for(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.job(1, name="prepare")
    files.array((10,), "afterok:1", count=2)
    files.job(11, "afterok:10_1")
    backend.say("1", "FAILED")
    backend.say("10_1", "CANCELLED")
    never(backend, "11")
    assert failure(fake_cluster.get_job("11")).root_job_id == "1"


def test_a_forgotten_element_is_known_by_its_own_word(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.array((10,), count=3)
    files.job(11, "afterok:10")
    for item, status in ((0, "completed"), (1, "completed"), (2, "failed")):
        files.status_of_item(10, item, status)
    never(backend, "11")
    assert failure(fake_cluster.get_job("11")).root_job_id == "10_2"


def test_an_array_that_was_to_fail_is_the_root_when_none_of_it_does(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.array((10,), count=2)
    files.job(11, "afternotok:10")
    backend.say("10_0", "COMPLETED")
    backend.say("10_1", "COMPLETED")
    never(backend, "11")
    assert failure(fake_cluster.get_job("11")).root_job_id == "10"


def test_an_element_blames_the_element_with_its_own_index(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """Also where both arrays took several submissions, each of which counts from zero."""
    files.array((10, 12), count=15, largest=11)
    files.array((20, 22), "aftercorr:10:12", count=15, largest=11)
    for item in range(10):
        backend.say(f"10_{item}", "FAILED")
    backend.say("12_3", "TIMEOUT")
    array: ArrayJob[Any] = fake_cluster.get_array("20")
    never(backend, "20_3", "22_3")
    assert failure(array[3]).root_job_id == "10_3"
    assert failure(array[13]).root_job_id == "12_3"


# --- how it is found out -------------------------------------------------------------------------


def test_one_question_for_each_step_up_the_chain(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.array((10,), count=200)
    files.job(11, "afterok:10")
    for item in range(200):
        backend.say(f"10_{item}", "FAILED" if item == 150 else "COMPLETED")
    job = fake_cluster.get_job("11")
    never(backend, "11")
    assert job.wait(DEADLINE)
    before = len(backend.queries)
    assert failure(job).root_job_id == "10_150"
    assert len(backend.queries) == before + 1


def test_a_scheduler_that_does_not_answer_leaves_the_root_unknown(
    files: Files, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    files.job(1)
    files.job(2, "afterok:1")
    never(backend, "2")
    job = fake_cluster.get_job("2")
    assert job.wait(DEADLINE)
    backend.query_error = SchedulerUnreachable("squeue gave no answer")
    assert failure(job).root_job_id == ""


def test_a_callback_may_ask_why_a_job_never_started(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    """Callbacks run in the thread that sees jobs end: nothing there may wait for its news."""
    asked = threading.Event()
    said: list[BaseException | None] = []

    def ask(job: Job[Any]) -> None:
        said.append(job.exception())
        asked.set()

    root = job_on(fake_cluster, "1")
    leaf = job_of(fake_cluster, "2", dependencies=[root])
    leaf.add_done_callback(ask)
    never(backend, "2")
    backend.say("1", "FAILED")
    assert asked.wait(DEADLINE)
    assert isinstance(said[0], DependencyFailed)
    assert said[0].root_job_id == "1"


# --- what the user wrote for --dependency --------------------------------------------------------


def test_dependencies_that_the_user_wrote_are_noted_too(fake_cluster: Cluster) -> None:
    job = job_on(fake_cluster, "1")
    assert as_metadata(
        [Dependency(job, "afterany").clause], "AfterOk:2:3_1+5,afterany:4_*?singleton"
    ) == [
        {"job_id": "1", "type": "afterany"},
        {"job_id": "2", "type": "afterok"},
        {"job_id": "3_1", "type": "afterok"},
        {"job_id": "4", "type": "afterany"},
    ]


def test_any_of_several_cannot_be_joined_with_all_of_others(fake_cluster: Cluster) -> None:
    """sbatch would take it, and read every comma as 'or'."""
    job = job_on(fake_cluster, "1")
    given = "afterok:2?afterok:3"
    assert option_of([], given) == given
    with pytest.raises(ConfigError, match=r"dependency=.*\(1\)"):
        option_of([Dependency(job).clause], given)


# --- what it failed with -------------------------------------------------------------------------


def ended_with(backend: FakeBackend, job: Job[Any], error: Exception) -> None:
    """The job has left this exception, and its traceback at the end of its stderr as a runner does."""
    backend.finish(job, error)
    traceback = load_envelope(backend.files[job.directory.result]).traceback
    backend.files[job.stderr_path] = f"loading\n{traceback}".encode()


def pair(fake_cluster: Cluster, backend: FakeBackend) -> tuple[Job[Any], Job[Any]]:
    """A job that has failed, and one that waited for it."""
    root = job_on(fake_cluster, "1")
    backend.say("1", "FAILED", source="sacct", exit_code="1:0", node="c1")
    never(backend, "2")
    return root, job_on(fake_cluster, "2", root)


def test_the_error_says_what_the_root_raised_and_where(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    root, job = pair(fake_cluster, backend)
    ended_with(backend, root, ValueError("bad\nluck"))
    error = failure(job)
    assert str(error) == (
        "job 2 (train) never started because job 1 (train) ended as FAILED: ValueError: bad luck. "
        "Its files: /jobs/1\nThe end of its stderr:\nloading"
    )
    assert (error.root_job_dir, error.root_type_name) == ("/jobs/1", "ValueError")
    assert error.root_message == "bad\nluck"
    assert error.stderr.startswith("loading")
    assert isinstance(error.__cause__, ValueError)
    assert isinstance(error.__cause__.__cause__, RemoteTraceback)


def test_a_root_whose_exception_is_not_here_is_told_as_well(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    class Local(Exception):
        """Holds what cannot travel."""

        def __init__(self, message: str) -> None:
            super().__init__(message)
            self.lock = threading.Lock()

    root, job = pair(fake_cluster, backend)
    ended_with(backend, root, Local("at step 3"))
    error = failure(job)
    assert error.root_type_name.endswith("Local")
    assert "Local: at step 3. Its files: /jobs/1" in str(error)
    assert isinstance(error.__cause__, RemoteError)


def test_a_root_without_a_main_guard_is_told_first(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    root, job = pair(fake_cluster, backend)
    unguarded = no_main_guard("submits add")
    ended_with(backend, root, unguarded)
    error = failure(job)
    assert str(error).startswith(str(unguarded))
    assert "if __name__ == '__main__':" in str(error).partition("(job 2")[0]
    assert isinstance(error.__cause__, NoMainGuard)


def test_a_root_that_was_killed_says_how_it_ended(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    root, job = pair(fake_cluster, backend)
    backend.say("1", "OUT_OF_MEMORY", source="sacct", exit_code="0:125", node="c1")
    backend.files["/jobs/1/job.sh"] = b"#!/bin/bash\n#SBATCH --mem=1G\n"
    backend.files[root.stderr_path] = b"last words"
    error = failure(job)
    assert str(error).startswith(
        "job 2 (train) never started because job 1 (train) ended as OUT_OF_MEMORY; asked for mem=1G"
    )
    assert str(error).endswith("Its files: /jobs/1\nThe end of its stderr:\nlast words")
    assert error.stderr == "last words"
    assert isinstance(error.__cause__, JobOutOfMemory)
    assert error.root_type_name == "slurm.errors.JobOutOfMemory"


def test_an_error_with_its_root_travels(fake_cluster: Cluster, backend: FakeBackend) -> None:
    root, job = pair(fake_cluster, backend)
    ended_with(backend, root, ValueError("bad"))
    error = failure(job)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - a moment old
    assert (str(again), again.root_job_dir, again.root_message) == (str(error), "/jobs/1", "bad")
