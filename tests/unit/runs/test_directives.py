"""What a batch script asks for."""

from __future__ import annotations

import pytest

from slurm.runs.directives import directives
from slurm.sbatch.options import OPTIONS
from slurm.sbatch.other_names import SHORT


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("", {}),
        ("#!/bin/bash\nhostname\n#SBATCH --mem=1G\n", {}),
        ("#!/bin/bash\n\n# a word\n#SBATCH --mem=1G\n#SBATCH --mem=2G\n", {"mem": "2G"}),
        ("#SBATCH --mem 1G -N2 -n 4\n", {"mem": "1G", "nodes": "2", "ntasks": "4"}),
        ("#SBATCH --job-name='two words' # no option --x\n", {"job-name": "two words"}),
        ("#SBATCH --requeue --exclusive\n", {"requeue": "", "exclusive": ""}),
        ("##SBATCH --mem=1G\n# SBATCH --mem=1G\n", {}),
        ("#SBATCH --comment='not closed\n#SBATCH -p gpu\n", {"partition": "gpu"}),
        ("#SBATCH -t\n", {"time": ""}),
    ],
)
def test_lines_are_read_as_sbatch_reads_them(script: str, options: dict[str, str]) -> None:
    assert directives(script) == options


def test_short_names_are_those_of_options() -> None:
    assert set(SHORT.values()) <= OPTIONS | {"array", "dependency", "input", "clusters", "chdir"}
