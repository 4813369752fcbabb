"""Fits curves on the cluster that a Slurmfile names: ``python fit_curves.py SLURMFILE FOLDER``."""

from __future__ import annotations

import json
import sys

from curves.flow import fit_all

from slurm import Cluster

if __name__ == "__main__":
    slurmfile, folder = sys.argv[1:]
    with Cluster.from_env(slurmfile):
        job = fit_all(folder)
    print(json.dumps(job.get_result(timeout=500)))
