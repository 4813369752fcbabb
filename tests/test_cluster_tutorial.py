"""The tutorial that leads from a laptop to a cluster: its commands, on the dockerised one, print what it shows."""

from __future__ import annotations

import os
import secrets
import shlex
from pathlib import Path

import pytest
from tests.helpers.pages import blocks, require_shown, run, script_of
from tests.helpers.site_pythons import this_python

import slurm
from slurm.testing import DockerCluster

PAGE = Path(__file__).parents[1] / "docs/tutorials/from-laptop-to-cluster.md"


@pytest.mark.slurm
def test_what_is_typed_prints_what_the_page_shows(
    slurm_cluster: DockerCluster, tmp_path: Path
) -> None:
    project = tmp_path.resolve() / "project"
    project.mkdir()
    given = slurm_cluster.slurmfile.read_text()
    assert "~/slurm_jobs" in given
    home = f"/shared/work/tutorial-{secrets.token_hex(4)}"
    (project / "Slurmfile.toml").write_text(given.replace("~/slurm_jobs", home))
    python = this_python(project.parent / "bin/python")
    search = f"export PATH={shlex.quote(str(python.parent))}:$PATH\n"
    marked = [one for one in blocks(PAGE) if one.is_of("cluster")]
    path = os.pathsep.join([str(Path(slurm.__file__).parents[1])])
    written = run(["bash", "-c", search + script_of(marked)], project, 600, {"PYTHONPATH": path})
    require_shown(marked, written)
