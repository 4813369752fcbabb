"""The page on CI: its two files can be read as YAML, and their commands test the sample project here.

What stands around the commands, runners, services and caches, is not here: that is said of it what can be.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from tests.helpers.fakes import Programs
from tests.helpers.installed_wheel import InstalledWheel, copy_of_the_sample
from tests.helpers.pages import blocks

from slurm.testing.image import ClusterImage

PAGE = Path(__file__).parents[1] / "docs/how-to/run-tests-in-ci.md"
SHELLS = {"github": ["bash", "-e", "-o", "pipefail", "-c"], "gitlab": ["bash", "-e", "-c"]}
# This machine's engine has images of others as well: those of the cluster are its own here.
DOCKER = """\
[ "$1 $2" != "image ls" ] || { echo "$CLUSTER_IMAGE"; exit; }
exec "$REAL_DOCKER" "$@"
"""


def files() -> dict[str, Any]:
    """The files of the page, by whose they are."""
    yaml = [one.text for one in blocks(PAGE) if one.language == "yaml"]
    github, gitlab = (YAML(typ="safe").load(text) for text in yaml)
    return {"github": github, "gitlab": gitlab}


def job_of(file: Mapping[str, Any]) -> Mapping[str, Any]:
    """Its one job."""
    [job] = file.get("jobs", file).values()
    return dict(job)


def steps(whose: str) -> Iterator[tuple[str, str]]:
    """The commands of a file, each with the condition of its step, or nothing."""
    job = job_of(files()[whose])
    if whose == "github":
        for step in job["steps"]:
            if "run" in step:
                yield step["run"], step.get("if", "")
    else:  # which hands all lines to one shell
        yield "\n".join([*job["before_script"], *job["script"]]), ""


@pytest.mark.parametrize("whose", SHELLS)
def test_each_installs_the_extra_tests_and_keeps_a_report(whose: str) -> None:
    commands = "\n".join(command for command, _ in steps(whose))
    assert "pip install 'slurm-tasks[testing]'" in commands
    assert "python -m pytest --junitxml=report.xml" in commands
    assert "--slurm-keep" not in commands
    assert "${{" not in commands, "what a run says is not pasted into commands"
    job = job_of(files()[whose])
    archive = re.search(r"docker save --output (\S+)", commands)
    assert archive is not None
    assert f"docker load --input {archive[1]}" in commands
    if whose == "github":
        cached = [one["with"]["path"] for one in job["steps"] if "cache@" in one.get("uses", "")]
        kept = [one["with"]["path"] for one in job["steps"] if "upload" in one.get("uses", "")]
        assert (cached, kept) == ([archive[1]], ["report.xml"])
        assert files()["github"]["permissions"] == {"contents": "read"}
    else:
        assert archive[1].startswith(job["cache"]["paths"][0])
        assert job["artifacts"]["reports"] == {"junit": "report.xml"}
        assert job["variables"]["DOCKER_HOST"] == f"tcp://{job['services'][0]['alias']}:2376"


@pytest.mark.slurm
@pytest.mark.matrix
@pytest.mark.parametrize("whose", SHELLS)
def test_the_commands_of_each_test_the_sample(
    whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine's engine, with some of the sample's tests. The packages of Debian are here; a fake says which are asked for."""
    found = shutil.which("docker") or "docker"
    programs = Programs(tmp_path / "programs")
    programs.add("docker", DOCKER)
    programs.add("apt-get", "exit 0")
    release = os.environ.get("DEBIAN_RELEASE") or "trixie"
    monkeypatch.setenv("REAL_DOCKER", found)
    monkeypatch.setenv("CLUSTER_IMAGE", ClusterImage(release, rest=True).name)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:cacheprovider -k every_python")
    installed = InstalledWheel(tmp_path)
    installed.make([])
    for folder in (programs.folder, installed.python.parent):
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    project = copy_of_the_sample(tmp_path / "curves")
    for is_cached in (False, True):
        for command, condition in steps(whose):
            if condition != f"steps.image.outputs.cache-hit {'!=' if is_cached else '=='} 'true'":
                installed.run([*SHELLS[whose], command], project)
        (report := project / "report.xml").replace(tmp_path / f"report-{is_cached}.xml")
        assert 'failures="0"' in (tmp_path / f"report-{is_cached}.xml").read_text()
        assert not report.exists()
    loads = [call for call in programs.calls("docker") if call[0] == "load"]
    assert len(loads) == 1, "what the first run has saved, the second one loads"
