"""The job script: one snapshot, and hostile text that stays text when bash runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from slurm import Cluster, task
from slurm.errors import ConfigError
from slurm.job_dir.paths import JobDirectory
from slurm.rendering import Environment, ScriptSpec, options_in, render_job_script

SNAPSHOT = """\
#!/bin/bash
#SBATCH --job-name="my job"
#SBATCH --mem=4G
#SBATCH --output=/base/train/1/slurm_%j.out
#SBATCH --requeue

# Written by slurm-tasks 1.2.
export JOB_DIR=/base/train/1
export SLURM_SDK_EVENT_DIR='/base/.events/c f'
export SLURM_SDK_TOKEN=aa
export SLURM_SDK_LAUNCHED_AT="$EPOCHREALTIME"
exec /usr/bin/python3 -u /base/.sdk/abc "$JOB_DIR"
"""
HOSTILE = """ ' " \\ $(touch pwned) `touch pwned` $HOME ; touch pwned & # * ~"""


def spec(path: str = "/base/train/1", **changes: Any) -> ScriptSpec:
    values: dict[str, Any] = {
        "options": {
            "output": f"{path}/slurm_%j.out",
            "mem": "4G",
            "job-name": "my job",
            "requeue": "",
        },
        "environment": Environment(["/usr/bin/python3"]),
        "sdk_directory": "/base/.sdk/abc",
        "sdk_version": "1.2",
        "exports": {"SLURM_SDK_EVENT_DIR": "/base/.events/c f", "SLURM_SDK_TOKEN": "aa"},
    }
    return ScriptSpec(JobDirectory(path), **{**values, **changes})


def ran(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-s"], input=script, cwd=cwd, capture_output=True, text=True, check=False
    )


def probe(folder: Path) -> str:
    """An interpreter that prints its arguments and what the script exported."""
    path = folder / "odd 'python' $(x)"
    path.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$JOB_DIR" "$EXTRA"\nexit 5\n')
    path.chmod(0o755)
    return str(path)


def test_a_whole_script() -> None:
    assert render_job_script(spec()) == SNAPSHOT


def test_what_packaging_adds_stands_around_the_command_and_keeps_its_status(tmp_path: Path) -> None:
    environment = Environment(
        [probe(tmp_path)], setup=["export EXTRA=set-up"], cleanup=["echo cleaned up"]
    )
    done = ran(render_job_script(spec(environment=environment)), tmp_path)
    assert done.stdout.splitlines() == [
        "-u",
        "/base/.sdk/abc",
        "/base/train/1",
        "/base/train/1",
        "set-up",
        "cleaned up",
    ]
    assert done.returncode == 5


@pytest.mark.parametrize(
    "path",
    ["/a b/c", "/it's", '/"quoted"', "/$(touch pwned)", "/`touch pwned`", "/a;b&c#d*~", "/-n"],
)
def test_odd_paths_reach_the_program_as_they_are(path: str, tmp_path: Path) -> None:
    script = render_job_script(
        spec(
            path,
            environment=Environment([probe(tmp_path), "--opt", "two words"]),
            sdk_directory=f"{path}/.sdk",
            exports={"EXTRA": HOSTILE + path},
        )
    )
    done = ran(script, tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        *("--opt", "two words", "-u"),
        *(f"{path}/.sdk", path, path, HOSTILE + path),
    ]
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("value", [HOSTILE, "$(touch pwned)", "`touch pwned`"])
def test_no_option_reaches_the_shell(value: str, tmp_path: Path) -> None:
    script = render_job_script(
        spec(options={"job-name": value}, environment=Environment([probe(tmp_path)]))
    )
    assert ran(script, tmp_path).stderr == ""
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "value", ["a\n#SBATCH --uid=0", "a\ntouch pwned", "a\rb", "\x1b[2J", "\x85"]
)
def test_a_line_break_in_an_option_is_refused(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        render_job_script(spec(options={"job-name": value}))
    assert "\n" not in str(caught.value)


def test_every_directive_comes_before_the_first_command() -> None:
    """sbatch stops reading directives there."""
    lines = render_job_script(spec(environment=Environment(["p"], setup=["#SBATCH --x"]))).split(
        "\n"
    )
    assert lines.index("") == 1 + len(spec().options)
    assert all(line.startswith("#SBATCH --") for line in lines[1 : lines.index("")])


# --- the same through a cluster ------------------------------------------------------------------


def named(name: str) -> Any:
    def function() -> None:
        pass

    function.__name__ = name
    return task(function)


def test_the_directives_are_the_tasks_options(fake_cluster: Cluster) -> None:
    request = fake_cluster.dry_run(named("train").with_options(mem="3G", cpus_per_task=2))
    lines = request.files["job.sh"].decode().splitlines()
    assert {"#SBATCH --mem=3G", "#SBATCH --cpus-per-task=2"} <= set(lines)


def test_output_and_error_go_to_the_jobs_directory(fake_cluster: Cluster) -> None:
    request = fake_cluster.dry_run(named("train"))
    lines = request.files["job.sh"].decode().splitlines()
    assert f"#SBATCH --output={request.job_dir}/slurm_%j.out" in lines
    assert f"#SBATCH --error={request.job_dir}/slurm_%j.err" in lines


@pytest.mark.parametrize(
    "name",
    ["../../../etc/cron.d/x", "a b", "$(touch pwned)", "it's", '"', "-rf", "<lambda>", "x" * 300],
)
def test_a_hostile_task_name_stays_in_its_place(
    name: str, fake_cluster: Cluster, tmp_path: Path
) -> None:
    request = fake_cluster.dry_run(named(name))
    assert Path(request.job_dir).parent.parent == Path(fake_cluster.job_base_dir)
    checked = subprocess.run(
        ["bash", "-n"], input=request.files["job.sh"], capture_output=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, b"")
    assert request.options["job-name"] == name


@pytest.mark.parametrize("name", ["a\n#SBATCH --uid=0", "a\x00b"])
def test_a_task_name_with_a_line_break_is_refused(name: str, fake_cluster: Cluster) -> None:
    with pytest.raises(ConfigError, match="control character"):
        fake_cluster.dry_run(named(name))


def test_a_percent_in_the_base_directory_is_no_pattern(tmp_path: Path) -> None:
    with Cluster("slurm", job_base_dir=tmp_path / "100%j done") as cluster:
        request = cluster.dry_run(named("train"))
        cluster.close()
    assert "/100%%j done/" in request.options["output"]
    assert request.options["output"].endswith("/slurm_%j.out")


def test_a_base_directory_that_slurm_cannot_write_output_to_is_refused(tmp_path: Path) -> None:
    cluster = Cluster("slurm", job_base_dir=tmp_path / "back\\slash")
    with pytest.raises(ConfigError, match="backslash"):
        cluster.dry_run(named("train"))
    cluster.close()


def test_a_printed_request_shows_a_command_that_can_be_run_and_the_script(
    tmp_path: Path,
) -> None:
    import shlex

    cluster = Cluster("slurm", job_base_dir=tmp_path / "a b")
    request = cluster.dry_run(named("train").with_options(comment="mine too"))
    cluster.close()
    command, files, *script = str(request).splitlines()
    assert shlex.split(command) == request.argv
    assert "payload.pkl" in files
    assert "\n".join(script) + "\n" == request.files["job.sh"].decode()


def test_the_options_in_a_script_are_those_it_was_made_with() -> None:
    options = {"comment": HOSTILE, "mem": "4G", "requeue": "", "output": "/it's 100%/ü #/%j.out"}
    assert options_in(render_job_script(spec(options=options))) == options
