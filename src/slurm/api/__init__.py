"""Reaching Slurm: backends that know Slurm and files, and never tasks."""
