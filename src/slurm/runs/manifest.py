"""A run's manifest, ``run_manifest.json``: what is written down of one submission. No file is touched here.

The manifests are the truth about runs; ledger, tables and metrics are made from them. Keys that nobody here knows stay.
"""

from __future__ import annotations

import copy
import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from slurm.agent.json_files import parse_object
from slurm.config.findings import printable
from slurm.errors import ConfigError, SlurmError
from slurm.runs.lifecycle import LAST, RunStatus, SyncStatus, path_between, sync_status
from slurm.runs.moments import moment_of, run_id_at, text_of
from slurm.runs.schemas import problem

FILE = "run_manifest.json"
SCHEMA = "1.0"
FORM = "run_manifest.schema.json"
SLURM, LOCAL = "slurm", "local"
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # in JSON


class ManifestError(ConfigError):
    """A manifest is not what a manifest must be. The message says what is wrong where.

    >>> Manifest.parse(b"[]", "runs/1/run_manifest.json")
    Traceback (most recent call last):
        ...
    slurm.runs.manifest.ManifestError: runs/1/run_manifest.json: it is no JSON object
    """


class NotWritten(SlurmError):
    """A run could not be written down: the disk is full, say, or the directory is somebody else's.

    >>> raise NotWritten("plan/iter1/runs: no space left on device")
    Traceback (most recent call last):
        ...
    slurm.runs.manifest.NotWritten: plan/iter1/runs: no space left on device
    """


@dataclass(frozen=True)
class Manifest:
    """The manifest of one run. It is never changed: what changes it returns another one.

    `content` is the JSON object in the file; `path` is for messages.
    """

    content: Mapping[str, Any]
    path: str = FILE

    @classmethod
    def new(
        cls,
        iteration_id: str,
        command: str,
        *,
        started_at: datetime.datetime,
        token: str,
        host_mode: str = SLURM,
        resource_request: Mapping[str, Any] | None = None,
        run_id: str = "",
        path: str = FILE,
    ) -> Manifest:
        """The manifest of a run that is to be submitted, and of which the scheduler knows nothing yet.

        `token` will be in the job's comment: by it the job is found where the answer to its submission was lost.

        >>> moment = moment_of("2026-02-18T16:00:45Z")
        >>> manifest = Manifest.new("iter1", "run_slurm.sbatch", started_at=moment, token="c0ffee")
        >>> manifest.run_id, str(manifest.status), manifest.job_id
        ('20260218T160045Z', 'pending', '')
        """
        content = {
            "schema_version": SCHEMA,
            "run_id": run_id or run_id_at(started_at),
            "iteration_id": iteration_id,
            "host_mode": host_mode,
            "status": str(RunStatus.PENDING),
            "command": command,
            "resource_request": dict(resource_request or {}),
            "timestamps": {"started_at": text_of(started_at)},
            "artifact_sync_to_local": {"status": str(SyncStatus.PENDING)},
            "submission": {"token": token, "outcome": "unknown"},
        }
        return cls.checked(content, path)

    @classmethod
    def parse(cls, data: bytes, path: str) -> Manifest:
        """The manifest that a file holds. Raises `ManifestError`.

        Where a person has written into it that the run failed, the last moment that is known of it is taken for its end.
        """
        try:
            content = parse_object(data)
        except UnicodeDecodeError as error:
            raise ManifestError(f"{path}: it is no UTF-8 text ({error.reason})") from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise ManifestError(f"{path}: it is no JSON ({where}: {error.msg})") from None
        except ValueError as error:
            raise ManifestError(f"{path}: {error}") from None
        return cls._sound(content, path, _with_end)

    @classmethod
    def checked(cls, content: Mapping[str, Any], path: str) -> Manifest:
        """The manifest with this content. Raises `ManifestError`."""
        return cls._sound(content, path, lambda content: content)

    @classmethod
    def _sound(
        cls,
        content: Mapping[str, Any],
        path: str,
        amended: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> Manifest:
        wrong = problem(content, FORM) or _no_text(content)
        if wrong:
            raise ManifestError(f"{path}: {wrong}")
        manifest = cls(amended(content), path)
        for wrong in manifest._problems():
            raise ManifestError(f"{path}: {wrong}")
        return manifest

    def dump(self) -> bytes:
        """What stands in the file."""
        return (json.dumps(self.content, indent=2, ensure_ascii=False) + "\n").encode()

    # What it says

    @property
    def run_id(self) -> str:
        """The run's name, one for all of the iteration."""
        return str(self.content["run_id"])

    @property
    def iteration_id(self) -> str:
        """What the run is a run of: the directory with its ``runs/``."""
        return str(self.content["iteration_id"])

    @property
    def is_slurm(self) -> bool:
        """Whether the run is a job of Slurm; others are processes of this machine."""
        return bool(self.content["host_mode"] == SLURM)

    @property
    def job_id(self) -> str:
        """The scheduler's id; empty as long as nobody knows it."""
        return str(self.content.get("job_id") or "")

    @property
    def status(self) -> RunStatus:
        """How far the run is."""
        return RunStatus(self.content["status"])

    @property
    def ended(self) -> bool:
        """Whether its status is one of the last."""
        return self.status in LAST

    @property
    def sync(self) -> SyncStatus:
        """How far its artifacts are on their way home."""
        return sync_status(self.content["artifact_sync_to_local"]["status"])

    @property
    def started_at(self) -> datetime.datetime:
        """When it was launched."""
        return moment_of(self.content["timestamps"]["started_at"])

    @property
    def completed_at(self) -> datetime.datetime | None:
        """When it ended; None where it has not."""
        text = self.content["timestamps"].get("completed_at")
        return moment_of(text) if text else None

    @property
    def revision(self) -> int:
        """How often it was written: whoever writes it looks whether somebody else did meanwhile."""
        return int(self.content.get("revision", 0))

    def section(self, name: str) -> Mapping[str, Any]:
        """One of the objects in it, such as ``scheduler``; empty where there is none."""
        found: Mapping[str, Any] = self.content.get(name) or {}
        return found

    # What changes it

    def having(self, name: str, **changes: Any) -> Manifest:
        """This one with some keys of one of its objects set; those set to None are taken out."""
        section = {**self.section(name), **changes}
        kept = {key: value for key, value in section.items() if value is not None}
        return self.with_keys(**{name: kept})

    def with_keys(self, **changes: Any) -> Manifest:
        """This one with some keys set."""
        content = {**copy.deepcopy(dict(self.content)), **changes}
        return self if content == self.content else Manifest(content, self.path)

    def moved(
        self,
        wanted: RunStatus,
        *,
        at: datetime.datetime,
        by: str,
        why: str,
        ended_at: datetime.datetime | None = None,
    ) -> Manifest:
        """This one with another status, and with every move on the way to it in its ``history``.

        `by` is the command that moves it. `ended_at` is when its job ended, by the scheduler's clock, where that is known.
        Raises `StatusError` for a way back.
        """
        moved = self
        for step in path_between(self.status, wanted):
            line = {
                "at": text_of(at),
                "from": str(moved.status),
                "to": str(step),
                "by": by,
                "why": why,
            }
            history = [*moved.content.get("history", []), line]
            moved = moved.with_keys(status=str(step), history=history)
        if moved.ended and moved.completed_at is None:
            # The clocks of this machine and of the cluster differ: no run ends before it began.
            ended = max(ended_at or at, self.started_at)
            moved = moved.having("timestamps", completed_at=text_of(ended))
        return moved

    def _problems(self) -> list[str]:
        """What a schema cannot say."""
        found = []
        submission = self.section("submission")
        if self.is_slurm and not self.job_id and self.status is not RunStatus.PENDING:
            never = self.status is RunStatus.FAILED and submission.get("outcome") in NOT_SUBMITTED
            if not never:
                found.append(f"a {SLURM} run that is {self.status} has a job_id: write it down")
        if self.ended and self.completed_at is None:
            found.append(f"a run that is {self.status} has timestamps.completed_at")
        if self.completed_at is not None and self.completed_at < self.started_at:
            found.append("timestamps.completed_at is before timestamps.started_at")
        return found


def _no_text(content: Mapping[str, Any]) -> str:
    """What in it is no text that a file or a command could be given, in one line; empty where nothing is."""
    for key, value in content.items():
        said = json.dumps([key, value], ensure_ascii=False)
        if NUL.search(said):
            return f"{printable(key)} has the character \\u0000 in it, which no text has"
        try:
            said.encode()
        except UnicodeEncodeError:
            return f"{printable(key)} has half of a character in it (\\ud800 to \\udfff)"
    return ""


def _with_end(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content with what a person leaves out who sets the status to failed: when that was, and a line of history."""
    times, history = content["timestamps"], content.get("history", [])
    if content["status"] != RunStatus.FAILED or times.get("completed_at"):
        return content
    known = [times["started_at"], *(line["at"] for line in history)]
    known += filter(None, [(content.get("scheduler") or {}).get("observed_at")])
    at = max(known, key=moment_of)
    before = history[-1]["to"] if history else str(RunStatus.PENDING)
    line = {
        "at": at,
        "from": before,
        "to": str(RunStatus.FAILED),
        "by": "a person",
        "why": "its manifest was edited",
    }
    return {
        **content,
        "timestamps": {**times, "completed_at": at},
        "history": [*history, *([line] if before != line["to"] else [])],
    }


# What ``submission.outcome`` says of a run for which there is no job.
NOT_SUBMITTED = ("rejected", "not submitted")
