"""What the scheduler says of live jobs: asked for all of them together, and told to whoever waits.

One tracker for each cluster. It may import `slurm.api` and what is below it; what became of a job (`slurm.results`)
and who is told of it (`slurm.callbacks`) are above.

- `record`: what is known of a job or an array; `lone_record`: of a job by itself; `array_record`: of an array, one for all
  of its items, whose statuses are `item_states`; `element_record`, `elements`: views of that, for each item;
  `array_waits`: what of an array's record is for those who wait;
- `submitted_array`: an array as the scheduler has it; `subject`: what a piece of news is about;
- `waiting`: who waits, and is called at the end: what belongs to one process, and is made anew in a forked child;
- `upstream`: what can be waited for, a job or an array, and the `Dependency` on it (sbatch's option itself is made in
  `slurm.sbatch.dependency`);
- `tracker`: the two threads that watch; `live_jobs`: what they watch; `news`: what is done with what they hear; `poll_interval`, `retries`: how often they ask, and what they do when it fails;
- `question`: what the scheduler is asked about, and about whom its answers are; `scheduler_answers`: asks it, and adds up how long each has been missing (`slurm.states` says after how many
  seconds a missing job is lost);
- `reused_ids`: whether a row of the scheduler's is about our job, or about another one with the same id;
- `evidence`: what a row means for one job, whose own files are asked where it says too little;
- `written_ends`: how jobs ended that were found again, by their metadata files;
- `item_records`: what items of packed arrays have left, of many together; `task_records`: where one array task has it, for
  those who ask one after the other; `job_metadata`: what any job has noted of itself;
- `pushed_results`: results that came with the event of an end; `end_notes`: notes on ends that no runner wrote;
- `accounting`: sacct's rows of jobs that failed, asked for and waited for a few seconds;
- `listener`: the interface through which callbacks are told; a cluster without callbacks has this one;
- `interrupts`: notices Ctrl-C in a wait and tells `slurm.results.job_operations`, which may cancel the jobs;
- `deadline`: the end of a timeout; `not_ended`: what is said of jobs that have not ended by then.
"""
