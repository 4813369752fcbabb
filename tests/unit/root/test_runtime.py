"""What a job knows of itself, and what its function is given beside its arguments."""

from __future__ import annotations

import datetime
import time
import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Optional

import pytest
from tests.helpers.fakes import Programs

from slurm import JobContext, WorkflowContext, current_job_context
from slurm.node.binding import CallBinder
from slurm.runtime import bind_job_context

if typing.TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found]

    import slurm

JOB = JobContext("7", "train", Path("/jobs/7"))
CONTEXTS: dict[type, Any] = {JobContext: JOB}


def called(function: Any, *args: Any, **kwargs: Any) -> Any:
    """The call as the runner makes it."""
    bound = CallBinder(function).bind(args, kwargs, CONTEXTS)
    return function(*bound.args, **bound.kwargs)


def as_type(job: JobContext, number: int) -> Any:
    return job, number


def as_text(number: int, job: slurm.JobContext) -> Any:
    return job, number


def as_optional(number: int, job: Optional[JobContext] = None) -> Any:  # noqa: UP045 - one of two ways
    return job, number


def as_union(number: int, job: JobContext | None = None) -> Any:
    return job, number


def beside_a_type_only_a_checker_knows(number: Missing, job: JobContext) -> Any:
    return job, number


def optional_beside_a_type_only_a_checker_knows(
    number: Missing, job: JobContext | None = None
) -> Any:
    return job, number


def keyword_only(number: int, *, job: JobContext) -> Any:
    return job, number


def positional_only(job: JobContext, number: int, /) -> Any:
    return job, number


def last_positional_only(number: int, more: int = 0, job: JobContext | None = None, /) -> Any:
    return job, number


def in_the_middle(number: int, job: JobContext, more: int = 2, *rest: int, **named: int) -> Any:
    return job, number


@pytest.mark.parametrize(
    "function",
    [
        as_type,
        as_text,
        as_optional,
        as_union,
        beside_a_type_only_a_checker_knows,
        optional_beside_a_type_only_a_checker_knows,
        keyword_only,
        positional_only,
        last_positional_only,
        in_the_middle,
    ],
)
def test_a_parameter_annotated_as_a_context_is_filled_in(function: Any) -> None:
    CallBinder(function).check((5,), {})
    assert called(function, 5) == (JOB, 5)


@pytest.mark.parametrize("name", ["context", "ctx", "args", "cluster", "self"])
def test_a_name_alone_is_not_filled_in(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"def f({name}): return {name}", namespace)  # noqa: S102 - a parameter by name
    assert CallBinder(namespace["f"]).injected == {}
    assert called(namespace["f"], 5) == 5
    assert called(namespace["f"], **{name: 5}) == 5


def test_all_other_arguments_keep_their_places() -> None:
    def function(
        a: int, job: JobContext, b: int = 2, *rest: int, c: int = 3, **named: int
    ) -> tuple[Any, ...]:
        return a, job, b, rest, c, named

    assert called(function, 1) == (1, JOB, 2, (), 3, {})
    assert called(function, 1, 9, 8, 7, c=6, d=5) == (1, JOB, 9, (8, 7), 6, {"d": 5})
    assert called(function, b=9, a=1) == (1, JOB, 9, (), 3, {})


def test_a_context_may_be_given_by_name() -> None:
    other = JobContext("8", "other", Path("/jobs/8"))
    assert called(as_optional, 5, job=other) == (other, 5)
    assert called(as_type, number=5, job=other) == (other, 5)


def test_a_context_that_is_not_there_keeps_its_default() -> None:
    def function(ctx: WorkflowContext | None = None, number: int = 1) -> Any:
        return ctx, number

    assert called(function, 5) == (None, 5)


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "missing a required argument: 'number'"),
        ((1, 2), {}, "too many positional arguments"),
        ((1,), {"other": 2}, "unexpected keyword argument 'other'"),
    ],
)
def test_a_wrong_call_is_a_type_error(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        CallBinder(as_type).check(args, kwargs)


def test_an_annotation_may_be_any_text() -> None:
    def function(length: int, width: int) -> int:
        return length * width

    function.__annotations__ = {"length": "in metres", "width": "in metres", "return": "area of it"}
    assert called(function, 2, 3) == 6


# --- the job's own context -----------------------------------------------------------------------


# What Slurm 24.11 sets for the second of four processes on two nodes, started by srun in an array.
IN_A_STEP = {
    "SLURM_JOB_ID": "7",
    "SLURM_ARRAY_JOB_ID": "5",
    "SLURM_ARRAY_TASK_ID": "2",
    "SLURM_SDK_ARRAY_INDEX": "1002",
    "SLURM_JOB_NAME": "train",
    "SLURM_JOB_PARTITION": "gpu",
    "SLURM_JOB_NODELIST": "c[1-2]",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_NTASKS": "4",
    "SLURM_TASKS_PER_NODE": "1(x2)",
    "SLURM_STEP_TASKS_PER_NODE": "1,3",
    "SLURM_CPUS_PER_TASK": "4",
    "SLURM_CPUS_ON_NODE": "12",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_RESTART_COUNT": "1",
    "SLURM_JOB_START_TIME": "1000",
    "SLURM_JOB_END_TIME": "1600",
    "SLURM_EXPORT_ENV": "NONE",
    "CUDA_VISIBLE_DEVICES": "0,3",
}


def job_in(tmp_path: Path, **environ: str) -> JobContext:
    return current_job_context({"SLURM_JOB_ID": "7", "JOB_DIR": str(tmp_path), **environ})


def test_a_job_reads_itself_from_slurms_variables(tmp_path: Path) -> None:
    assert job_in(tmp_path, **IN_A_STEP) == JobContext(
        job_id="5_2",
        job_name="train",
        job_dir=tmp_path,
        partition="gpu",
        node_list="c[1-2]",
        num_nodes=2,
        ntasks=4,
        cpus_per_task=4,
        attempt=2,
        rank=2,
        local_rank=1,
        node_rank=1,
        local_world_size=3,
        cpus_on_node=12,
        gpus=("0", "3"),
        array_job_id="5",
        array_task_id=2,
        array_index=1002,
        end_time=1600.0,
        export="NONE",
    )


def test_what_slurm_does_not_say_is_one_of_each() -> None:
    context = current_job_context({"SLURM_JOB_ID": "7", "JOB_DIR": "/jobs/7"})
    assert context == JobContext("7", "", Path("/jobs/7"), "", "", 1, 1, 1, 1)


def test_slurm_2205_counts_tasks_only_where_they_were_asked_for_by_number(tmp_path: Path) -> None:
    job = job_in(tmp_path, SLURM_JOB_NUM_NODES="3", SLURM_NTASKS_PER_NODE="2")
    assert (job.ntasks, job.world_size) == (6, 6)


@pytest.mark.parametrize(
    ("environ", "gpus"),
    [
        ({"CUDA_VISIBLE_DEVICES": ""}, ()),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8a1,MIG-7"}, ("GPU-8a1", "MIG-7")),
        ({"ROCR_VISIBLE_DEVICES": "1"}, ("1",)),
    ],
)
def test_gpus_are_those_that_programs_see(
    environ: dict[str, str], gpus: tuple[str, ...], tmp_path: Path
) -> None:
    assert job_in(tmp_path, **environ).gpus == gpus


def test_it_is_the_same_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("JOB_DIR", str(tmp_path))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(current_job_context).result() == current_job_context()


# --- its time ------------------------------------------------------------------------------------


def test_the_deadline_is_what_slurm_said_at_the_start(tmp_path: Path) -> None:
    job = job_in(tmp_path, SLURM_JOB_START_TIME="1000", SLURM_JOB_END_TIME="1600")
    assert job.deadline == datetime.datetime(1970, 1, 1, 0, 26, 40, tzinfo=datetime.timezone.utc)
    assert job.time_left == 0.0
    start = int(time.time())
    times = {"SLURM_JOB_START_TIME": str(start), "SLURM_JOB_END_TIME": str(start + 3600)}
    left = job_in(tmp_path, **times).time_left
    assert left is not None
    assert 0 < left <= 3600


def test_a_job_without_a_limit_has_no_deadline(tmp_path: Path) -> None:
    """To have an end to tell, Slurm puts it a year of 365 days after the start."""
    end = str(1000 + 365 * 24 * 3600)
    job = job_in(tmp_path, SLURM_JOB_START_TIME="1000", SLURM_JOB_END_TIME=end)
    assert job.deadline is None
    assert job.time_left is None


@pytest.mark.parametrize(
    ("answer", "deadline"),
    [("echo 1600", 1600.0), ("echo NONE", None), ("true", None), ("exit 1", None)],
)
def test_an_older_slurm_is_asked_for_the_deadline_once(
    answer: str, deadline: float | None, tmp_path: Path, programs: Programs
) -> None:
    programs.add("squeue", answer)
    job_id = str(tmp_path)  # the answer is remembered by it
    job = JobContext(job_id, "train", tmp_path)
    for _ in range(2):
        assert (job.deadline and job.deadline.timestamp()) == deadline
    assert programs.calls("squeue") == [["-h", "-j", job_id, "-o", "%e"]]


def test_where_there_is_no_slurm_to_ask_nobody_knows_a_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert JobContext(str(tmp_path), "train", tmp_path).time_left is None


# --- several nodes -------------------------------------------------------------------------------


def test_all_processes_of_a_job_know_where_to_meet(tmp_path: Path) -> None:
    jobs = [
        job_in(tmp_path, **{**IN_A_STEP, "SLURM_NODEID": node, "SLURM_PROCID": rank})
        for rank, node in zip("0123", "0111")
    ]
    meeting = {(job.master_addr, job.master_port) for job in jobs}
    assert meeting == {("c1", 20007)}
    assert [job.distributed_environment()["RANK"] for job in jobs] == ["0", "1", "2", "3"]
    assert jobs[2].distributed_environment() == {
        "MASTER_ADDR": "c1",
        "MASTER_PORT": "20007",
        "WORLD_SIZE": "4",
        "RANK": "2",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "3",
        "NODE_RANK": "1",
    }


def test_ports_are_free_for_users_and_differ_from_job_to_job() -> None:
    ports = [JobContext(str(n), "train", Path("/jobs")).master_port for n in range(99_900, 100_100)]
    assert len(set(ports)) == len(ports)
    assert min(ports) >= 20_000
    assert max(ports) < 30_000


def test_torchrun_gets_the_same_options_on_every_node(tmp_path: Path) -> None:
    arguments = [
        job_in(tmp_path, **{**IN_A_STEP, "SLURM_NODEID": node}).torchrun_args() for node in "01"
    ]
    assert arguments[0] == arguments[1]
    assert arguments[0] == [
        "--nnodes=2",
        "--nproc-per-node=2",
        "--rdzv-id=5_2",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=c1:20007",
    ]


@pytest.mark.parametrize("export", ["NONE", "none", "NIL", "HOME,LANG=C", "ALL,LANG=C"])
def test_what_srun_starts_has_the_jobs_environment(export: str, tmp_path: Path) -> None:
    two = {"SLURM_JOB_NUM_NODES": "2"}
    assert job_in(tmp_path, SLURM_EXPORT_ENV=export, **two).srun_args()[:2] == [
        "srun",
        "--export=ALL",
    ]
    for none in ({}, {"SLURM_EXPORT_ENV": ""}, {"SLURM_EXPORT_ENV": "ALL"}):
        assert not any("export" in word for word in job_in(tmp_path, **two, **none).srun_args())


def test_a_single_node_needs_no_srun_and_no_name(tmp_path: Path) -> None:
    """A laptop's own name may lead nowhere."""
    job = job_in(tmp_path, SLURM_JOB_NODELIST="laptop")
    assert job.srun_args() == []
    assert job.torchrun_args(nproc_per_node=3) == [
        "--nnodes=1",
        "--nproc-per-node=3",
        "--rdzv-id=7",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=127.0.0.1:20007",
    ]


# --- for who calls functions himself -------------------------------------------------------------


def test_a_function_is_called_with_the_job_it_wants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bind_job_context(as_type, (5,), {}, JOB) == ((JOB, 5), {})
    assert bind_job_context(keyword_only, [], {"number": 5}, JOB) == ((5,), {"job": JOB})
    assert bind_job_context(divmod, (7, 2), {}) == ((7, 2), {})
    with pytest.raises(RuntimeError, match="inside a job only"):
        bind_job_context(as_type, (5,), {})
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("JOB_DIR", str(tmp_path))
    assert bind_job_context(as_type, (5,), {}) == ((current_job_context(), 5), {})
    with pytest.raises(TypeError, match="number"):
        bind_job_context(as_type, (), {})


def test_outside_of_a_job_there_is_no_context() -> None:
    with pytest.raises(RuntimeError, match="SLURM_JOB_ID"):
        current_job_context()


def test_the_environment_is_read_when_somebody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_DIR", str(tmp_path))
    for job_id in ("7", "8"):
        monkeypatch.setenv("SLURM_JOB_ID", job_id)
        assert current_job_context().job_id == job_id


def test_a_job_and_a_workflow_share_in_the_same_place(tmp_path: Path) -> None:
    job, flow = JobContext("7", "train", tmp_path), WorkflowContext(None, "7", tmp_path)
    assert job.job_dir == flow.workflow_job_dir == tmp_path
    assert job.shared_dir == flow.shared_dir == tmp_path / "shared"


def test_the_shared_directory_is_made_on_first_use_and_private(tmp_path: Path) -> None:
    context = JobContext("7", "train", tmp_path)
    assert not (tmp_path / "shared").exists()
    assert context.shared_dir == context.shared_dir == tmp_path / "shared"
    assert context.shared_dir.stat().st_mode & 0o777 == 0o700


def test_a_parameter_for_any_number_of_contexts_is_the_callers() -> None:
    def many(*jobs: JobContext, **named: JobContext) -> Any:
        return jobs, named

    assert bind_job_context(many, ["job"], {"other": "job"}) == (("job",), {"other": "job"})
