"""Jobs that ended before their runner began, and those of which it only looks so. The backend is a fake."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Job, errors
from slurm.job_dir.paths import OLD_PYTHON

DEADLINE = 60.0
SCRIPT = b'#!/bin/bash\n#SBATCH --mem=1G\nexec /opt/py/bin/python3 -u /jobs/.sdk/0a1b "$JOB_DIR"\n'
NOT_BEGUN = json.dumps({"job_id": "7", "status": "submitted", "attempt": 0}).encode()
BEGUN = json.dumps({"status": "running", "started_at": "2026-01-01T00:00:00.000+00:00"}).encode()


def failure(
    job: Job[Any], backend: FakeBackend, code: str, script: bytes = SCRIPT, **files: bytes
) -> str:
    return whole_failure(job, backend, code, script, **files).splitlines()[0]


def whole_failure(
    job: Job[Any], backend: FakeBackend, code: str, script: bytes, **files: bytes
) -> str:
    backend.files["/jobs/7/job.sh"] = script
    for name, content in files.items():
        backend.files[f"/jobs/7/{name.replace('_7_', '_7.')}"] = content
    backend.usage = lambda ids: [
        {"JobID": "7", "State": "FAILED", "NodeList": "c1", "ElapsedRaw": "0"}
    ]
    backend.say("7", "FAILED", source="sacct", exit_code=code, node="c1")
    with pytest.raises(errors.JobFailed) as raised:
        job.get_result(timeout=DEADLINE)
    return str(raised.value)


def with_metadata(backend: FakeBackend, content: bytes) -> None:
    backend.files["/jobs/7/metadata.json"] = content


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (
            "127:0",
            "/opt/py/bin/python3 is not there on c1: name an interpreter that is, with python=",
        ),
        ("126:0", "/opt/py/bin/python3 cannot be run on c1: name an interpreter"),
        (f"{OLD_PYTHON}:0", "/opt/py/bin/python3 on c1 is older than Python 3.9: name a newer one"),
    ],
)
def test_the_interpreter_is_named(
    code: str, told: str, job: Job[Any], backend: FakeBackend
) -> None:
    with_metadata(backend, NOT_BEGUN)
    assert told in failure(job, backend, code, slurm_7_err=b"bash: no\n")


@pytest.mark.parametrize(("metadata", "named"), [(NOT_BEGUN, True), (BEGUN, False)])
def test_a_program_that_is_no_python_may_be_why_there_is_no_result(
    metadata: bytes,
    named: bool,
    job: Job[Any],
    backend: FakeBackend,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job.cluster.operations._own.get().outcomes, "grace", 0.0)
    backend.files["/jobs/7/job.sh"] = SCRIPT
    with_metadata(backend, metadata)
    backend.say("7", "COMPLETED")
    with pytest.raises(errors.ResultMissing) as raised:
        job.get_result(timeout=DEADLINE)
    told = "; or /opt/py/bin/python3 is no Python there: name one with python="
    assert str(raised.value).endswith(told) is named


@pytest.mark.parametrize("code", ["0:53", "2:0", "1:0"])
def test_a_directory_that_nodes_do_not_see_is_named(
    code: str, job: Job[Any], backend: FakeBackend
) -> None:
    with_metadata(backend, NOT_BEGUN)
    line = failure(job, backend, code)
    assert "nothing was written to its directory on c1: nodes do not see job_base_dir /" in line
    assert "name one with job_base_dir=" in line


@pytest.mark.parametrize("code", ["0:53", "1:0"])
def test_output_that_was_to_go_elsewhere_is_named_whatever_slurm_calls_it(
    code: str, job: Job[Any], backend: FakeBackend
) -> None:
    """Slurm 20.11 has no exit code of its own for it."""
    with_metadata(backend, NOT_BEGUN)
    elsewhere = SCRIPT.replace(b"--mem=1G", b"--output=/data/log")
    told = whole_failure(job, backend, code, elsewhere)
    assert told.count("could not be opened") == 1
    assert "the directory has to exist on its node" in told
    assert "Its output was to go to /data/log and /jobs/7/slurm_7.err" in told
    assert "nothing was written" not in told


def test_output_that_goes_nowhere_is_not_taken_for_it(job: Job[Any], backend: FakeBackend) -> None:
    with_metadata(backend, NOT_BEGUN)
    nowhere = SCRIPT.replace(b"--mem=1G", b"--output=/dev/null")
    assert "nodes do not see job_base_dir" in failure(job, backend, "1:0", script=nowhere)


@pytest.mark.parametrize("code", ["127:0", "126:0", "2:0", f"{OLD_PYTHON}:0"])
def test_a_task_that_ended_so_itself_is_not_taken_for_one(
    code: str, job: Job[Any], backend: FakeBackend
) -> None:
    with_metadata(backend, BEGUN)
    assert "its process ended before the task could return" in failure(job, backend, code)


@pytest.mark.parametrize("metadata", [b"", b"{", b"[]", b"null"])
def test_notes_that_cannot_be_read_accuse_nobody(
    metadata: bytes, job: Job[Any], backend: FakeBackend
) -> None:
    with_metadata(backend, metadata)
    assert "its process ended before the task could return" in failure(job, backend, "2:0")


def test_a_setup_line_that_failed_is_seen_in_what_it_wrote(
    job: Job[Any], backend: FakeBackend
) -> None:
    with_metadata(backend, NOT_BEGUN)
    line = failure(job, backend, "1:0", slurm_7_err=b"module: no cuda\n")
    assert "its process ended before the task could return" in line


def test_an_old_python_is_told_in_words_that_it_can_read() -> None:
    from slurm.packaging.sdk_archive import ENTRY_POINT

    version, _, rest = ENTRY_POINT.partition("gc.disable()")
    assert f"sys.exit({OLD_PYTHON})" in version
    assert "f'" not in version
    assert "from slurm" not in version
    assert "from slurm.runner import main" in rest
