"""Reaching Slurm: backends that know Slurm and files, and never tasks.

It may import `slurm.agent`, `slurm.local`, `slurm.sbatch`, `slurm.job_dir`, `slurm.config` and the root's `errors`
and `states`.

- `base`: what every backend must be able to do; `requests`: what goes to one and comes from it, plain data;
- `by_name`: which backends there are, and how each is made from configuration; `site`: where the jobs of one cluster go;
- `agent_backend`: a backend that asks an agent; `local`, `slurm_cli` and `ssh` have it near and far;
- `agent_text`, `transport`, `connection`, `pipes`, `liveness`, `ssh_command`, `ssh_master`, `ssh_errors`: the way to
  an agent at the other end of ssh;
- `transfers`, `disk_and_memory`: files of any size on that way.
"""
