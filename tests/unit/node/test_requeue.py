"""How a job on the node takes the scheduler's signals, and how it goes back into the queue: real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.helpers.fakes import Programs
from tests.helpers.job_tasks import asks, goes_on, is_told, stops
from tests.helpers.processes import (
    JobRun,
    RunJob,
    RunPython,
    environment_of_a_job,
    metadata_of,
    result_of,
)

from slurm import Cluster, JobContext, task
from slurm.agent.errors import AgentError
from slurm.agent.slurm_commands import SlurmCommands
from slurm.errors import SlurmError
from slurm.job_dir.paths import SDK, JobDirectory
from slurm.node import time_left
from slurm.node.time_left import ask_time_left
from slurm.rendering import Environment, ScriptSpec, render_job_script

pytestmark = pytest.mark.local

COMES_BACK: dict[str, Any] = {"requeue": True, "time": "0:04"}


class Started:
    """A job that runs; `done` is what became of it."""

    def __init__(self, request: Any, env: dict[str, str]) -> None:
        self.request = request
        directory = Path(request.job_dir)
        directory.mkdir(parents=True)
        for name, content in request.files.items():
            (directory / name).write_bytes(content)
        self.process = subprocess.Popen(
            ["bash", str(directory / request.script)],
            cwd=directory,
            env=environment_of_a_job(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline

    def send(self, number: signal.Signals) -> None:
        """As Slurm does with ``--signal=B:``, to the batch script's own process alone."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Kill it, with whatever it has left behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def done(self) -> JobRun:
        out, err = self.process.communicate(timeout=200)
        finished = subprocess.CompletedProcess([], self.process.returncode, out, err)
        return JobRun(self.request, finished)


Start = Callable[..., Started]


@pytest.fixture
def start(fake_cluster: Cluster, sdk_directory: Path) -> Iterator[Start]:
    """Start a job and wait until it says that it is ready: ``start(function, **options)``."""
    base = Path(fake_cluster.job_base_dir)
    base.mkdir(parents=True)
    (base / SDK).symlink_to(sdk_directory)
    jobs = []

    def run(function: Callable[..., Any], env: dict[str, str] | None = None, **options: Any) -> Any:
        job = Started(fake_cluster.dry_run(task(**options)(function)), env or {})
        jobs.append(job)
        assert job.said() == "ready\n", job.process.communicate()
        return job

    yield run
    for job in jobs:
        job.end()


@pytest.fixture
def scheduler(programs: Programs) -> Programs:
    """Slurm's commands, for which job 7 runs and has time enough."""
    programs.add("squeue", 'case "$*" in *%e) cat $HERE/end;; *) cat $HERE/queue;; esac')
    programs.add("scontrol", "")
    say(programs, "RUNNING")
    return programs


def say(programs: Programs, state: str, *, end: float = 9999999999, job_id: str = "7") -> None:
    (programs.folder / "queue").write_text(f"{job_id}|{state}|None|c1|N/A|\n")
    (programs.folder / "end").write_text(f"{end:.0f}\n")


def requeued(programs: Programs) -> int:
    calls = programs.calls("scontrol")
    assert calls == [["requeue", "7"]] * len(calls)
    return len(calls)


def run_again(request: Any, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Another attempt, as the scheduler makes one of a job that is back."""
    return subprocess.run(
        ["bash", f"{request.job_dir}/job.sh"],
        cwd=request.job_dir,
        env=environment_of_a_job({"SLURM_RESTART_COUNT": "1", **env}),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


# --- the warning ---------------------------------------------------------------------------------


def test_the_warning_tells_any_task_to_stop(start: Start) -> None:
    job = start(stops)
    job.send(signal.SIGUSR1)
    run = job.done()
    assert (run.code, run.stderr) == (0, "")
    assert result_of(run) == "stopped in attempt 1"


def test_a_warning_that_came_before_python_is_not_lost(run_job: RunJob) -> None:
    run = run_job(task(stops), env={"SLURM_SDK_WARNED": "1"})
    assert result_of(run) == "stopped in attempt 1"


def test_a_job_that_starts_shortly_before_its_limit_is_told_at_once(run_job: RunJob) -> None:
    now = int(time.time())
    env = {"SLURM_JOB_START_TIME": str(now - 100), "SLURM_JOB_END_TIME": str(now + 50)}
    assert result_of(run_job(task(stops), env=env)) == "stopped in attempt 1"


def test_a_plain_task_ends_at_once_when_it_is_cancelled(start: Start) -> None:
    job = start(goes_on)
    job.send(signal.SIGTERM)
    run = job.done()
    assert run.code == -signal.SIGTERM
    assert not (run.directory / "result.pkl").exists()


# --- a task that may be requeued -----------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_task_that_may_come_back_is_told_and_its_value_counts(
    number: signal.Signals, start: Start, scheduler: Programs
) -> None:
    job = start(stops, **COMES_BACK, env={"SLURM_RESTART_COUNT": "1"})
    job.send(number)
    run = job.done()
    assert run.code == 0
    assert result_of(run) == "stopped in attempt 2"
    assert requeued(scheduler) == 0
    if number == signal.SIGTERM:  # a preemption: Slurm runs the job again all the same
        again = run_again(job.request, {})
        assert (again.returncode, again.stdout) == (0, "")


def test_it_may_ask_to_come_back_as_often_as_agreed_and_leaves_no_result_and_no_event(
    start: Start, scheduler: Programs, fake_cluster: Cluster
) -> None:
    events = Path(fake_cluster.site.event_dir)
    events.mkdir(parents=True)
    job = start(asks, requeue=1, time="0:04")
    job.send(signal.SIGUSR1)
    run = job.done()
    assert (run.stdout, run.stderr) == ("saved\n", "")
    assert run.code == os.EX_TEMPFAIL
    assert requeued(scheduler) == 1
    assert not (run.directory / "result.pkl").exists()
    assert list(events.iterdir()) == []
    metadata = metadata_of(run)
    assert (metadata["status"], metadata["requeues"]) == ("requeued", 1)
    run = JobRun(job.request, run_again(job.request, {"SLURM_SDK_WARNED": "1"}))
    assert requeued(scheduler) == 1
    with pytest.raises(SlurmError, match="has been 1 times, and requeue=1 allows no more"):
        result_of(run)
    assert run.code == 1


def test_it_is_requeued_shortly_before_the_limit_if_it_does_nothing(
    start: Start, scheduler: Programs
) -> None:
    scheduler.add("scontrol", "touch go")
    say(scheduler, "RUNNING", end=time.time())
    job = start(goes_on, **COMES_BACK)
    job.send(signal.SIGUSR1)
    run = job.done()
    assert requeued(scheduler) == 1
    assert "goes back into the queue" in run.stderr
    assert not (run.directory / "result.pkl").exists()
    assert metadata_of(run)["status"] == "requeued"


def test_the_limit_is_near_when_the_controllers_clock_says_so(
    start: Start, scheduler: Programs
) -> None:
    """The node's is five minutes ahead: it would bring the job back as soon as it was warned, again and again."""
    ahead = 300
    now = int(time.time()) - ahead
    say(scheduler, "RUNNING", end=now + 60)
    scheduler.add("sdiag", f"touch go; echo 'sdiag output at Thu Jan  1 00:00:00 1970 ({now})'")
    env = {"SLURM_JOB_START_TIME": str(now), "SLURM_JOB_END_TIME": str(now + 60)}
    job = start(goes_on, requeue=True, time="1", env=env)
    job.send(signal.SIGUSR1)
    assert result_of(job.done()) == "done"
    assert requeued(scheduler) == 0


def test_time_left_is_told_in_fractions_by_a_clock_that_is_right(
    scheduler: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler's are whole seconds; the last one before the limit is when a job is requeued."""
    say(scheduler, "RUNNING", end=1060)
    scheduler.add("sdiag", "echo 'sdiag output at Thu Jan  1 00:16:40 1970 (1000)'")
    for here, left in ((1000.75, 59.25), (999.5, 60.5), (1300.0, 59.0), (700.0, 59.0)):
        clock = SimpleNamespace(time=lambda here=here: here)
        monkeypatch.setattr(time_left, "time", clock)
        assert ask_time_left("7") == left


def test_a_job_on_a_node_whose_clock_is_ahead_is_not_told_to_stop_at_its_start(
    run_job: RunJob, scheduler: Programs
) -> None:
    now = int(time.time()) - 300
    say(scheduler, "RUNNING", end=now + 240)
    scheduler.add("sdiag", f"echo 'sdiag output at Thu Jan  1 00:00:00 1970 ({now})'")
    env = {"SLURM_JOB_START_TIME": str(now), "SLURM_JOB_END_TIME": str(now + 240)}
    assert result_of(run_job(task(time="4")(is_told), env=env)) is False


def test_a_function_that_ends_in_time_is_not_requeued(start: Start, scheduler: Programs) -> None:
    scheduler.add("squeue", "touch go; echo 9999999999")
    job = start(goes_on, **COMES_BACK)
    job.send(signal.SIGUSR1)
    assert result_of(job.done()) == "done"
    assert requeued(scheduler) == 0


def test_a_scheduler_that_does_not_answer_is_asked_again(start: Start, scheduler: Programs) -> None:
    scheduler.add(
        "scontrol",
        "[ -e $HERE/again ] && { touch go; exit 0; }; touch $HERE/again\n"
        "echo 'slurm_requeue: Unable to contact slurm controller' >&2; exit 1",
    )
    now = int(time.time())
    say(scheduler, "RUNNING", end=now)
    env = {"SLURM_JOB_START_TIME": str(now), "SLURM_JOB_END_TIME": str(now + 60)}
    job = start(goes_on, **COMES_BACK, env=env)
    job.send(signal.SIGUSR1)
    run = job.done()
    assert requeued(scheduler) == 2
    assert "Unable to contact" in run.stderr
    assert metadata_of(run)["requeues"] == 1


def test_a_job_that_is_being_cancelled_is_not_brought_back(
    start: Start, scheduler: Programs
) -> None:
    """Slurm would requeue it all the same, and whoever cancelled it could not get rid of it."""
    say(scheduler, "COMPLETING")
    job = start(asks, **COMES_BACK)
    job.send(signal.SIGTERM)
    run = job.done()
    assert requeued(scheduler) == 0
    assert not (run.directory / "result.pkl").exists()
    assert (metadata_of(run)["status"], metadata_of(run)["requeues"]) == ("running", 0)


def test_what_the_scheduler_refuses_is_the_tasks_error(start: Start, scheduler: Programs) -> None:
    scheduler.add("scontrol", "echo 'Requested operation is presently disabled' >&2; exit 1")
    job = start(asks, **COMES_BACK)
    job.send(signal.SIGUSR1)
    run = job.done()
    with pytest.raises(SlurmError, match="not requeued: Requested operation is presently disabled"):
        result_of(run)
    assert metadata_of(run)["requeues"] == 0


def test_a_task_without_requeue_cannot_ask_for_it(start: Start, scheduler: Programs) -> None:
    job = start(asks)
    job.send(signal.SIGUSR1)
    with pytest.raises(SlurmError, match="requeue=True"):
        result_of(job.done())
    assert requeued(scheduler) == 0


def test_a_thread_may_ask_too(start: Start, scheduler: Programs) -> None:
    def asks_in_a_thread(job: JobContext) -> str:
        import threading

        print("ready")
        thread = threading.Thread(target=job.requeue)
        thread.start()
        thread.join()
        return "unwanted"

    run = start(asks_in_a_thread, **COMES_BACK).done()
    assert run.stderr == ""
    assert requeued(scheduler) == 1
    assert not (run.directory / "result.pkl").exists()


def test_processes_that_the_task_forks_end_when_they_are_told_to(
    start: Start, scheduler: Programs
) -> None:
    def uses_processes() -> list[int]:
        import multiprocessing

        with multiprocessing.get_context("fork").Pool(2) as pool:  # which ends them with SIGTERM
            squares = pool.map(abs, [-1, -2])
        print("ready")
        return squares

    assert result_of(start(uses_processes, **COMES_BACK).done()) == [1, 2]


def test_a_process_that_is_told_to_end_while_it_is_forked_ends(run_python: RunPython) -> None:
    """The signal comes before the child has let go of its parent's handlers."""
    script = """
import os, signal, sys, warnings
os.register_at_fork(after_in_child=lambda: os.kill(os.getpid(), signal.SIGTERM))
from slurm.node.stopping import own_job
own_job.begin(os.environ, "")
warnings.simplefilter("ignore")  # newer Pythons warn of forks beside threads
child = os.fork()
if child == 0:
    os._exit(0)
print(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), own_job.told)
os.kill(os.getpid(), signal.SIGTERM)
print(own_job.told)
"""
    said = run_python("-c", script, SLURM_SDK_REQUEUE="inf").stdout.split()
    assert said == [str(int(signal.SIGTERM)), "False", "True"]


# --- arrays --------------------------------------------------------------------------------------


def test_an_attempt_that_was_given_up_and_goes_on_leaves_the_result_to_its_successor(
    run_job: RunJob,
) -> None:
    """Its node was cut off: it was put back into the queue, and started elsewhere, while it ran on."""

    @task(requeue=True)
    def ends_late(job: JobContext, *, fail: bool) -> str:
        import json

        path = job.job_dir / "metadata.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps({**content, "attempt": 2, "status": "running", "node": "c2"}))
        if fail:
            raise ValueError("too late")
        return "too late"

    for fail in (False, True):
        run = run_job(ends_late, fail=fail)
        assert not (run.directory / "result.pkl").exists()
        assert metadata_of(run)["status"] == "running"
        assert "attempt 2 of this job has begun" in run.stderr
        assert run.code == 1


def test_a_warned_pack_leaves_its_other_items_to_the_next_attempt(
    fake_cluster: Cluster, backend: Any, sdk_directory: Path, scheduler: Programs
) -> None:
    say(scheduler, "RUNNING", job_id="12_0")

    def item(number: int, job: JobContext) -> int:
        print("item", number, "attempt", job.attempt)
        if number == 2:
            raise ValueError("unlucky")
        return number

    fake_cluster.map(task(**COMES_BACK)(item), [2, 1, 3], pack=3).submit()
    [request] = backend.requests
    directory = Path(request.job_dir)
    for name in request.directories:
        (directory / name).mkdir(parents=True)
    for name, content in request.files.items():
        (directory / name).write_bytes(content)
    (Path(fake_cluster.job_base_dir) / SDK).symlink_to(sdk_directory)
    env = {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "0", "SLURM_RESTART_COUNT": "0"}
    first = run_again(request, {**env, "SLURM_SDK_WARNED": "1"})
    assert first.stdout == "item 2 attempt 1\n"
    assert first.returncode == os.EX_TEMPFAIL
    assert scheduler.calls("scontrol") == [["requeue", "12_0"]]
    assert not (directory / "tasks" / "001" / "result.pkl").exists()
    second = run_again(request, {**env, "SLURM_RESTART_COUNT": "1"})
    assert second.stdout == "item 1 attempt 2\nitem 3 attempt 2\n"
    assert second.returncode == 1, "the first item failed, if in an earlier attempt"


# --- cleanup lines -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGUSR1, 7), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_signals_pass_a_script_that_cleans_up(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import signal, sys\n"
        "def warned(*_):\n    print('warned', flush=True); sys.exit(7)\n"
        "signal.signal(signal.SIGUSR1, warned)\n"
        "print('ready', flush=True)\nwhile True: signal.pause()\n"
    )
    environment = Environment(["/usr/bin/env", "python3"], cleanup=["echo cleaned up"])
    spec = ScriptSpec(
        JobDirectory(str(tmp_path)),
        {},
        environment,
        str(program),
        "1",
        {"SLURM_SDK_WARNING": "60"},
    )
    (tmp_path / "job.sh").write_text(render_job_script(spec))
    with subprocess.Popen(
        ["bash", str(tmp_path / "job.sh")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        rest = process.stdout.read()
    assert rest == ("warned\n" if code == 7 else "") + "cleaned up\n"
    assert process.returncode == code


def test_a_setup_that_is_warned_hands_the_warning_on(tmp_path: Path) -> None:
    environment = Environment(["/usr/bin/env"], setup=["kill -USR1 $$", "true"])
    exports = {"SLURM_SDK_WARNING": "60"}
    spec = ScriptSpec(JobDirectory(str(tmp_path)), {}, environment, "printenv", "1", exports)
    script = render_job_script(spec).replace(" -u printenv", " printenv SLURM_SDK_WARNED #")
    done = subprocess.run(["bash", "-s"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


# --- Slurm's command -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("echo 'Access/permission denied' >&2; exit 1", "refused"),
        ("echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1", "unreachable"),
        ("exit 3", "refused"),
    ],
)
def test_scontrols_answer_is_told(script: str, kind: str, programs: Programs) -> None:
    programs.add("scontrol", script)
    with pytest.raises(AgentError) as raised:
        SlurmCommands().requeue("12_3")
    assert raised.value.kind == kind
    assert programs.calls("scontrol") == [["requeue", "12_3"]]
