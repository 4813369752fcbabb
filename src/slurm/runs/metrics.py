"""What was measured of a run, ``metrics.json``: functions of values, without a file.

There is a number only where its evidence is here: of a run whose artifacts did not arrive each metric is null, never 0,
and ``missing_evidence`` says what is missing, why, and what to do about it.
"""

from __future__ import annotations

import datetime
import enum
import math
import numbers
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from slurm.config.checks import suggestion
from slurm.runs.design import Design
from slurm.runs.evidence import (
    ARRAY,
    MissingEvidence,
    getting_it,
    of_elements,
    of_run,
    of_sync,
    sync_word,
)
from slurm.runs.lifecycle import RunStatus, SyncStatus
from slurm.runs.manifest import Manifest
from slurm.runs.moments import text_of
from slurm.runs.places import OUTPUTS

FILE = "metrics.json"
SCHEMA = "1.0"
FORM = "metrics.schema.json"

LONGEST_NUMBER = 1024  # bits, as the largest number with a fraction has

Scalar = float | int | str | bool


class MetricsStatus(str, enum.Enum):
    """How a run's metrics are.

    - ``completed``: all that is declared is here;
    - ``partial``: some of the evidence is missing;
    - ``failed``: the run failed, and nothing of it could be read.
    """

    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Missing:
    """In the place of a value: why there is none, and what to do about it."""

    why: str
    what_to_do: str = ""


@dataclass(frozen=True)
class Artifacts:
    """What was looked at of a run's artifacts.

    `files` are those that metrics stand in, each with the JSON value that it holds or why it holds none; `absent` are the
    required paths that are not there.
    """

    files: Mapping[str, Any] = field(default_factory=dict)
    absent: tuple[str, ...] = ()


class _Reading(NamedTuple):
    """A metric: where it stands, and its value or why it has none."""

    name: str
    source: str
    value: Scalar | Missing


NOT_ASKED = Missing("its job was not asked for it")
NOT_THERE = Missing("it is not there")  # of a file


def document(
    manifest: Manifest,
    design: Design | None,
    found: Artifacts,
    *,
    at: datetime.datetime,
    value: Any = NOT_ASKED,
) -> dict[str, Any]:
    """What ``metrics.json`` says of a run. Raises ``ValueError`` for one that is in progress.

    `value` is, for a run of the SDK's own submissions, what its task returned; for an array the states of its elements, a
    list of words. `Missing` says that it could not be had.

    >>> from slurm.runs.moments import moment_of
    >>> content = {"run_id": "r1", "iteration_id": "iter1", "status": "synced", "artifact_sync_to_local": {"status": "ok"}}
    >>> found = Artifacts({"metrics.json": {"accuracy": 0.9}})
    >>> said = document(Manifest(content), None, found, at=moment_of("2026-02-18T16:00:45Z"))
    >>> said["status"], said["metrics"], said["source"]
    ('completed', {'accuracy': 0.9}, {'accuracy': 'outputs/metrics.json:accuracy'})
    """
    if in_progress(manifest):
        raise ValueError(f"run {manifest.run_id} is {manifest.status}")
    here = manifest.sync is SyncStatus.OK
    readings, note = _readings(manifest, design, found, value) if here else ([], "")
    if not here:
        readings = [_not_here(manifest, *one) for one in _declared(manifest, design)]
    missing = [*of_run(manifest), *of_sync(manifest)]
    if here:
        missing += [_absent(manifest, path) for path in found.absent]
    missing += of_elements(manifest, value if here else NOT_ASKED)
    missing += [_of_metric(manifest, one) for one in readings if isinstance(one.value, Missing)]
    metrics = {one.name: None if isinstance(one.value, Missing) else one.value for one in readings}
    said = {
        "schema_version": SCHEMA,
        "run_id": manifest.run_id,
        "iteration_id": manifest.iteration_id,
        "status": str(_status(manifest, metrics, missing)),
        "metrics": metrics,
        "missing_evidence": [one._asdict() for one in missing],
        "extracted_at": text_of(at),
        "source": {one.name: one.source for one in readings},
    }
    return {**said, "note": note} if note else said


def in_progress(manifest: Manifest) -> bool:
    """Whether it is too early to say what a run measured."""
    return manifest.status in (RunStatus.PENDING, RunStatus.SUBMITTED, RunStatus.RUNNING)


def lookup(content: Mapping[str, Any], key: str) -> Any:
    """What stands in `content` under a key, whose dots lead into objects; `Missing` where nothing does.

    A key that has the dots in its name wins.

    >>> lookup({"eval": {"accuracy": 0.9}}, "eval.accuracy")
    0.9
    >>> lookup({"eval": {"accuracy": 0.9}, "eval.accuracy": 1}, "eval.accuracy")
    1
    """
    if key in content:
        return content[key]
    for dot in (index for index in range(len(key) - 1, -1, -1) if key[index] == "."):
        below = content.get(key[:dot])
        if isinstance(below, Mapping):
            found = lookup(below, key[dot + 1 :])
            if not isinstance(found, Missing):
                return found
    near = suggestion(key, [str(name) for name in content])
    return Missing(f"it has no key {key!r}{near}")


def _status(
    manifest: Manifest, metrics: Mapping[str, Any], missing: Sequence[MissingEvidence]
) -> MetricsStatus:
    if manifest.status is RunStatus.FAILED:
        something = any(value is not None for value in metrics.values())
        return MetricsStatus.PARTIAL if something else MetricsStatus.FAILED
    return MetricsStatus.PARTIAL if missing else MetricsStatus.COMPLETED


# What is read


def _declared(manifest: Manifest, design: Design | None) -> Iterator[tuple[str, str]]:
    """The declared metrics and where they stand; those of the SDK's own submissions are what their task returns."""
    if design is not None and not manifest.section("sdk"):
        for name, one in design.metrics.items():
            yield name, f"{OUTPUTS}/{one.file}:{one.key}"


def _readings(
    manifest: Manifest, design: Design | None, found: Artifacts, value: Any
) -> tuple[list[_Reading], str]:
    sdk = manifest.section("sdk")
    if sdk.get("kind") == ARRAY:
        return _of_array(sdk, value), ""
    if sdk:
        return _of_value(value)
    if design is not None and design.metrics:
        sources = dict(_declared(manifest, design))
        return [
            _Reading(
                name,
                sources[name],
                _in_file(found.files.get(one.file, NOT_THERE), one.file, one.key),
            )
            for name, one in design.metrics.items()
        ], ""
    return _undeclared(found.files.get(FILE, NOT_THERE))


def _in_file(content: Any, file: str, key: str) -> Scalar | Missing:
    where = f"{OUTPUTS}/{file}"
    if content is NOT_THERE:
        return Missing(f"{where} is not there")
    if isinstance(content, Missing):
        return content
    if not isinstance(content, Mapping):
        return Missing(f"{where} is no JSON object")
    value = lookup(content, key)
    if isinstance(value, Missing):
        return Missing(f"{where}: {value.why}", "mend its key in design.yaml")
    return _scalar(value, f"{where}:{key}")


def _undeclared(content: Any) -> tuple[list[_Reading], str]:
    where = f"{OUTPUTS}/{FILE}"
    none = f"no metrics are declared in design.yaml, and {where} is"
    if content is NOT_THERE:
        return [], f"{none} not there"
    if isinstance(content, Missing):
        return [_Reading(FILE, where, content)], ""
    if not isinstance(content, Mapping):
        return [], f"{none} no JSON object"
    return list(_scalars(content, where)), ""


def _of_value(value: Any) -> tuple[list[_Reading], str]:
    if isinstance(value, Missing):
        return [_Reading("value", "result", value)], ""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return (
            [],
            f"what the task returned is no JSON object (a {type(value).__name__}): no metrics",
        )
    return list(_scalars(value, "result")), ""


def _scalars(content: Mapping[str, Any], where: str) -> Iterator[_Reading]:
    for name, value in content.items():
        if value is None or isinstance(
            value, (str, numbers.Real)
        ):  # the rest nobody has called metrics
            source = f"{where}:{name}"
            yield _Reading(name, source, _scalar(value, source))


def _of_array(sdk: Mapping[str, Any], states: Any) -> list[_Reading]:
    source = "states of the elements"
    if isinstance(states, Missing):
        return [_Reading("items", source, states), _Reading("completed", source, states)]
    counts = Counter(str(state).lower() for state in states)
    known = {"items": int(sdk.get("array_size") or len(states)), "completed": counts["completed"]}
    return [_Reading(name, source, count) for name, count in {**counts, **known}.items()]


def _scalar(value: Any, where: str) -> Scalar | Missing:
    """A value as JSON has it, of a plain type."""
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):  # NumPy's are, too
        whole = int(value)
        if whole.bit_length() <= LONGEST_NUMBER:
            return whole
        return Missing(f"{where} is a whole number with too many digits", "mend the run")
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, numbers.Real):
        if math.isfinite(value):
            return float(value)
        return Missing(f"{where} is {float(value)}, which JSON has no number for", "mend the run")
    kind = "null" if value is None else f"a {type(value).__name__}"
    fix = "have the run write a number, a text, true or false there"
    return Missing(f"{where} is {kind}, and no number, text, true or false", fix)


# What is missing


def _not_here(manifest: Manifest, name: str, source: str) -> _Reading:
    return _Reading(
        name,
        source,
        Missing(f"its artifacts are not here (artifact_sync_to_local: {sync_word(manifest)})"),
    )


def _of_metric(manifest: Manifest, one: _Reading) -> MissingEvidence:
    assert isinstance(one.value, Missing)  # noqa: S101 - tells type checkers
    to_do = one.value.what_to_do
    again = f", then slurm runs extract {manifest.run_id}"
    fix = to_do + again if to_do else getting_it(manifest)
    return MissingEvidence(f"metrics.{one.name}", one.value.why, fix)


def _absent(manifest: Manifest, path: str) -> MissingEvidence:
    why = "it is required, and not there"
    return MissingEvidence(f"{OUTPUTS}/{path}", why, getting_it(manifest))
