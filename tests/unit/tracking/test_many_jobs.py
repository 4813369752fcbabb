"""What many jobs cost: in proportion to their number, by the steps it takes. The backend is a fake."""

from __future__ import annotations

from collections.abc import Callable

from tests.helpers.counted import assert_linear, steps_of
from tests.helpers.fakes import FakeBackend, job_on, tracker_of

from slurm import Cluster, as_completed, task
from slurm.states import JobState, JobStatus, Observation


@task
def double(number: int) -> int:
    return 2 * number


class Idle(FakeBackend):
    """Says the same of all jobs; and its client hears of it when the test has it ask."""

    state = JobState.RUNNING

    def query_jobs(self, job_ids: object) -> list[Observation]:
        assert isinstance(job_ids, list)
        self.queries.append(job_ids)
        return [Observation(one, "squeue", self.state) for one in job_ids]


def patient(backend: FakeBackend) -> Cluster:
    return Cluster(backend, job_base_dir="/jobs", poll_interval_min=3600, poll_interval_max=3600)


def test_items_that_share_a_job_are_watched_one_by_one() -> None:
    cluster = patient(Idle())

    def submit(count: int) -> Callable[[], object]:
        return cluster.map(double, range(count), pack=count).submit

    assert_linear(submit, 150)
    cluster.close()


def test_items_are_pickled_one_by_one() -> None:
    cluster = patient(Idle())
    assert_linear(lambda count: lambda: cluster.map(double, range(count), pack=count), 150)
    cluster.close()


def test_items_end_and_are_given_one_by_one() -> None:
    backend = Idle()
    cluster = patient(backend)

    def end(count: int) -> Callable[[], object]:
        backend.state = JobState.RUNNING
        array = cluster.map(double, range(count), pack=count // 10).submit()
        backend.state = JobState.FAILED

        def ended() -> None:
            assert not array.is_completed()
            for number in range(3):
                array[number].get_status()
            assert len(list(as_completed(array))) == count
            assert array.wait(0)
            assert not array.is_successful()

        return ended

    assert_linear(end, 150)
    cluster.close()


def test_whether_any_has_failed_takes_no_look_at_each_node() -> None:
    """Who waits for all results asks that at every news."""
    cluster = patient(Idle())

    def steps(count: int) -> int:
        array = cluster.map(double, range(count)).submit()
        for number, job in enumerate(array):
            [record] = job.records
            record.observe(JobStatus(JobState.RUNNING, node=f"c{number}"))
        return steps_of(lambda: array.known.has_failed)

    assert steps(500) <= steps(50)
    cluster.close()


def test_jobs_end_one_by_one() -> None:
    cluster = patient(backend := Idle())

    def end(count: int) -> Callable[[], object]:
        backend.state = JobState.RUNNING
        jobs = [job_on(cluster, str(number)) for number in range(count)]
        backend.state = JobState.CANCELLED
        return lambda: [job.get_status() for job in jobs]

    assert_linear(end, 100)
    cluster.close()


def test_nothing_is_made_of_what_the_scheduler_says_again() -> None:
    cluster = patient(backend := Idle())
    jobs = [job_on(cluster, str(number)) for number in range(10)]
    array = cluster.map(double, range(10), pack=5).submit()
    tracker_of(cluster).interval_min = 0.0
    assert jobs[0].get_status() == "RUNNING"
    known = [job.status for job in (*jobs, *array)]
    assert jobs[0].get_status() == array[0].get_status() == "RUNNING"
    assert all(job.status is before for job, before in zip((*jobs, *array), known))
    assert backend.reads == []
    cluster.close()


def test_the_status_of_each_new_job_is_asked_for_by_itself() -> None:
    """Not of all that are live, each time."""
    cluster = patient(backend := Idle())
    jobs = []
    for number in range(50):
        jobs.append(job_on(cluster, str(number)))
        assert jobs[-1].get_status() == "RUNNING"
    assert len(jobs) <= sum(map(len, backend.queries)) <= 2 * len(jobs)
    assert jobs[0].get_status() == "RUNNING"
    cluster.close()


def test_new_jobs_are_asked_for_together() -> None:
    cluster = patient(backend := Idle())
    assert job_on(cluster, "first").get_status() == "RUNNING"
    jobs = [job_on(cluster, str(number)) for number in range(50)]
    assert {str(job.get_status()) for job in jobs} == {"RUNNING"}
    assert len(backend.queries) <= 3
    cluster.close()


def test_jobs_that_have_ended_are_given_one_by_one() -> None:
    cluster = patient(backend := Idle())
    backend.state = JobState.COMPLETED
    jobs = [job_on(cluster, str(number)) for number in range(300)]
    tracker_of(cluster).interval_min = 0.0  # what was said last is old, and all are asked for
    tracker_of(cluster).refresh(jobs[-1].records[0])
    assert all(job.is_completed() for job in jobs)

    def take(count: int) -> Callable[[], object]:
        return lambda: list(as_completed(jobs[:count]))

    assert_linear(take, 150)
    cluster.close()
