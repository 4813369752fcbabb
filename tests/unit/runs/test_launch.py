"""``slurm launch``: what it writes, what it submits, and what it refuses before anything is done."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.helpers.run_project import SCRIPT, RunProject

from slurm.runs import store
from slurm.runs.launch_script import checked, interpreter, job_script

pytestmark = pytest.mark.local


def test_a_launch_writes_a_manifest_and_a_line_and_does_not_wait(project: RunProject) -> None:
    project.script("#!/bin/bash\n#SBATCH -p cpu --mem=1M\nsleep 600\n")
    said = project.run("launch", status=0)
    manifest = project.manifest
    assert Path(manifest.path).parent == project.iteration / "runs" / manifest.run_id
    assert (manifest.status, manifest.job_id) == ("submitted", "1")
    assert manifest.content["command"] == "run_slurm.sbatch"
    assert manifest.content["host_mode"] == "slurm"
    assert manifest.content["resource_request"] == {"partition": "cpu", "mem": "1M"}
    assert manifest.completed_at is None
    assert said.out.startswith(f"run_id={manifest.run_id} job_id=1 status=submitted")
    date = f"{manifest.started_at:%Y-%m-%d}"
    line = (
        f"- {date} | job_id=1 | iteration_id=iter1 | run_id={manifest.run_id} | status=submitted\n"
    )
    assert project.ledger.endswith(line)
    project.run("runs", "cancel", manifest.run_id, status=None)


def test_the_job_is_the_script_itself_in_its_iteration(project: RunProject) -> None:
    project.script(
        "#!/usr/bin/env python3\n#SBATCH --time=5\n"
        "import json, os, sys\n"
        "about = [os.getcwd(), sys.argv, os.environ['RUN_ID'], os.environ['SLURM_SUBMIT_DIR'], __file__]\n"
        "open(os.environ['RUN_OUTPUTS'] + '/about.json', 'w').write(json.dumps(about))\n"
    )
    manifest = project.launched()
    project.job_ended()
    here, argv, run_id, submit_dir, file = json.loads(
        (project.folder / "outputs/about.json").read_text()
    )
    assert here == submit_dir == str(project.iteration)
    assert run_id == manifest.run_id
    assert argv == [file]
    assert os.path.basename(file) == "run_slurm.sbatch"


def test_two_launches_in_one_second_are_two_runs(project: RunProject) -> None:
    first, second = project.launched(), project.launched()
    assert first.run_id != second.run_id
    assert {first.job_id, second.job_id} == {"1", "2"}


def test_a_local_run_is_a_process_of_this_machine_and_in_no_ledger(project: RunProject) -> None:
    project.design("compute: {location: local}\n")
    project.script("#!/bin/bash\necho hello\n", "run_local.sh")
    project.run("launch", "--job-base-dir", project.base, status=0)
    manifest = project.manifest
    assert (manifest.content["host_mode"], manifest.content["command"]) == ("local", "run_local.sh")
    assert not (project.root / "docs").exists() or "run_id" not in project.ledger


def test_a_dry_run_writes_nothing_and_submits_nothing(project: RunProject) -> None:
    said = project.run("launch", "--dry-run", status=0)
    assert "sbatch --parsable" in said.out
    assert "#SBATCH --time=5" in said.out
    shown = project.json("launch", "--dry-run", status=0)
    assert shown["command"][:2] == ["sbatch", "--parsable"]
    assert project.manifests() == []
    assert not project.base.exists()


def test_the_policys_dry_run_comes_first(project: RunProject) -> None:
    program = "import sys; print('trying', sys.argv[1:]); sys.exit(int(sys.argv[1]))"
    project.write("dry.py", program)
    command = "{{python_bin}} dry.py CODE {{iteration_id}} {{host_mode}} $HOME;"
    project.write(".slurm/policy.yaml", f'dry_run_command: "{command.replace("CODE", "3")}"\n')
    refused = project.run("launch", status=1)
    assert (
        refused.line
        == "the dry run of iter1 failed with exit status 3: trying ['3', 'iter1', 'slurm', '$HOME;']"
    )
    assert project.manifests() == []
    project.write(".slurm/policy.yaml", f'dry_run_command: "{command.replace("CODE", "0")}"\n')
    assert "trying ['0', 'iter1', 'slurm', '$HOME;']" in project.run("launch", status=0).err
    assert len(project.manifests()) == 1


@pytest.mark.parametrize(("smoke", "status"), [("true", 1), ("false", 0)])
def test_the_runs_health_is_looked_at_after_its_submission_where_the_policy_asks(
    project: RunProject, smoke: str, status: int
) -> None:
    """Here the iteration's design has gone: it is a link to what is not there."""
    project.write("design.yaml", "compute: {location: slurm}\n")
    (project.iteration / "design.yaml").unlink()
    (project.iteration / "design.yaml").symlink_to("/not/there")
    project.write(".slurm/policy.yaml", f"requirements_by_stage.launch.env_smoke: {smoke}\n")
    said = project.run("launch", "--design", "../../design.yaml", status=status)
    assert project.manifest.job_id == "1"  # it is launched in any case
    assert said.out.startswith(f"run_id={project.manifest.run_id} job_id=1 status=submitted")
    assert (f"FAIL {project.manifest.run_id} design: " in said.err) is bool(status)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (b"echo hello\n", "its first line must name its interpreter, as #!/bin/bash"),
        (b"#!\necho hello\n", "its first line must name its interpreter, as #!/bin/bash"),
        (b"#!/bin/bash\r\necho hello\r\n", "its lines end as on Windows (CR LF): convert it"),
        (b"#!/bin/bash\necho \xff\n", "it is no UTF-8 text (line 2)"),
        (b"#!/bin/bash\necho \0\n", "there is a zero byte in it"),
    ],
)
def test_what_is_no_batch_script_is_refused(project: RunProject, script: bytes, why: str) -> None:
    (project.iteration / "run_slurm.sbatch").write_bytes(script)
    refused = project.run("launch", status=2)
    assert why in refused.line
    assert "run_slurm.sbatch" in refused.line
    assert project.manifests() == []


def test_without_its_script_a_launch_says_which_is_missing(project: RunProject) -> None:
    (project.iteration / "run_slurm.sbatch").rename(project.iteration / "run_local.sh")
    refused = project.run("launch", status=2)
    assert "has no run_slurm.sbatch, which location slurm needs" in refused.line
    assert "it has run_local.sh: declare its compute.location" in refused.line


def test_outside_of_an_iteration_a_launch_says_where_to_go(
    project: RunProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    assert "is in no iteration" in project.run("launch", status=2).line
    assert project.run("launch", "--iteration", "plan/iter1", status=0)
    assert "there is no such directory" in project.run("launch", "--iteration", "x", status=2).line


@pytest.mark.usefixtures("fake_slurm")
def test_a_backend_that_is_named_decides_where_it_runs(project: RunProject) -> None:
    """Unless the design declares it; also where Slurm is."""
    (project.iteration / "design.yaml").unlink()
    project.script("#!/bin/bash\n", "run_local.sh")
    project.run("launch", "--backend", "local", "--job-base-dir", project.base, status=0)
    assert project.manifest.content["host_mode"] == "local"


def test_what_the_scheduler_refused_is_submitted_again_and_not_a_second_time(
    project: RunProject,
) -> None:
    project.script("#!/bin/bash\n#SBATCH --mem=900000G\ntrue\n")
    refused = project.run("launch", status=1)
    manifest = project.manifest
    assert (manifest.status, manifest.job_id) == ("pending", "")
    assert manifest.section("submission")["outcome"] == "rejected"
    assert "Requested node configuration is not available" in refused.out
    assert "mend the script, then: slurm run" in refused.out
    assert (
        f"job_id= | iteration_id=iter1 | run_id={manifest.run_id} | status=pending"
        in project.ledger
    )
    project.script(SCRIPT)
    project.run("launch", status=0)
    again = project.manifest  # there is one still
    assert (again.run_id, again.status, again.job_id) == (manifest.run_id, "submitted", "1")
    assert again.content["resource_request"] == {"time": "5"}


def test_a_directory_that_cannot_be_written_is_said_before_anything_is_submitted(
    project: RunProject,
) -> None:
    (project.iteration / "runs").write_text("in the way")
    refused = project.run("launch")
    assert refused.status in (1, 2)
    assert "runs" in refused.line
    assert store.find(project.root) == []
    assert not (project.base / "runs").exists()


def test_lines_for_sbatch_stay_in_the_header() -> None:
    text = checked(
        b"#!/bin/sh -e x\n#SBATCH -p gpu\n\n# words\n#SBATCH hetjob\nsrun a\n#SBATCH -t 5\n", "it"
    )
    made = job_script(text, "/a b/run", {"RUN_ID": "r 1"}).decode()
    assert made.splitlines() == [
        "#!/bin/bash",
        "#SBATCH -p gpu",
        "#SBATCH hetjob",
        "export RUN_ID='r 1'",
        "exec /bin/sh '-e x' '/a b/run'",
    ]
    assert interpreter("#! /usr/bin/env  python3 -u \n") == "/usr/bin/env 'python3 -u'"


@pytest.mark.parametrize(
    "name",
    [
        *("a b", "it's", "$(touch PWNED)", "`touch PWNED`", "a;touch PWNED", "snow\u2603", "-rf"),
        *("--help", "a%jb", "a\\b", 'q"q', "#SBATCH", "*?[a]", "~root", "{{x}}", " ", "x" * 200),
    ],
)
def test_an_iteration_may_have_any_name_that_can_be_printed(
    project: RunProject, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.iteration = project.iteration.rename(project.iteration.with_name(name))
    monkeypatch.chdir(project.iteration)
    manifest = project.launched()
    project.job_ended()
    project.run("run", status=0)
    ledger = ("--manifest", manifest.path)
    project.run("slurm-job-list", "verify", *ledger, "--strict", status=0)
    project.run("verify", "--stage", "launch", status=0)
    assert list(project.root.rglob("PWNED")) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a|b", "rename the directory"),
        ("a\nb", "rename the directory"),
        ("\x1b[2J", "rename the directory"),
        (os.fsdecode(b"caf\xe9"), "rename the directory"),
        (".hidden", "runs are not looked for in .hidden"),
        ("node_modules", "runs are not looked for in node_modules"),
    ],
)
def test_an_iteration_whose_runs_could_not_be_found_is_refused(
    project: RunProject, name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.iteration = project.iteration.rename(project.iteration.with_name(name))
    monkeypatch.chdir(project.iteration)
    for words in (("launch",), ("launch", "--dry-run"), ("runs", "adopt", "1")):
        line = project.run(*words, status=2).line
        assert why in line
        assert line.isprintable()
    assert not (project.iteration / "runs").exists()
