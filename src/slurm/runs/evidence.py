"""Which evidence of a run is missing, why, and what to do about it: the lines of ``missing_evidence``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from slurm.config.findings import printable
from slurm.runs.lifecycle import RunStatus, SyncStatus
from slurm.runs.manifest import Manifest

ARRAY = "array"  # of `sdk.kind`
MOST_NAMED = 10


class MissingEvidence(NamedTuple):
    """What is missing of a run: an entry of ``missing_evidence``."""

    what: str
    why: str
    what_to_do: str


def getting_it(manifest: Manifest) -> str:
    """The command that may get what is not here."""
    if manifest.status is RunStatus.FAILED and not manifest.section("artifacts").get("remote"):
        return f"slurm runs show {manifest.run_id}"
    if manifest.section("sdk") and manifest.sync is SyncStatus.OK:
        return f"slurm runs extract {manifest.run_id}"
    if manifest.status is RunStatus.FAILED:
        return f"slurm runs sync {manifest.run_id}, then slurm run {manifest.run_id}"
    return f"slurm runs sync {manifest.run_id}"


def sync_word(manifest: Manifest) -> str:
    """How far its artifacts are, in the word that its manifest has for it."""
    return str(manifest.content["artifact_sync_to_local"]["status"])


def of_sync(manifest: Manifest) -> Iterator[MissingEvidence]:
    """That its artifacts are not here."""
    sync = manifest.section("artifact_sync_to_local")
    if manifest.sync is SyncStatus.OK:
        return
    parts = [f"it is {sync_word(manifest)}"]
    if sync.get("missing"):
        parts.append(f"not here: {some(sync['missing'])}")
    if sync.get("error"):
        parts.append(printable(str(sync["error"])))
    yield MissingEvidence("artifact_sync_to_local", "; ".join(parts), getting_it(manifest))


def of_run(manifest: Manifest) -> Iterator[MissingEvidence]:
    """That it failed, how, and where its logs are."""
    if manifest.status is RunStatus.FAILED:
        yield MissingEvidence("run", how_it_failed(manifest), _reading_logs(manifest))


def how_it_failed(manifest: Manifest) -> str:
    """How a run failed, in one line: the scheduler's state, reason and exit code, as far as they are known."""
    job, submission = manifest.section("scheduler"), manifest.section("submission")
    error = printable(str(submission.get("error") or ""))
    if not manifest.job_id and manifest.is_slurm:
        return f"it was not submitted: {error}" if error else "it was not submitted"
    details = [f"reason {job['reason']}"] if job.get("reason") else []
    details += [f"exit code {job['exit_code']}"] if job.get("exit_code") else []
    more = f" ({', '.join(details)})" if details else ""
    name = f"job {manifest.job_id}" if manifest.job_id else "its process"
    if job.get("state"):
        return printable(f"{name} is {job['state']}{more}")
    history = manifest.content.get("history") or [{}]
    return printable(f"{name} failed: {history[-1].get('why') or 'nobody has written down how'}")


def _reading_logs(manifest: Manifest) -> str:
    files = manifest.section("logs").get("files") or ()
    job_dir = manifest.section("submission").get("job_dir") or manifest.section("sdk").get(
        "job_dir"
    )
    show = f"slurm runs show {manifest.run_id}"
    if files:
        return f"read {some(files)} of the run; {show}"
    return f"read its logs in {job_dir} on the cluster; {show}" if job_dir else show


def of_elements(manifest: Manifest, states: Any) -> Iterator[MissingEvidence]:
    """That elements of an array did not end well; a line for each state, for an array may have thousands of them.

    `states` is the list of their states, or anything else where only the manifest knows some.
    """
    sdk = manifest.section("sdk")
    if sdk.get("kind") != ARRAY:
        return
    if isinstance(states, list):
        named = [(str(index), str(state)) for index, state in enumerate(states)]
    else:
        named = [
            (str(one.get("job_id") or index), str(one.get("state") or ""))
            for index, one in enumerate(sdk.get("children") or ())
        ]
    for state in sorted({state for _, state in named} - {"COMPLETED", ""}):
        which = [name for name, its in named if its == state]
        yield MissingEvidence(
            f"elements {some(which)}",
            f"{len(which)} of {len(named)} are {state}",
            f"slurm runs show {manifest.run_id}",
        )


def some(names: Iterable[str]) -> str:
    """Some names, and how many more there are."""
    every = [str(name) for name in names]
    more = f" and {len(every) - MOST_NAMED} more" if len(every) > MOST_NAMED else ""
    return ", ".join(every[:MOST_NAMED]) + more
