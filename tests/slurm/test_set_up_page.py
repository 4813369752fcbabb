"""The page set-up-a-cluster.md: its commands, on a cluster with accounts, do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from tests.helpers.pages import blocks, run, script_of
from tests.helpers.site_pythons import this_python, write_program

import slurm
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

PAGE = Path(__file__).parents[2] / "docs/how-to/set-up-a-cluster.md"


def test_what_is_typed_does_what_the_page_says(site: DockerCluster, tmp_path: Path) -> None:
    """Of the checks it compares verdicts and names: the rest is of the reader's machines. The partition here is another one."""
    project = tmp_path.resolve() / "project"
    project.mkdir()
    config = project.parent / "ssh_config"
    config.write_text(
        re.sub(rf"\b{re.escape(site.project)}$", "hpc", site.ssh_config.read_text(), flags=re.M)
    )
    python = this_python(project.parent / "bin/python")
    write_program(python.with_name("slurm"), f'exec {shlex.quote(str(python))} -m slurm.cli "$@"')
    marked = [one for one in blocks(PAGE) if one.is_of("cluster")]
    script = script_of(marked).replace("--partition cpu", "--partition others")
    more = {
        "PYTHONPATH": str(Path(slurm.__file__).parents[1]),
        "SLURM_TASKS_CONFIG_FILE": str(config),
    }
    search = f"export PATH={shlex.quote(str(python.parent))}:$PATH\n"
    written = run(["bash", "-c", search + script], project, 600, more)
    outputs = re.split(r"<<<\d+>>>\n", written)[1:]
    for block, output in zip(marked, outputs):
        heads = [line.partition(": ")[0] for line in output.splitlines()]
        assert {line.partition(": ")[0] for line in block.shown.splitlines()} <= set(heads), output
