"""What a local job is started with: its environment, its files, and the warning before its limit."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.helpers.local_queue import request

from slurm.local.jobs import LocalJob, pending_again
from slurm.local.launch import Launch, launch_of
from slurm.local.ps import catches
from slurm.local.requests import Resources, read_submission
from slurm.local.warning import Warner
from slurm.sbatch.values import WarningSignal


def launch(job: LocalJob, **environment: str) -> Launch:
    started = job._replace(state="RUNNING", start=100.0, node="here")
    return launch_of(
        started,
        environment=environment,
        umask=0o22,
        max_cpus=2,
        kill_wait=5.0,
        state_dir="/state",
        spool="/state/spool",
    )


def jobs(**options: Any) -> list[LocalJob]:
    return read_submission(12, request(**options), 0.0, Resources(2, 4096)).jobs()


def test_an_element_sees_its_array_as_slurm_shows_it() -> None:
    third = jobs(array="1-9:4%2")[2]
    environment = launch(third).environment
    assert {name: value for name, value in environment.items() if "ARRAY" in name} == {
        "SLURM_ARRAY_JOB_ID": "12",
        "SLURM_ARRAY_TASK_ID": "9",
        "SLURM_ARRAY_TASK_COUNT": "3",
        "SLURM_ARRAY_TASK_MIN": "1",
        "SLURM_ARRAY_TASK_MAX": "9",
        "SLURM_ARRAY_TASK_STEP": "4",
    }
    assert environment["SLURM_JOB_ID"] == str(third.job_id) == "15"


def test_a_job_that_is_no_element_sees_no_array() -> None:
    assert not [name for name in launch(jobs()[0]).environment if "ARRAY" in name]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("tasks/%3a/slurm_%A_%a.out", "/work/tasks/007/slurm_12_7.out"),
        ("%j", "/work/14"),
        ("/elsewhere/%5A-%x%%a", "/elsewhere/00012-job.sh%a"),
        ("", "/work/slurm-12_7.out"),
    ],
)
def test_an_elements_files_go_where_the_patterns_say(pattern: str, expected: str) -> None:
    element = jobs(array="3,7", output=pattern or None)[1]
    assert launch(element).stdout == expected


def test_outside_an_array_the_patterns_say_what_they_say_in_slurm() -> None:
    assert launch(jobs(output="%A_%a")[0]).stdout == "/work/12_4294967294"


def test_a_job_knows_its_scheduler_and_the_memory_it_was_given() -> None:
    leaked = {"SLURM_SDK_LOCAL_STATE": "/another"}
    environment = launch(jobs(mem="1G")[0], **leaked).environment
    assert environment["SLURM_SDK_LOCAL_STATE"] == "/state"
    assert environment["SLURM_MEM_PER_NODE"] == "1024"
    assert launch(jobs(mem_per_cpu="5")[0]).environment["SLURM_MEM_PER_CPU"] == "5"


def test_a_restart_begins_its_files_anew_unless_told_to_append() -> None:
    again = launch(pending_again(jobs()[0]))
    assert (again.append, again.environment["SLURM_RESTART_COUNT"]) == (False, "1")
    assert launch(pending_again(jobs(open_mode="append")[0])).append


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"signal": "B:USR1@30", "time": "5"}, WarningSignal(signal.SIGUSR1, 30, batch=True)),
        ({"signal": "USR2", "time": "5"}, WarningSignal(signal.SIGUSR2, 60)),
        ({"signal": "B:USR1@30"}, None),  # nothing to warn of
        ({"time": "5"}, None),
    ],
)
def test_a_warning_needs_a_time_limit(
    options: dict[str, Any], expected: WarningSignal | None
) -> None:
    assert launch(jobs(**options)[0]).warning == expected


# The warning

HANDLER = """
import signal, sys
print("born", flush=True)
sys.stdin.readline()
signal.signal(signal.SIGUSR1, lambda *_: print("warned", flush=True))
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A process that says when it is born, and installs a handler when it is told to."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-S", "-c", HANDLER], **pipes) as process:
        assert said(process) == "born"
        yield process
        process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def warned(warner: Warner, target: int, now: float) -> bool:
    warner.warn(target, now)
    return warner.due is None


def test_a_warning_is_due_so_many_seconds_before_the_limit() -> None:
    assert Warner(WarningSignal(10, 60), 600, 100.0).due == 640.0
    early = Warner(WarningSignal(10, 60), 60, 100.0).due
    assert early is not None
    assert early < 101.0


@pytest.mark.local
def test_an_early_warning_waits_until_there_is_a_handler(process: subprocess.Popen[str]) -> None:
    if catches(process.pid, signal.SIGUSR1) is None:  # macOS does not say
        blind = Warner(WarningSignal(signal.SIGUSR1, 60, batch=True), 10, 0.0)
        assert not warned(blind, process.pid, 4.9)
        tell(process)
        assert said(process) == "ready"
        assert warned(blind, process.pid, 5.0)
    else:
        warner = Warner(WarningSignal(signal.SIGUSR1, 60, batch=True), 10, 0.0)
        assert not warned(warner, process.pid, 1.0)
        assert not warned(warner, process.pid, 9.0)
        assert warner.due is not None
        assert 9.0 < warner.due <= 10.0
        tell(process)
        assert said(process) == "ready"
        assert warned(warner, process.pid, 9.1)
    assert said(process) == "warned"


@pytest.mark.local
def test_a_warning_in_time_goes_out_whoever_has_a_handler(process: subprocess.Popen[str]) -> None:
    assert warned(Warner(WarningSignal(signal.SIGUSR1, 1, batch=True), 10, 0.0), process.pid, 9.0)
    assert process.wait(60) == -signal.SIGUSR1
