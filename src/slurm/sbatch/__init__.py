"""What may be asked of ``sbatch``: its options, checked before anything is submitted, and what they mean.

Everything here is pure: text and plain data in, text and plain data out; nobody is asked, nothing is read
from a file. It may import `slurm.config.slurmfile` and `slurm.job_dir`, and the root's `errors`, `usage` and `states`.

- `options`: Python keywords to checked text, and from there to ``#SBATCH`` lines;
- `grammar`: what is wrong with a value that has a grammar of its own (gres, dependency, signal);
- `values`: what a value means (a signal, a size in memory);
- `overlay`: options of several places, one over the other;
- `signal_and_requeue`: how a job is warned of its end, and how often it may come back;
- `dependency`: what a job waits for;
- `array_layout`: how the items of an array lie in array tasks and directories.
"""
