"""The agent: the one implementation of "talk to Slurm and to files".

This package travels. On a login node it is imported; over SSH it is sent through the channel as one
text (see `slurm.api.agent_text`), under another name, and run by whatever ``python3`` the cluster
has. Its modules therefore import each other relatively, beside them the standard library only,
nothing else from ``slurm``, and run on Python 3.6.

`Agent` answers named requests, of which each module ``..._requests`` has one kind. `SlurmCommands` is
the dialect of ``sbatch``, ``squeue``, ``sacct`` and ``scancel``: a scheduler that is not Slurm (the
local one) takes its place and nothing else changes. Every job imports the modules for files, so what
only some need is imported where they need it.
"""
