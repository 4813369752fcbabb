"""Submits a run, at most once, and finds out what became of a submission whose answer nobody has.

A run's token goes with its job, and the cluster keeps a receipt for it: the same run, submitted twice by two people, is one
job. All that is needed is in the manifest and in the iteration's launch script.
"""

from __future__ import annotations

import json
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.api.requests import Archive, JobRequest, Submitted
from slurm.config.findings import printable
from slurm.errors import (
    ConfigError,
    SchedulerUnreachable,
    SlurmError,
    SubmissionUnknown,
    TransportError,
)
from slurm.job_dir.paths import event_directory
from slurm.runs.directives import directives
from slurm.runs.launch_script import JOB_SCRIPT, RUN_ID, RUN_OUTPUTS, checked, job_script
from slurm.runs.manifest import Manifest
from slurm.runs.places import iteration_of_run, script_of
from slurm.runs.step import Teller

if TYPE_CHECKING:
    from slurm.cluster import Cluster

RECORD, ID_KEY = (
    "run.json",
    "job_id",
)  # in the job's directory: which run it is, and, once it is known, which job
CLIENT = "runs"  # whose events these would be; nobody waits for them


def read_script(path: Path) -> str:
    """The text of a launch script. Raises `ConfigError` where sbatch would not take it, or it cannot be read."""
    try:
        return checked(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def job_request(manifest: Manifest, script: str, *, shares_filesystem: bool) -> JobRequest:
    """What is submitted for a run: all of it comes from its manifest and the launch script."""
    about = manifest.section("submission")
    job_dir, name = str(about["job_dir"]), str(manifest.content["command"])
    here = str(iteration_of_run(manifest))
    remote = str(manifest.section("artifacts")["remote"])
    variables = {RUN_ID: manifest.run_id, RUN_OUTPUTS: remote}
    options = directives(script)
    beside: dict[str, str] = {}
    if "output" not in options:
        number = "%A_%a" if "array" in options else "%j"
        beside["output"] = posixpath.join(job_dir, f"slurm_{number}.out")
    if shares_filesystem:
        variables["SLURM_SUBMIT_DIR"] = (
            here  # sbatch is called elsewhere, and --chdir does not change it
        )
        if "chdir" not in options:
            beside["chdir"] = here
    if "job-name" not in options:
        beside["job-name"] = Path(here).name
    record = {"run_id": manifest.run_id, "iteration_id": manifest.iteration_id}
    return JobRequest(
        job_dir=job_dir,
        files={
            JOB_SCRIPT: job_script(script, posixpath.join(job_dir, name), variables),
            name: script.encode(),
            RECORD: json.dumps(record).encode(),
        },
        options=options,
        submit_options=beside,
        token=str(about["token"]),
        script=JOB_SCRIPT,
        metadata=RECORD,
        id_key=ID_KEY,
        directories=(remote,),
    )


def submit(manifest: Manifest, cluster: Cluster, teller: Teller) -> Manifest:
    """The manifest after its run was submitted, or was not: `Teller.accepted`, `refused`, `not_found` or `in_doubt`.

    Raises `ConfigError` for a launch script that is none, and `SchedulerUnreachable`: nothing was submitted then, for certain.
    After a `TransportError` nobody knows.
    """
    _require_known(manifest)
    script = read_script(script_of(manifest))
    request = job_request(manifest, script, shares_filesystem=cluster.backend.shares_filesystem)
    base = cluster.job_base_dir
    answer = cluster.backend.submit_job(
        request, base=base, events=event_directory(base, CLIENT), archive=Archive("")
    )
    asked = manifest.with_keys(resource_request=directives(script))
    return told(asked, answer, teller)


def told(manifest: Manifest, answer: Submitted, teller: Teller) -> Manifest:
    """The manifest after the scheduler's answer. Raises `SchedulerUnreachable` where it has given none, for certain."""
    error = answer.error
    if error is None:
        return teller.accepted(manifest, answer.job_id)
    if isinstance(error, SubmissionUnknown):
        return teller.in_doubt(manifest, printable(str(error)))
    if unreachable(error):
        raise error
    return teller.refused(manifest, printable(str(error)))


def look_up(manifest: Manifest, cluster: Cluster, teller: Teller) -> Manifest:
    """The manifest after it was asked whether its submission became a job.

    Raises `TransportError` and `SchedulerUnreachable` where nobody answers.
    """
    _require_known(manifest)
    about = manifest.section("submission")
    try:
        job_id = cluster.backend.find_job(
            about["job_dir"],
            token=about["token"],
            script=about.get("script", JOB_SCRIPT),
            metadata=about.get("metadata", RECORD),
            id_key=about.get("id_key", ID_KEY),
        )
    except SubmissionUnknown as error:
        return teller.in_doubt(manifest, printable(str(error)))
    if job_id is None:
        return teller.not_found(manifest)
    return teller.accepted(manifest, job_id)


def _require_known(manifest: Manifest) -> None:
    """Raises `ConfigError` where somebody has taken out of the manifest what a submission needs."""
    for section, key in (
        ("submission", "token"),
        ("submission", "job_dir"),
        ("artifacts", "remote"),
    ):
        if not manifest.section(section).get(key):
            raise ConfigError(
                f"{manifest.path}: {section}.{key} is not there, without which the run cannot be submitted or looked up: "
                f"slurm runs mark {manifest.run_id} failed gives it up"
            )


def unreachable(error: SlurmError) -> bool:
    """Whether an error says that nobody could be asked."""
    return isinstance(error, (SchedulerUnreachable, TransportError))
