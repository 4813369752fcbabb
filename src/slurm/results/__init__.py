"""What became of a job: its value, its task's exception, or why there is neither.

It may import `slurm.tracking` and what is below it, and says nothing to callbacks but through the tracker's listener.

- `outcome`: a value or an exception, read from the result file; `array_results`: those of an array's items;
- `failures`: why there is no result, in words: what was asked for, what was used, what to change (durations and sizes
  are written by `slurm.usage`);
- `efficiency`: what a job used of what it asked for;
- `logs`: what a job has printed, and where that is; `following`: the same as it is written; `never_began`: why the runner of a failed job did not even begin;
- `root_cause`: at which jobs chains of jobs that never started began, by what this process knows (`known_jobs`) and what
  files say (`written_jobs`); `root_error`: what such a one failed with;
- `not_a_value`: what a future says where its result was meant;
- `aggregation`: the results of an array as one file;
- `job_operations`: what can be done with submitted jobs: watch, fetch, cancel, and what Ctrl-C in a wait does to them.

`added_files` hears of what is added to logs, `plain_jobs` of where jobs print that others have submitted, `live_usage` of what a job
that runs has used so far.
"""
