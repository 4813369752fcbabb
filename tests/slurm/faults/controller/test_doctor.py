"""``slurm doctor`` and ``slurm cluster`` while slurmctld is down: what needs it is skipped, the rest is looked at."""

from __future__ import annotations

import json

import pytest

from faults.site import Site
from slurm import cli

pytestmark = [pytest.mark.slurm, pytest.mark.matrix]


def test_the_controller_is_down(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--slurmfile", str(site.docker.slurmfile)]
    site.docker.kill("slurmctld")
    assert cli.main(["doctor", "--json", *options]) == 1
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    assert [name for name, one in found.items() if one["verdict"] == "FAIL"] == ["controller"]
    assert "slurmctld does not answer" in found["controller"]["fix"]
    skipped = {name for name, one in found.items() if one["verdict"] == "SKIP"}
    assert {"account", "partition", "limits", "job"} <= skipped
    assert found["job-base-dir"]["verdict"] == "PASS"
    for words in ("info", "queue"):
        assert cli.main(["cluster", words, *options]) == 1
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"slurm cluster {words}: ")
