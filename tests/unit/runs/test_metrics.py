"""``metrics.json`` as a value: a number only where its evidence is here, and else what is missing."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.run_manifests import RUN_ID, manifest

from slurm.runs.design import Design, Metric
from slurm.runs.lifecycle import MEANING_OK
from slurm.runs.metrics import Artifacts, Missing, document
from slurm.runs.moments import moment_of
from slurm.runs.schemas import problem

AT = moment_of("2026-02-18T18:00:00Z")
DESIGN = Design(
    Path("design.yaml"),
    metrics={
        "accuracy": Metric("eval.json", "eval.accuracy"),
        "loss": Metric("loss.json", "last"),
    },
)
FILES = {"eval.json": {"eval": {"accuracy": 0.9}}, "loss.json": {"last": 1}}


def of(
    design: Design | None = DESIGN,
    files: dict[str, Any] | None = None,
    *,
    absent: tuple[str, ...] = (),
    sync: str = "ok",
    status: str = "synced",
    value: Any = None,
    **changes: Any,
) -> dict[str, Any]:
    run = manifest(status=status, artifact_sync_to_local={"status": sync}, **changes)
    found = Artifacts(FILES if files is None else files, absent)
    given = {} if value is None else {"value": value}
    said = document(run, design, found, at=AT, **given)
    assert problem(said, "metrics.schema.json") == ""
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    return said


def why(said: dict[str, Any]) -> dict[str, str]:
    return {one["what"]: one["why"] for one in said["missing_evidence"]}


def fixes(said: dict[str, Any]) -> dict[str, str]:
    return {one["what"]: one["what_to_do"] for one in said["missing_evidence"]}


def test_declared_metrics_are_read_from_their_files() -> None:
    assert of() == {
        "schema_version": "1.0",
        "run_id": RUN_ID,
        "iteration_id": "iter1",
        "status": "completed",
        "metrics": {"accuracy": 0.9, "loss": 1},
        "missing_evidence": [],
        "extracted_at": "2026-02-18T18:00:00Z",
        "source": {
            "accuracy": "outputs/eval.json:eval.accuracy",
            "loss": "outputs/loss.json:last",
        },
    }


@pytest.mark.parametrize("word", ["ok", "completed", "success", "passed"])
def test_every_word_that_means_ok_is_one(word: str) -> None:
    assert of(sync=word)["metrics"] == {"accuracy": 0.9, "loss": 1}


@pytest.mark.parametrize("sync", ["pending", "syncing", "failed"])
def test_artifacts_that_did_not_arrive_have_no_numbers(sync: str) -> None:
    said = of(sync=sync)
    assert (said["status"], said["metrics"]) == ("partial", {"accuracy": None, "loss": None})
    assert set(why(said)) == {"artifact_sync_to_local", "metrics.accuracy", "metrics.loss"}
    assert set(fixes(said).values()) == {f"slurm runs sync {RUN_ID}"}


def test_it_is_said_what_did_not_arrive() -> None:
    run = manifest(
        status="synced",
        artifact_sync_to_local={"status": "failed", "missing": ["a.pt"], "error": "disk full"},
    )
    said = document(run, None, Artifacts(), at=AT)
    assert said["status"] == "partial"
    assert said["missing_evidence"] == [
        {
            "what": "artifact_sync_to_local",
            "why": "it is failed; not here: a.pt; disk full",
            "what_to_do": f"slurm runs sync {RUN_ID}",
        }
    ]


def test_a_required_artifact_that_is_not_there_is_evidence() -> None:
    said = of(absent=("model.pt",))
    assert (said["status"], said["metrics"]["accuracy"]) == ("partial", 0.9)
    assert why(said) == {"outputs/model.pt": "it is required, and not there"}


@pytest.mark.parametrize(
    ("content", "said_of_it"),
    [
        ({}, "outputs/loss.json: it has no key 'last'"),
        ({"lst": 1}, "outputs/loss.json: it has no key 'last' (did you mean 'lst'?)"),
        ([1], "outputs/loss.json is no JSON object"),
        (None, "outputs/loss.json is no JSON object"),
        (Missing("outputs/loss.json is no JSON"), "outputs/loss.json is no JSON"),
        ({"last": math.nan}, "outputs/loss.json:last is nan, which JSON has no number for"),
        ({"last": -math.inf}, "outputs/loss.json:last is -inf, which JSON has no number for"),
        ({"last": None}, "outputs/loss.json:last is null, and no number, text, true or false"),
        ({"last": [0]}, "outputs/loss.json:last is a list, and no number, text, true or false"),
        ({"last": {}}, "outputs/loss.json:last is a dict, and no number, text, true or false"),
        ({"last": 1 << 2000}, "outputs/loss.json:last is a whole number with too many digits"),
    ],
)
def test_what_is_no_value_is_null_with_evidence(content: Any, said_of_it: str) -> None:
    said = of(files={**FILES, "loss.json": content})
    assert said["status"] == "partial"
    assert said["metrics"] == {"accuracy": 0.9, "loss": None}
    assert why(said) == {"metrics.loss": said_of_it}


def test_a_file_that_is_not_there_is_evidence() -> None:
    said = of(files={"eval.json": FILES["eval.json"]})
    assert why(said) == {"metrics.loss": "outputs/loss.json is not there"}


@pytest.mark.parametrize("value", [True, False, "text", 0, -1.5])
def test_texts_and_truths_are_values(value: Any) -> None:
    found = of(files={**FILES, "loss.json": {"last": value}})["metrics"]["loss"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "content",
    [
        {"eval.accuracy": 1, "eval": {"accuracy": 2}},
        {"eval": {"accuracy": 1}},
        {"eval": 5, "eval.accuracy": 1},
    ],
)
def test_a_key_with_the_dot_in_it_wins(content: Any) -> None:
    assert of(files={**FILES, "eval.json": content})["metrics"]["accuracy"] == 1


def test_dots_in_names_within_objects_are_found_too() -> None:
    design = Design(Path("d"), metrics={"x": Metric("f", "a.b.c")})
    assert of(design, {"f": {"a.b": {"c": 1}, "a": {"z": 0}}})["metrics"] == {"x": 1}
    assert of(design, {"f": {"a.b": 3, "a": {"b.c": 1}}})["metrics"] == {"x": 1}


def test_without_a_declaration_it_is_what_metrics_json_has() -> None:
    said = of(None, {"metrics.json": {"accuracy": 0.9, "history": [1, 2], "by": {"a": 1}}})
    assert (said["status"], said["metrics"]) == ("completed", {"accuracy": 0.9})
    assert said["source"] == {"accuracy": "outputs/metrics.json:accuracy"}
    broken = of(None, {"metrics.json": Missing("outputs/metrics.json is no JSON")})
    assert (broken["status"], broken["metrics"]) == ("partial", {"metrics.json": None})


@pytest.mark.parametrize("files", [{}, {"metrics.json": [1]}])
def test_without_either_it_is_completed_and_says_so(files: dict[str, Any]) -> None:
    said = of(Design(Path("design.yaml")), files)
    assert (said["status"], said["metrics"]) == ("completed", {})
    assert said["note"].startswith("no metrics are declared in design.yaml, and outputs/metrics.")


FAILED_JOB = {"state": "TIMEOUT", "reason": "TimeLimit", "exit_code": "0:15"}


def test_a_failed_run_says_how_it_failed_and_where_its_logs_are() -> None:
    said = of(
        status="failed", sync="pending", scheduler=FAILED_JOB, logs={"files": ["logs/stderr"]}
    )
    assert (said["status"], said["metrics"]) == ("failed", {"accuracy": None, "loss": None})
    assert why(said)["run"] == "job 4711 is TIMEOUT (reason TimeLimit, exit code 0:15)"
    assert fixes(said)["run"] == f"read logs/stderr of the run; slurm runs show {RUN_ID}"
    assert "slurm runs sync" not in str(said)


def test_a_failed_run_whose_artifacts_are_here_is_partial() -> None:
    said = of(status="failed", scheduler=FAILED_JOB)
    assert (said["status"], said["metrics"]) == ("partial", {"accuracy": 0.9, "loss": 1})
    assert list(why(said)) == ["run"]
    assert of(None, {}, status="failed", scheduler=FAILED_JOB)["status"] == "failed"


def test_a_submission_that_was_rejected_says_why() -> None:
    refused = {"token": "c0ffee", "outcome": "rejected", "error": "invalid\npartition"}
    said = of(status="failed", sync="pending", job_id="", submission=refused)
    assert why(said)["run"] == "it was not submitted: invalid partition"


def test_a_run_that_somebody_gave_up_says_what_they_said() -> None:
    line = {
        "at": "2026-02-18T17:00:00Z",
        "from": "running",
        "to": "failed",
        "by": "slurm runs mark",
    }
    said = of(status="failed", sync="pending", history=[{**line, "why": "the node burnt"}])
    assert why(said)["run"] == "job 4711 failed: the node burnt"


@pytest.mark.parametrize("status", ["pending", "submitted", "running"])
def test_a_run_in_progress_has_none(status: str) -> None:
    with pytest.raises(ValueError, match=f"is {status}"):
        of(status=status)


# Submissions of the SDK

JOB = {"kind": "job", "task": "train"}


def test_a_value_that_is_an_object_has_the_metrics() -> None:
    said = of(sdk=JOB, value={"accuracy": 0.9, "history": [1], "loss": math.nan})
    assert said["metrics"] == {"accuracy": 0.9, "loss": None}
    assert (said["status"], said["source"]["accuracy"]) == ("partial", "result:accuracy")


@pytest.mark.parametrize("value", [42, [1], {1: 2}, "text"])
def test_another_value_has_none_and_it_is_said(value: Any) -> None:
    said = of(sdk={**JOB, "kind": "workflow"}, value=value)
    assert (said["status"], said["metrics"]) == ("completed", {})
    assert "is no JSON object" in said["note"]


def test_numbers_of_a_kind_of_their_own_become_plain_ones() -> None:
    """As NumPy's do. What is no number, text or truth is no metric, unless somebody has declared it."""
    said = of(sdk=JOB, value={"share": Fraction(1, 2), "when": AT})
    assert said["metrics"] == {"share": 0.5}
    assert type(said["metrics"]["share"]) is float
    assert said["status"] == "completed"


def test_a_value_that_cannot_be_had_is_evidence() -> None:
    said = of(sdk=JOB, value=Missing("ResultMissing: job 12 left no result"))
    assert (said["status"], said["metrics"]) == ("partial", {"value": None})
    assert why(said) == {"metrics.value": "ResultMissing: job 12 left no result"}
    assert fixes(said) == {"metrics.value": f"slurm runs extract {RUN_ID}"}


def test_an_array_has_counts() -> None:
    states = ["COMPLETED", "TIMEOUT", "COMPLETED", "TIMEOUT", "FAILED"]
    said = of(sdk={"kind": "array", "array_size": 5}, value=states)
    assert said["metrics"] == {"items": 5, "completed": 2, "timeout": 2, "failed": 1}
    assert why(said) == {
        "elements 4": "1 of 5 are FAILED",
        "elements 1, 3": "2 of 5 are TIMEOUT",
    }
    assert of(sdk={"kind": "array"}, value=["COMPLETED"])["metrics"] == {"items": 1, "completed": 1}


def test_a_failed_array_names_its_elements_and_counts_nothing() -> None:
    child = {"task": "half", "job_dir": "/jobs/half/1", "state": "FAILED"}
    children = [{**child, "job_id": f"4711_{index}"} for index in range(12)]
    said = of(status="failed", sync="pending", sdk={"kind": "array", "children": children})
    shown = ", ".join(f"4711_{index}" for index in range(10))
    assert why(said)[f"elements {shown} and 2 more"] == "12 of 12 are FAILED"
    assert said["metrics"] == {}


# Rules

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["a", "a.b", "b", "a.b.c", "x"])
contents = st.dictionaries(names, json_values, max_size=4) | json_values
files = st.dictionaries(
    st.sampled_from(["metrics.json", "f"]), contents | st.just(Missing("it is broken")), max_size=2
)
designs = st.none() | st.dictionaries(
    names, st.builds(Metric, st.sampled_from(["f", "g"]), names), max_size=3
).map(lambda metrics: Design(Path("design.yaml"), metrics=metrics))
runs = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["synced", "completed", "failed"]),
        "sync": st.sampled_from(["pending", "syncing", "ok", "failed", *MEANING_OK]),
    },
    optional={
        "sdk": st.sampled_from([JOB, {"kind": "array"}]),
        "value": contents | st.just(Missing("gone")) | st.lists(st.just("COMPLETED")),
        "absent": st.just(("model.pt",)),
    },
)


@given(design=designs, files=files, run=runs)
def test_there_is_never_a_number_without_its_evidence(
    design: Design | None, files: dict[str, Any], run: dict[str, Any]
) -> None:
    if run.get("sdk", {}).get("kind") == "array" and not isinstance(run.get("value"), list):
        run = {**run, "value": Missing("gone")}
    said = of(design, files, **run)
    values = said["metrics"]
    if run["sync"] not in ("ok", *MEANING_OK):
        assert set(values.values()) <= {None}
        assert set(values) == set(design.metrics if design and "sdk" not in run else {})
    explained = {one["what"] for one in said["missing_evidence"]}
    assert {f"metrics.{name}" for name, value in values.items() if value is None} <= explained
    assert set(said["source"]) == set(values)
    failed = run["status"] == "failed"
    assert failed <= ("run" in explained)
    assert (said["status"] == "completed") == (not explained)
    assert (said["status"] == "failed") == (failed and set(values.values()) <= {None})
