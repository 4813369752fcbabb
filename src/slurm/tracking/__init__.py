"""The scheduler's word on live jobs: asked for all of them together, and told to whoever waits.

One tracker for each cluster. It may import `slurm.api` and what is below it; what became of a job (`slurm.results`)
and who is told of it (`slurm.callbacks`) are above.

- `tracker`: the two threads that watch; `poll_interval`, `retries`: how often they ask, and what they do when it fails;
- `scheduler_answers`, `reused_ids`: what the scheduler says, told apart from other jobs that got an id;
- `evidence`: what it means for one job, whose own files are asked where it says too little;
- `pushed_results`: results that came with the news of an end; `end_notes`: notes on ends that no runner wrote;
- `accounting`: what is on record of jobs that failed;
- `listener`: who is told what happens, and does nothing; `interrupts`: what Ctrl-C in a wait does.
"""
