"""What the jobs of a run have printed, as evidence: as far as it can be had, and it says what cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.helpers.runs_home import Distant, Run

from slurm.errors import TransportError
from slurm.runs import logs


@pytest.fixture
def far() -> Distant:
    return Distant()


def run_of(tmp_path: Path, **changes: Any) -> Run:
    job_dir = tmp_path / "cluster" / "job"
    job_dir.mkdir(parents=True)
    submission = {"job_dir": str(job_dir), "script": f"{job_dir}/run_slurm.sbatch"}
    return Run(tmp_path, **{"submission": submission, **changes})


def printed(tmp_path: Path, *names: str) -> None:
    for name in names:
        path = tmp_path / "cluster" / "job" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def here(run: Run) -> set[str]:
    folder = run.path.parent / "logs"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("request_", "there", "wanted"),
    [
        ({}, ("slurm_4711.out", "slurm_4711.err", "slurm_47.out"), "slurm_4711.out slurm_4711.err"),
        ({}, ("slurm-4711.out", "other"), "slurm-4711.out"),
        (
            {"output": "log/%x-%6j.txt", "job-name": "train"},
            ("log/train-004711.txt",),
            "train-004711.txt",
        ),
        ({"output": "o/%j", "error": "e/%j"}, ("o/4711", "e/4711"), "4711 other-4711"),
        ({"output": "%x", "chdir": "sub"}, ("sub/run_slurm.sbatch",), "run_slurm.sbatch"),
        (
            {"array": "1-3"},
            ("slurm-4711_1.out", "slurm-4711_3.out"),
            "slurm-4711_1.out slurm-4711_3.out",
        ),
        ({"output": "%N.log"}, ("node1.log",), "node1.log"),
    ],
)
def test_logs_are_where_the_script_says(
    request_: dict[str, str], there: tuple[str, ...], wanted: str, tmp_path: Path, far: Distant
) -> None:
    run = run_of(tmp_path, resource_request=request_)
    printed(tmp_path, *there)
    assert logs.copy_logs(run.manifest, far) == ([f"logs/{one}" for one in wanted.split()], "")
    assert here(run) == set(wanted.split())
    modes = {path.stat().st_mode & 0o777 for path in (run.path.parent / "logs").iterdir()}
    assert modes == {0o600}


def test_a_directory_of_the_sdk_has_those_of_all_its_jobs(tmp_path: Path, far: Distant) -> None:
    run = run_of(tmp_path, sdk={"job_dir": str(tmp_path / "cluster" / "job"), "kind": "workflow"})
    names = ["slurm_1.out", "slurm_1.err", "tasks/train/a/slurm_2.out"]
    printed(tmp_path, *names, "result.pkl", "shared/slurm_x")
    files, error = logs.copy_logs(run.manifest, far)
    assert (set(files), error) == ({f"logs/{one}" for one in names}, "")
    assert here(run) == set(names)


def test_the_end_of_a_long_log_is_what_counts(tmp_path: Path, far: Distant) -> None:
    run = run_of(tmp_path)
    (tmp_path / "cluster/job/slurm_4711.out").write_bytes(b"begin" + bytes(logs.LAST - 3) + b"end")
    logs.copy_logs(run.manifest, far)
    content = (run.path.parent / "logs/slurm_4711.out").read_bytes()
    assert (len(content), content[-3:], content[:1]) == (logs.LAST, b"end", b"\0")


def test_what_cannot_be_had_is_said(tmp_path: Path, far: Distant) -> None:
    run = run_of(tmp_path)
    assert logs.copy_logs(run.manifest, far) == ([], f"there is no log in {tmp_path}/cluster/job")
    (tmp_path / "cluster/job/slurm_4711.out").mkdir()
    printed(tmp_path, "slurm_4711.err")
    files, error = logs.copy_logs(run.manifest, far)
    assert files == ["logs/slurm_4711.err"]
    assert error.startswith("Is a directory: ")


def test_a_run_without_a_directory_has_no_logs(tmp_path: Path, far: Distant) -> None:
    assert "submission.job_dir" in logs.copy_logs(Run(tmp_path).manifest, far)[1]


def test_an_unreachable_cluster_is_the_callers(tmp_path: Path, far: Distant) -> None:
    run = run_of(tmp_path)

    def cut(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        raise TransportError("no route to host")

    far.between = cut
    with pytest.raises(TransportError):
        logs.copy_logs(run.manifest, far)
