"""What is looked at of a cluster before jobs are sent there, and what it offers: for ``slurm doctor``, ``init`` and ``cluster``.

A check is a pure function of what was asked; each finds one thing, in one line, with what mends it. This room may
import any other but `slurm.cli` and `slurm.runs`.

- `examine`: asks, and has all checks look at the answers, also after one has failed; `asking`: how a cluster is asked;
- `site_probe`: the program that looks around there, Python 3.6 and its standard library alone; `node_task`: the job
  that does so on a node;
- `reaching`: the checks of the Slurmfile and of the connection; `scheduler`: of Slurm, its accounts and limits;
  `directory`: of the directory for jobs; `nodes`: of a node;
- `offers`: the partitions of a cluster and what is free in them.
"""
