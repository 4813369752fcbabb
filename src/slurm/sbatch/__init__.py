"""What may be asked of ``sbatch``: its options, checked before anything is submitted, and what they mean.

Everything here is pure: text and plain data in, text and plain data out; nobody is asked, nothing is read
from a file. It may import `slurm.config` and `slurm.job_dir`, and the root's `errors`, `usage` and `states`.

- `options`: which options there are; Python keywords to checked text (names, flags, time limits, sizes, counts),
  and from there to ``#SBATCH`` lines;
- `other_names`: what others call an option, for those who ask for it by that name;
- `grammar`: the checks of the three whose values are composed: gres, dependency, signal;
- `plain_values`: the plain value behind what a program gives (members of enumerations, numpy's scalars, lists);
- `values`: what a checked value means (a signal, a size in memory);
- `refusal_words`: what sbatch says when it refuses a job, and what can be done about that;
- `overlay`: options of several places, one over the other;
- `signal_and_requeue`: the signal before a job's time limit, and how often it may be requeued;
- `filename_pattern`: what Slurm puts in the place of ``%j`` and its like in the names of output files;
- `dependency`: the value of ``--dependency``: clauses merged, joined, and as metadata has them;
- `array_layout`: how an array is cut into submissions (MaxArraySize), array tasks and directories.
"""
