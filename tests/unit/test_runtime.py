"""What a job knows of itself, and what its function is given beside its arguments."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any, Optional

import pytest

from slurm import JobContext, WorkflowContext, current_job_context
from slurm.runtime import CallBinder

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


def test_a_job_reads_itself_from_slurms_variables(tmp_path: Path) -> None:
    context = current_job_context(
        {
            "SLURM_JOB_ID": "7",
            "SLURM_JOB_NAME": "train",
            "JOB_DIR": str(tmp_path),
            "SLURM_JOB_PARTITION": "gpu",
            "SLURM_JOB_NODELIST": "c[1-2]",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_NTASKS": "8",
            "SLURM_CPUS_PER_TASK": "4",
            "SLURM_RESTART_COUNT": "1",
        }
    )
    assert context == JobContext("7", "train", tmp_path, "gpu", "c[1-2]", 2, 8, 4, 2)


def test_what_slurm_does_not_say_is_one_of_each() -> None:
    context = current_job_context({"SLURM_JOB_ID": "7", "JOB_DIR": "/jobs/7"})
    assert context == JobContext("7", "", Path("/jobs/7"), "", "", 1, 1, 1, 1)


def test_outside_of_a_job_there_is_no_context() -> None:
    with pytest.raises(RuntimeError, match="SLURM_JOB_ID"):
        current_job_context()


def test_the_shared_directory_is_made_on_first_use_and_private(tmp_path: Path) -> None:
    context = JobContext("7", "train", tmp_path)
    assert not (tmp_path / "shared").exists()
    assert context.shared_dir == context.shared_dir == tmp_path / "shared"
    assert context.shared_dir.stat().st_mode & 0o777 == 0o700
