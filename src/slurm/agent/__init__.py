"""The agent: the one implementation of "talk to Slurm and to files".

This package travels. On a login node it is imported; over SSH it is sent through the channel as one
text (see `slurm.api.agent_text`), under another name, and run by whatever ``python3`` the cluster
has. Its modules therefore import each other relatively, beside them the standard library only,
nothing else from ``slurm``, and run on Python 3.6.

`Agent` answers named requests, of which each module ``..._requests`` has one kind. `SlurmCommands` is
the dialect of ``sbatch``, ``squeue``, ``sacct`` and ``scancel``: a scheduler that is not Slurm (the
local one) takes its place and nothing else changes. Every job imports the modules for files, so what
only some need is imported where they need it: as ``from . import listing``, for threads that say ``from .listing import x`` at
once are told by Python 3.9.2 and older that the module is partially initialized (https://bugs.python.org/issue43517).

- `agent`: the agent itself; `server`, `frames`: at the end of two pipes; `loader`: out of memory;
- `submit_requests`, `job_requests`, `metadata_requests`, `file_requests`, `tree_requests`, `copy_requests`, `staging_requests`,
  `program_requests`, `package_requests`, `record_requests`, `clean_up_requests`, `list_requests`,
  `log_requests`;
- `submission`, `receipts`: one submission, at most once, also when sbatch's answer is lost;
- `parallel`: several at once; `needed`: what jobs need is there, and stays until they are on record;
- `packages`: what lies there for many jobs; `package_users`: which jobs use it; `package_listing`, `package_removal`;
- `clean_up`: removing what no job needs any more: `old_jobs`, `old_receipts`; `job_marks`: that jobs were used lately;
  `aside`, `removal`: so that nobody meets half of it;
- `slurm_commands`, `commands`: Slurm's commands, and how they are run; `sbatch`: the one that submits;
  `queries`: squeue and sacct; `offers`: sinfo and sacctmgr; `tables`, `job_ids`: what those print;
- `files`, `directories`, `locks`: files that appear whole, directories that are private, one writer at a time;
- `regular_files`: what is a file of bytes, and not a named pipe in its place; `users`: who this is, and its home;
- `listing`: what jobs have noted, in few words each, for lists of them;
- `array_ends`: notes on ends of items that could not say so themselves;
- `record_frames`, `record_files`: what the items of packed arrays have left, many in one file;
- `json_files`: small ones that several processes write; `event_files`: by which a runner says that it has finished;
- `directory_names`: what lies where below a ``job_base_dir``; `programs`: those that are started; `errors`.
"""
