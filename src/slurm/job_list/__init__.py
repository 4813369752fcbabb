"""Lists of jobs: what the queue, the accounts and the jobs' own directories tell, put together. Pure.

It may import `slurm.api`, `slurm.job_tree`, `slurm.job_dir` and what is below them; it asks nobody.

::

    BackendBase.list_jobs   one round trip -> JobListing                          api
      -> rows               what a scheduler says of a job, in numbers and states
      -> owners             which directory of ours a row is about, if any
      -> merge              -> ListedJob, an array as one                         listed
      -> filters, chosen    those that somebody wants to see, or names
      -> table, as_json     columns; JSON; why jobs wait: reasons
"""

from __future__ import annotations

from slurm.job_list.filters import Filter
from slurm.job_list.listed import ListedJob
from slurm.job_list.merge import jobs_in

__all__ = ["Filter", "ListedJob", "jobs_in"]
