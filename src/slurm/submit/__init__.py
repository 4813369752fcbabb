"""From a call to a job: everything between a task and a backend.

It may import `slurm.callbacks`, `slurm.results`, `slurm.packaging`, `slurm.tracking` and what is below them.

- `calls`: a call of a task, and of a mapped one, as plain data;
- `payload`: what travels for it; `prepare`: the requests it becomes;
- `submitter`: hands them to the backend; `batch`, `arrays`: those that are submitted later, or together;
- `reattach`: jobs that an earlier client submitted, found again.
"""
