"""What is measured: a module each, with `run(session)`, in the order of `CATALOGUE`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.measured import (
    arrays,
    growth,
    housekeeping,
    hundred_jobs,
    imports,
    job_end,
    large_result,
    live_jobs,
    local_backend,
    many_nodes,
    one_job,
    packagings,
    profile_submission,
    small_calls,
    starting,
)
from benchmarks.session import Session

CATALOGUE: Mapping[str, Callable[[Session], None]] = {
    "start": starting.run,
    "one-job": one_job.run,
    "profile": profile_submission.run,
    "hundred-jobs": hundred_jobs.run,
    "arrays": arrays.run,
    "job-end": job_end.run,
    "live-jobs": live_jobs.run,
    "growth": growth.run,
    "many-nodes": many_nodes.run,
    "large-result": large_result.run,
    "packaging": packagings.run,
    "import": imports.run,
    "local": local_backend.run,
    "small-calls": small_calls.run,
    "housekeeping": housekeeping.run,
}
