"""What stands for a job's result where arguments are pickled, in a module by itself: who has a job needs no pickle for it."""

from __future__ import annotations

from typing import NamedTuple, Union


class JobResultPlaceholder(NamedTuple):
    """Stands for the result of another job inside pickled arguments.

    Attributes: `job_id`, the scheduler's id; `job_dir`, where its result file is or will be;
    `count`, for a whole array the number of its items, whose results make a list.
    """

    job_id: str
    job_dir: str = ""
    count: int | None = None  # type: ignore[assignment]  # a tuple has a method of that name


# None for what is to be pickled as it is, a number for a placeholder that travels elsewhere.
Placeholder = Union[JobResultPlaceholder, int, None]
