"""Tests of this project on a real Slurm, with each fixture that the SDK's plugin brings."""

from __future__ import annotations

import json
import urllib.request
from itertools import islice

import pytest
from curves.data import DEGREES
from curves.flow import fit

from slurm.errors import SubmissionRefused

TIMEOUT = 300.0


@pytest.fixture(params=["slurm_exec", "slurm_ssh"])
def commands(request):
    """Both ways to a machine of the cluster have one interface."""
    return request.getfixturevalue(request.param)


def test_jobs_run_the_project_that_is_mounted(cluster, slurm_project):
    with cluster:
        fitted = fit(3).get_result(TIMEOUT)
    assert fitted["error"] == 0
    assert fitted["at"]["code"] == f"{slurm_project.there}/src/curves/flow.py"
    assert fitted["at"]["python"] == "/shared/venv"


def test_what_is_not_allowed_is_refused(cluster):
    with cluster, pytest.raises(SubmissionRefused):
        fit.with_options(account="nosuch")(1)


def test_the_controller_is_asked_without_ssh(slurm_rest):
    request = urllib.request.Request(
        f"{slurm_rest.url}/slurm/{slurm_rest.data_parsers[-1]}/jobs",
        headers={"X-SLURM-USER-NAME": "dev", "X-SLURM-USER-TOKEN": slurm_rest.token()},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert "jobs" in json.load(answer)


def test_the_clusters_accounts_know_a_job(slurm_cluster, commands):
    submit = ["sbatch", "--parsable", "--wait", "--wrap", "true"]
    job = commands.run(submit, timeout=TIMEOUT).stdout.strip()
    told = slurm_cluster.exec(
        "login", ["sacct", "-X", "-n", "-P", "-j", job, "-o", "Account,State"]
    )
    assert told.stdout.strip() == "physics|COMPLETED"


@pytest.mark.parametrize("python", ["python3", "/shared/venv/bin/python"])
def test_every_python_of_a_node_can_import_it(commands, python):
    program = "import curves.data, tabulate; print(*curves.data.DEGREES)"
    printed = commands.run([python, "-c", program], on="c1").stdout
    assert printed == f"{' '.join(map(str, DEGREES))}\n"
    assert commands.run(["/shared/venv/bin/curves-degrees"], on="c1").stdout == printed


def test_what_is_changed_here_is_changed_there_at_once(slurm_project, commands):
    new = slurm_project.here / "src/curves/new.py"
    for text in ("one", "two"):
        new.write_text(f"print({text!r})\n")
        assert commands.run([slurm_project.python, "-m", "curves.new"]).stdout == f"{text}\n"
    new.unlink()


def test_commands_are_given_words_and_say_how_they_ended(commands):
    words = ["a b", "$HOME", "'", "*"]
    printed = commands.run(["printf", "%s\n", *words], on="c1")
    assert printed.stdout.splitlines() == words
    assert commands.run("cat; echo no >&2; exit 3", input="été", check=False).returncode == 3
    assert commands.run(["cat"], input="été").stdout == "été"
    assert commands.run("hostname; whoami; pwd", on="c1").stdout.split() == [
        "c1",
        "dev",
        "/shared/home/dev",
    ]


def test_output_can_be_read_while_a_command_runs(commands):
    with commands.start("echo first; read line; echo got $line; sleep 1000", on="c1") as process:
        assert next(process.stdout) == "first\n"
        process.stdin.write("it\n")
        assert list(islice(process.stdout, 1)) == ["got it\n"]
    assert process.returncode not in (None, 0)
    assert "sleep 1000" not in commands.run(["ps", "-eo", "args"], on="c1").stdout


def test_files_there_are_written_and_read(commands):
    content = bytes(range(256)) * 100
    commands.write_file("deep/below/a file", content)
    assert commands.read_file("/shared/home/dev/deep/below/a file", on="c1") == content
    assert commands.run("ls deep/below").stdout == "a file\n"


def test_a_broken_controller_is_healed(disturbed_cluster):
    disturbed_cluster.kill("slurmctld")
    pinged = disturbed_cluster.over_exec.run(["scontrol", "ping"], check=False)
    assert "DOWN" in pinged.stdout  # with Slurm 20.11, its status is 0 all the same
