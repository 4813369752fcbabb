"""Programs to read, run and copy from.

They import what a user would: names of ``slurm``, and ``slurm.config.command_line`` for their options. The tutorial
and the tests run them.
"""
