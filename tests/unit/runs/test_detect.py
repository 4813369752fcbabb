"""Where runs go: a declared location, commands with a controller that answers, or the Slurmfile's cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.clicked import run

from slurm import Cluster
from slurm.cli.detect import command
from slurm.errors import ConfigError, SchedulerUnreachable, TransportError
from slurm.runs.detect import COMMANDS, Detection, detect

Install = Callable[..., None]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    root.chmod(0o755)
    monkeypatch.chdir(root)
    for name in ("SLURMFILE", "SLURM_ENV"):
        monkeypatch.delenv(name, raising=False)
    return root


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts programs on a PATH that has nothing else: those named answer with success and nothing."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(*names: str, sinfo: str = "echo debug; echo gpu") -> None:
        for name in names:
            program = folder / name
            body = sinfo if name == "sinfo" else "exit 0"
            program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{body}\n")
            program.chmod(0o755)

    return install


def evidence(found: Detection) -> dict[str, bool | None]:
    return {probe.name: probe.found for probe in found.evidence}


def test_with_commands_and_a_controller_that_answers_it_is_slurm(install: Install) -> None:
    install(*COMMANDS)
    found = detect()
    assert (found.location, found.source, found.script) == ("slurm", "commands", "run_slurm.sbatch")
    assert found.why == "Slurm's commands are here, and the controller answers (2 partitions)"
    assert evidence(found) == {
        "design.yaml": None,
        **dict.fromkeys(COMMANDS, True),
        "controller": True,
    }


@pytest.mark.parametrize("missing", COMMANDS)
def test_without_one_of_the_commands_it_is_local(missing: str, install: Install) -> None:
    install(*(name for name in COMMANDS if name != missing))
    found = detect()
    assert (found.location, found.script) == ("local", "run_local.sh")
    assert found.why.startswith(f"there is no {missing} on the PATH")
    assert evidence(found)[missing] is False


@pytest.mark.parametrize(
    ("sinfo", "says"),
    [
        (
            "echo slurm_load_partitions: Unable to contact slurm controller >&2; exit 1",
            "Unable to contact slurm controller",
        ),
        ("exit 3", "sinfo exited with 3"),
        ("echo debug; exit 1", "debug"),
        ("printf '\\033[31mno\\nno\\n' >&2; exit 1", "?[31mno no"),
        ("kill -9 $$", "sinfo exited with -9"),
    ],
)
def test_a_dead_controller_means_local_and_is_said(sinfo: str, says: str, install: Install) -> None:
    install(*COMMANDS, sinfo=sinfo)
    found = detect()
    assert found.location == "local"
    assert "the controller does not answer: " in found.why
    assert says in found.why
    assert evidence(found)["controller"] is False


def test_a_controller_that_hangs_means_local_and_is_left_with_all_it_started(
    install: Install, tmp_path: Path
) -> None:
    install(*COMMANDS, sinfo=f"sleep 600 & echo $! > {tmp_path}/pid; wait")
    found = detect(longest=0.5)  # not after the 600 s: they are longer than a test may take
    assert found.location == "local"
    assert found.why.endswith("the controller is silent: sinfo did not answer within 0.5 s")
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not _is_alive(pid), "what sinfo started has ended")


def _is_alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_sinfo_that_cannot_be_run_means_local(install: Install, tmp_path: Path) -> None:
    install(*COMMANDS)
    (tmp_path / "bin/sinfo").write_text("#!/not/there\n")
    found = detect()
    assert found.location == "local"
    assert "sinfo cannot be run" in found.why


def test_a_surrounding_job_is_not_asked_about(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(*COMMANDS, sinfo='test -z "$SINFO_FORMAT$SLURM_CLUSTERS"')
    monkeypatch.setenv("SINFO_FORMAT", "nonsense")
    monkeypatch.setenv("SLURM_CLUSTERS", "other")
    assert detect().location == "slurm"


@pytest.mark.parametrize(("backend", "location"), [("local", "local"), ("ssh", "slurm")])
def test_a_backend_that_is_named_decides(install: Install, backend: str, location: str) -> None:
    install(*(COMMANDS if backend == "local" else ()))
    found = detect(backend=backend)
    assert (found.location, found.source) == (location, "backend")


# --- a declared location ---------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["slurm", "local"])
def test_a_declared_location_wins(location: str, install: Install, project: Path) -> None:
    install(*(COMMANDS if location == "local" else ()), sinfo="exit 1")
    (project / "design.yaml").write_text(f"compute: {{location: {location}}}")
    found = detect(design=Path("design.yaml"))
    assert (found.location, found.source) == (location, "design")
    assert found.why == f"design.yaml declares compute.location: {location}"


def test_the_nearest_design_of_the_project_is_read(install: Install, project: Path) -> None:
    install()
    (project.parent / "design.yaml").write_text("compute: {location: nonsense}")
    (project / "design.yaml").write_text("compute: {location: slurm}")
    (project / "plan/iter1/runs").mkdir(parents=True)
    assert detect(project / "plan/iter1/runs").location == "slurm"
    (project / "plan/iter1/design.yaml").write_text("mine: 1")
    found = detect(project / "plan/iter1/runs")
    assert found.location == "local"
    assert found.evidence[0].text.endswith("plan/iter1/design.yaml does not say compute.location")
    (project / "design.yaml").unlink()
    assert detect(project).evidence[0].text == "there is no design.yaml"


# --- the Slurmfile's cluster -----------------------------------------------------------------------

SSH = '[default]\ncallbacks = ["not.there:Callback"]\n[default.cluster]\nbackend = "ssh"\n[default.cluster.backend_config]\nhostname = "login"\n'


def answering(monkeypatch: pytest.MonkeyPatch, answer: Mapping[str, Any] | Exception) -> None:
    def get_cluster_info(self: Cluster) -> Mapping[str, Any]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Cluster, "get_cluster_info", get_cluster_info)


def test_without_commands_the_slurmfiles_cluster_is_asked(
    install: Install, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    (project / "Slurmfile.toml").write_text(SSH)
    answering(monkeypatch, {"partitions": [{"partition": "gpu"}]})
    found = detect()
    assert (found.location, found.source) == ("slurm", "cluster")
    assert found.why.endswith(
        f"but the cluster of {project}/Slurmfile.toml (ssh) answers (1 partition)"
    )


@pytest.mark.parametrize(
    "error",
    [TransportError("no route\nto host"), SchedulerUnreachable("no controller"), OSError("ssh")],
)
def test_a_cluster_that_cannot_be_reached_means_local_and_is_said(
    error: Exception, install: Install, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    (project / "Slurmfile.toml").write_text(SSH)
    answering(monkeypatch, error)
    found = detect()
    assert found.location == "local"
    assert "(ssh) cannot be reached: " in found.why
    assert " ".join(str(error).split()) in found.why


def test_a_slurmfile_for_a_login_node_where_no_commands_are_means_local(
    install: Install, project: Path
) -> None:
    install()
    (project / "Slurmfile.toml").write_text('[default.cluster]\nbackend = "slurm"\n')
    found = detect()
    assert found.location == "local"
    assert "(slurm) cannot be reached: " in found.why


def test_a_local_cluster_is_not_asked(install: Install, project: Path) -> None:
    install()
    (project / "Slurmfile.toml").write_text('[default.cluster]\nbackend = "local"\n')
    found = detect()
    assert (found.location, found.source) == ("local", "commands")
    assert found.why.endswith("Slurmfile.toml names the backend local")


def test_where_there_are_commands_the_slurmfile_is_not_read(
    install: Install, project: Path
) -> None:
    install(*COMMANDS, sinfo="exit 1")
    (project / "Slurmfile.toml").write_text("nonsense")
    assert detect().location == "local"


def test_a_bad_slurmfile_is_refused(install: Install, project: Path) -> None:
    install()
    (project / "Slurmfile.toml").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"Slurmfile\.toml"):
        detect()


# --- the command -----------------------------------------------------------------------------------


def test_the_command_prints_the_location_first_and_why(install: Install) -> None:
    install(*COMMANDS)
    said = run(command)
    assert said.status == 0
    lines = said.out.splitlines()
    assert lines[0] == "slurm"
    assert lines[1].startswith("why: Slurm's commands are here")
    assert lines[2] == "launch script: run_slurm.sbatch"
    assert [line.split()[0] for line in lines[3:]] == ["design.yaml", *COMMANDS, "controller"]


def test_the_command_prints_json(install: Install) -> None:
    install("sinfo")
    found = json.loads(run(command, "--json").out)
    assert (found["location"], found["source"], found["script"]) == (
        "local",
        "commands",
        "run_local.sh",
    )
    assert {"name": "sbatch", "found": False, "text": "not on the PATH"} in found["evidence"]


@pytest.mark.parametrize("text", ["compute: {location: cloud}", "compute: ["])
def test_the_command_refuses_a_bad_design(text: str, project: Path) -> None:
    (project / "design.yaml").write_text(text)
    for arguments in ((), ("--design", "design.yaml")):
        said = run(command, *arguments)
        assert said.status == 2
        assert said.out == ""
        assert "design.yaml, line 1: " in said.line


def test_the_command_refuses_a_design_that_is_not_there() -> None:
    assert run(command, "--design", "none.yaml").status == 2


def test_the_help_has_an_example() -> None:
    assert "slurm detect --design plan/iter1/design.yaml" in run(command, "--help").out


def test_this_process_is_left_as_it_was(install: Install) -> None:
    install(*COMMANDS)
    before = dict(os.environ)
    detect()
    assert dict(os.environ) == before
