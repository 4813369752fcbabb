"""Each command imports what it needs and no other's modules: a command is there as fast as its imports."""

from __future__ import annotations

import json

import pytest
from tests.helpers.printed_json import commands
from tests.helpers.processes import RunPython

from slurm.cli.commands import root

# A forked child for each command, which begins with what `slurm.cli` alone has loaded.
PROGRAM = """
import json, os, sys, tempfile
import slurm.cli
start = set(sys.modules)
found = {}
for words in json.loads(sys.argv[1]):
    with tempfile.TemporaryFile() as file:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            slurm.cli.main([*words.split(), "--help"])
            file.write(json.dumps(sorted(set(sys.modules) - start)).encode())
            file.flush()
            os._exit(0)
        os.waitpid(child, 0)
        file.seek(0)
        found[words] = json.load(file)
print(json.dumps(found))
"""
SHARED = {
    *("slurm.cli.commands", "slurm.cli.output", "slurm.cli.progress", "slurm.cli.doctor"),
    "slurm.cli.job_output",  # of slurm submit --follow as well
    # Jobs and sbatch's options are named alike everywhere.
    *("slurm.cli.jobs", "slurm.cli.jobs.found", "slurm.cli.jobs.sbatch_words"),
}
LATE = {
    "rich",
    "textual",
    "pytest",
    "testcontainers",
    "cloudpickle",
    "slurm.testing.docker_cluster",
}
OF_RUNS = ("runs", "run", "launch", "verify", "policy", "detect", "slurm-job-list")


@pytest.fixture(scope="module")
def words() -> list[str]:
    return [one for one, _ in commands(root())]


def test_a_command_imports_only_what_it_needs(run_python: RunPython, words: list[str]) -> None:
    found = json.loads(run_python("-c", PROGRAM, json.dumps(words)).stdout)
    assert set(found) == set(words)
    for command, modules in found.items():
        room = command.split()[0].replace("-", "_")
        own = {name for name in modules if name.startswith("slurm.cli.")}
        foreign = {one for one in own - SHARED if not one.startswith(f"slurm.cli.{room}")}
        if room in OF_RUNS or command.split()[0] in OF_RUNS:
            foreign = {one for one in foreign if not one.startswith("slurm.cli.runs")}
        else:
            assert not [one for one in modules if one.startswith("slurm.runs.")], command
        assert not foreign, command
        assert not LATE & set(modules), command
