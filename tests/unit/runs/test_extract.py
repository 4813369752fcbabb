"""The effect of an extraction: what is read, what is asked, and the file that is written."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tests.helpers.measured_tasks import diverge, half, train
from tests.helpers.run_manifests import RUN_ID, written

from slurm import Cluster
from slurm.errors import ConfigError, SchedulerUnreachable
from slurm.runs import store
from slurm.runs.extract import InProgress, MetricsError, extract, look, value_of
from slurm.runs.manifest import Manifest
from slurm.runs.metrics import Artifacts, Missing
from slurm.runs.moments import moment_of

AT = moment_of("2026-02-18T18:00:00Z")
LATER = moment_of("2026-02-19T18:00:00Z")
SYNCED = {"status": "synced", "artifact_sync_to_local": {"status": "ok"}}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


def run(root: Path, outputs: dict[str, str] | None = None, **changes: Any) -> Manifest:
    path = written(root, **{**SYNCED, **changes})
    for name, text in (outputs or {}).items():
        file = path.parent / "outputs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return store.read(path)


def design(root: Path, text: str) -> None:
    (root / "plan/iter1").mkdir(parents=True, exist_ok=True)
    (root / "plan/iter1/design.yaml").write_text(text)


def metrics(of: Manifest) -> Path:
    return Path(of.path).parent / "metrics.json"


def test_what_was_extracted_stands_in_a_private_file(root: Path) -> None:
    design(root, "metrics: {accuracy: {file: out/eval.json, key: accuracy}}")
    ended = run(root, {"out/eval.json": '{"accuracy": 0.9}'})
    said = extract(ended, at=AT)
    assert said["metrics"] == {"accuracy": 0.9}
    assert json.loads(metrics(ended).read_text()) == said
    assert stat.S_IMODE(metrics(ended).stat().st_mode) == 0o600


def test_the_same_again_is_the_same_file(root: Path) -> None:
    ended = run(root, {"metrics.json": '{"accuracy": 0.9}'})
    extract(ended, at=AT)
    before = metrics(ended).read_bytes(), metrics(ended).stat().st_ino
    assert extract(ended, at=LATER)["extracted_at"] == "2026-02-18T18:00:00Z"
    assert (metrics(ended).read_bytes(), metrics(ended).stat().st_ino) == before
    (metrics(ended).parent / "outputs/metrics.json").write_text('{"accuracy": 1}')
    assert extract(ended, at=LATER)["extracted_at"] == "2026-02-19T18:00:00Z"


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"extracted_at": 5}'])
def test_what_else_stands_in_the_file_is_replaced(root: Path, text: str) -> None:
    ended = run(root, {"metrics.json": '{"accuracy": 0.9}'})
    metrics(ended).write_text(text)
    assert extract(ended, at=AT)["metrics"] == {"accuracy": 0.9}


def test_a_place_that_cannot_be_written_is_one_clear_line(root: Path) -> None:
    ended = run(root)
    metrics(ended).mkdir()
    with pytest.raises(MetricsError, match=r"metrics\.json: it is a directory$"):
        extract(ended, at=AT)


@pytest.mark.parametrize("status", ["submitted", "running"])
def test_of_a_run_in_progress_nothing_is_written(root: Path, status: str) -> None:
    going = run(root, status=status)
    with pytest.raises(InProgress, match=f"run {RUN_ID} is {status}: it has not ended"):
        extract(going, at=AT)
    assert not metrics(going).exists()


def test_a_design_that_cannot_be_read_is_refused_before_anything_is_written(root: Path) -> None:
    design(root, "metrics: [accuracy]")
    ended = run(root)
    with pytest.raises(ConfigError, match=r"design\.yaml, line 1: metrics is a list"):
        extract(ended, at=AT)
    assert not metrics(ended).exists()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "outputs/f.json is no JSON (line 1, column 2: Expecting property name"),
        ("\ufeff{}", "outputs/f.json is no JSON (line 1, column 1: Unexpected UTF-8 BOM"),
        ('{"a": NaN}', "outputs/f.json:a is nan"),
        ('{"a": 1e999}', "outputs/f.json:a is inf"),
        ('{"a": ' + "9" * 5000 + "}", "outputs/f.json has a number that is too long"),
        ("[" * 100_000, "outputs/f.json is nested too deeply"),
    ],
)
def test_files_that_hold_no_numbers_are_evidence(root: Path, text: str, why: str) -> None:
    design(root, "metrics: {a: {file: f.json, key: a}}")
    said = extract(run(root, {"f.json": text}), at=AT)
    assert (said["status"], said["metrics"]) == ("partial", {"a": None})
    assert said["missing_evidence"][0]["why"].startswith(why)


def test_what_is_no_file_does_not_hold_it_up(root: Path) -> None:
    design(root, "metrics: {a: {file: pipe, key: a}, b: {file: folder, key: b}}")
    ended = run(root, {"folder/x": ""})
    os.mkfifo(Path(ended.path).parent / "outputs/pipe")
    whys = [one["why"] for one in extract(ended, at=AT)["missing_evidence"]]
    assert whys == [
        "outputs/pipe cannot be read: Not a regular file but a named pipe",
        "outputs/folder cannot be read: Is a directory",
    ]


def test_required_artifacts_are_looked_for(root: Path) -> None:
    design(root, "artifacts: {required: [model.pt, out, '*.log']}")
    said = extract(run(root, {"out/x": "", "train.log": ""}), at=AT)
    assert [one["what"] for one in said["missing_evidence"]] == ["outputs/model.pt"]


def test_files_of_artifacts_that_did_not_all_arrive_are_not_read(root: Path) -> None:
    ended = run(root, {"metrics.json": '{"a": 1}'}, artifact_sync_to_local={"status": "failed"})
    assert look(ended, None) == Artifacts()
    assert extract(ended, at=AT)["metrics"] == {}


# Values of tasks


def test_the_value_of_a_task_has_its_metrics(root: Path, local: Cluster) -> None:
    job = train(0.5)
    assert job.wait(60)
    ended = run(root, job_id=job.id, sdk={"kind": "job"})
    said = extract(ended, at=AT, cluster=lambda: local)
    assert (said["status"], said["metrics"]) == ("completed", {"accuracy": 0.9, "loss": 0.5})


def test_what_the_task_raised_is_evidence(root: Path, local: Cluster) -> None:
    job = diverge()
    assert job.wait(60)
    ended = run(root, job_id=job.id, sdk={"kind": "job"})
    assert value_of(ended, local) == Missing("ArithmeticError: at step 3")
    nobody_s = ended.with_keys(job_id="999999999")
    found = value_of(nobody_s, local)
    assert isinstance(found, Missing)
    assert found.why.startswith("RemoteFileMissing: ")


def test_an_array_is_counted_by_its_elements(root: Path, local: Cluster) -> None:
    array = half.map([1, 0, 2])
    assert [job.wait(60) for job in array.jobs] == [True] * 3
    asked = run(root, job_id=array.id, sdk={"kind": "array", "array_size": 3})
    said = extract(asked, at=AT, cluster=lambda: local)
    assert said["metrics"] == {"items": 3, "completed": 2, "failed": 1}
    assert [one["what"] for one in said["missing_evidence"]] == ["elements 1"]


def test_an_array_whose_elements_are_written_down_asks_nobody(root: Path) -> None:
    child = {"task": "half", "job_id": "4711_0", "job_dir": "/jobs/half/1/tasks/000"}
    children = [{**child, "state": "COMPLETED"}]
    known = run(root, sdk={"kind": "array", "array_size": 1, "children": children})
    nobody: Any = None
    assert value_of(known, nobody) == ["COMPLETED"]


def test_a_scheduler_out_of_reach_is_no_missing_evidence(root: Path) -> None:
    class Unreachable:
        def get_job(self, job_id: str) -> NoReturn:
            raise SchedulerUnreachable(f"nobody answers for {job_id}")

    gone: Any = Unreachable()
    ended = run(root, sdk={"kind": "job"})
    with pytest.raises(SchedulerUnreachable):
        extract(ended, at=AT, cluster=lambda: gone)
    assert not metrics(ended).exists()


def test_a_value_that_is_not_needed_is_not_asked_for(root: Path) -> None:
    def opened() -> NoReturn:
        raise AssertionError("nobody is to be asked")

    failed = run(
        root, sdk={"kind": "job"}, status="failed", artifact_sync_to_local={"status": "pending"}
    )
    assert extract(failed, at=AT, cluster=opened)["status"] == "failed"
