"""Reaching Slurm: backends that know Slurm and files, and never tasks.

It may import `slurm.agent`, `slurm.local`, `slurm.sbatch`, `slurm.job_dir`, `slurm.config` and the root's `errors`
and `states`.

- `base`: what every backend must be able to do; `requests`: what goes to one and comes from it, plain data;
- `by_name`: which backends there are, and how each is made from configuration;
- `site`: where the jobs of one cluster go;
- `agent_backend`: a backend that asks an agent; `local`, `slurm_cli` and `ssh` have it near and far;
- `ssh_command`, `ssh_master`, `ssh_errors`: how ssh is called, the one login that calls share, and what its words mean;
- `agent_text`: the agent as one text; `transport`: questions and answers to it through one ssh, over `pipes`;
  `liveness`: whether the other end still lives; `connection`: made again when it is lost;
- `transfers`, `disk_and_memory`: files of any size on that way.
"""
