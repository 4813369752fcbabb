"""From a call to a job: everything between a task and a backend.

It may import `slurm.callbacks`, `slurm.results`, `slurm.packaging`, `slurm.tracking` and what is below them.

- `calls`: a call of a task, and of a mapped one, as plain data;
- `draft`: everything that its requests are made of; `packing`: arguments and function, pickled as they are at the call,
  and what travels in which file;
- `effects`: what is done before a submission can be made (code is packaged), and who is asked in its place for a dry
  run (each packaging strategy's `preview`);
- `prepare`: from a draft to requests, pure;
- `output`: where a job's output goes, and the directories for it;
- `submitter`: hands requests to the backend; `refusals`: the errors for what the backend refused; `code_again`: what becomes
  of a call whose code was removed there;
- `batch`: calls that are submitted together; `arrays`: mapped calls, which wait for their first use;
- `reattach`: jobs that an earlier client submitted, found again; `rerun`: submitted again as they were, by `old_scripts`.
"""
