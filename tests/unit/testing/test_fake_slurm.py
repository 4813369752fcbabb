"""The fixture fake_slurm, as somebody uses it in tests of his own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conformance.waiting import PATIENCE, wait_until
from tests.helpers.job_tasks import add

from slurm import Cluster
from slurm.errors import JobFailed, SchedulerUnreachable
from slurm.testing.fake_slurm import FakeSlurm
from slurm.testing.fake_slurm.program import COMMANDS

ROOT = Path(__file__).parents[3]
SHOW = ("squeue", "-h", "-t", "all", "-o")


def ask(*words: str, cwd: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        words, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def printed(*words: str, cwd: Path | None = None) -> str:
    status, out, err = ask(*words, cwd=cwd)
    assert (status, err) == (0, "")
    return out


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], str]:
    def written(text: str) -> str:
        path = tmp_path / "script.sh"
        path.write_text(f"#!/bin/bash\n{text}\n")
        return str(path)

    return written


# --- what is said of jobs --------------------------------------------------------------------------


def test_states_come_one_after_the_other_as_they_are_asked_for(fake_slurm: FakeSlurm) -> None:
    said = fake_slurm.say(7, "PENDING", reason="Priority").then("RUNNING", node="c2")
    said.then("FAILED", exit_code="3:0")
    looks = [printed(*SHOW, "%i|%T|%r|%N") for _ in range(4)]
    assert looks == [
        "7|PENDING|Priority|\n",
        "7|RUNNING|None|c2\n",
        "7|FAILED|NonZeroExitCode|c2\n",
        "7|FAILED|NonZeroExitCode|c2\n",
    ]
    assert "ExitCode=3:0" in printed("scontrol", "-o", "show", "job", "7")
    assert printed("sacct", "-nPX", "-j", "7", "-o", "State,ExitCode") == "FAILED|3:0\n"


def test_a_look_at_another_job_moves_nothing_on(fake_slurm: FakeSlurm) -> None:
    fake_slurm.say(7, "PENDING").then("RUNNING")
    fake_slurm.say(8, "RUNNING")
    for _ in range(2):
        assert printed("squeue", "-h", "-j", "8", "-o", "%T") == "RUNNING\n"
    assert fake_slurm.job(7).state == "PENDING"


def test_a_state_may_come_by_itself(fake_slurm: FakeSlurm) -> None:
    fake_slurm.say(7, "PENDING").then("RUNNING", after=0.0).then("COMPLETED", after=3600.0)
    for _ in range(3):
        assert printed(*SHOW, "%T") == "RUNNING\n"


def test_a_job_may_be_unknown_to_the_controller_or_to_accounts(fake_slurm: FakeSlurm) -> None:
    fake_slurm.say(7, "COMPLETED", in_queue=False)
    fake_slurm.say(8, "COMPLETED", in_accounts=False)
    assert printed(*SHOW, "%i") == "8\n"
    assert printed("sacct", "-nPX", "-j", "7,8", "-o", "JobID") == "7\n"
    assert ask("squeue", "-j", "7")[0] == 1


def test_tasks_of_an_array_are_said_to_be_in_states_of_their_own(fake_slurm: FakeSlurm) -> None:
    printed("sbatch", "--array=0-4%2", "--wrap=exit")
    fake_slurm.say("1_1", "RUNNING")
    fake_slurm.say("1_3", "TIMEOUT")
    assert sorted(printed(*SHOW, "%i %T").splitlines()) == [
        "1_1 RUNNING",
        "1_3 TIMEOUT",
        "1_[0,2,4%2] PENDING",
    ]
    fake_slurm.say(1, "NODE_FAIL", exit_code="1:0")
    assert {job.state for job in fake_slurm.jobs} == {"NODE_FAIL"}


def test_a_plan_is_what_becomes_of_every_job(fake_slurm: FakeSlurm) -> None:
    fake_slurm.plan("PENDING", reason="Resources").then("RUNNING").then("PREEMPTED")
    printed("sbatch", "--wrap=exit")
    printed("sbatch", "--dependency=afterany:1", "--wrap=exit")
    looks = [printed(*SHOW, "%i %T %r", "-S", "i").splitlines() for _ in range(4)]
    assert [look[0] for look in looks] == [
        "1 PENDING Resources",
        "1 RUNNING None",
        "1 PREEMPTED None",
        "1 PREEMPTED None",
    ]
    assert [look[1] for look in looks[:2]] == ["2 PENDING Dependency"] * 2
    assert looks[3][1] == "2 RUNNING None"


def test_a_job_that_goes_back_into_the_queue_was_restarted(fake_slurm: FakeSlurm) -> None:
    fake_slurm.say(7, "RUNNING").then("PENDING", reason="BeginTime").then("RUNNING")
    assert [printed(*SHOW, "%T %r") for _ in range(3)] == [
        "RUNNING None\n",
        "PENDING BeginTime\n",
        "RUNNING None\n",
    ]
    assert printed("sacct", "-nPX", "-D", "-j", "7", "-o", "State,Restarts") == (
        "REQUEUED|0\nRUNNING|1\n"
    )


def test_what_a_job_was_submitted_with_is_seen(fake_slurm: FakeSlurm, tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text(
        "#!/bin/bash\n#SBATCH --job-name=mine --time=10\n#SBATCH -p gpu\nsleep 1\n#SBATCH --nice=5\n"
    )
    printed("sbatch", "--parsable", "--time=20", "job.sh", "one", cwd=tmp_path)
    job = fake_slurm.job(1)
    assert (job.name, job.workdir, job.script) == ("mine", str(tmp_path), f"{tmp_path}/job.sh")
    assert job.options == {"job-name": "mine", "time": "20", "partition": "gpu", "parsable": ""}
    with pytest.raises(LookupError, match="knows no job 2"):
        fake_slurm.job(2)


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda fake: fake.say(7, "RUNING"), "no state 'RUNING' of fake_slurm: RUNNING\\?"),
        (lambda fake: fake.say(7, "RUNNING", nmae="x"), "no detail 'nmae' of fake_slurm: name\\?"),
        (lambda fake: fake.say("7_x", "RUNNING"), "no id of a job|7_x"),
        (lambda fake: fake.hang("squeu"), "no command 'squeu' of fake_slurm: squeue\\?"),
        (lambda fake: fake.fail("srun", "no"), "no command 'srun' of fake_slurm: "),
        (lambda fake: fake.delay("squeue", 1, times=0), "times=0: give how many calls"),
        (lambda fake: fake.calls_of("sinf"), "no command 'sinf' of fake_slurm: sinfo\\?"),
    ],
)
def test_a_mistake_is_said(
    mistake: Callable[[FakeSlurm], object], says: str, fake_slurm: FakeSlurm
) -> None:
    with pytest.raises(ValueError, match=says):
        mistake(fake_slurm)


# --- what goes wrong -------------------------------------------------------------------------------


def test_a_command_fails_as_often_as_it_is_told_to(fake_slurm: FakeSlurm) -> None:
    words = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    fake_slurm.fail("squeue", words, times=2)
    answers = [ask("squeue", "-h") for _ in range(3)]
    assert answers == [(1, "", f"{words}\n"), (1, "", f"{words}\n"), (0, "", "")]


def test_an_answer_is_lost_after_the_job_was_taken(fake_slurm: FakeSlurm) -> None:
    fake_slurm.lose_answer("sbatch")
    status, out, err = ask("sbatch", "--wrap=exit")
    assert (status, out) == (1, "")
    assert err == (
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\n"
    )
    assert [job.id for job in fake_slurm.jobs] == ["1"]
    assert printed("sbatch", "--wrap=exit") == "Submitted batch job 2\n"


@pytest.mark.parametrize("how", ["heal", "close"])
def test_a_command_hangs_until_it_is_healed(how: str, fake_slurm: FakeSlurm) -> None:
    fake_slurm.say(7, "RUNNING")
    fake_slurm.hang("squeue")
    squeue = subprocess.Popen([*SHOW, "%i"], stdout=subprocess.PIPE, text=True)
    wait_until(lambda: fake_slurm.calls_of("squeue"), "squeue was called")
    assert printed("sacct", "-nPX", "-j", "7", "-o", "State") == "RUNNING\n"
    assert squeue.poll() is None
    getattr(fake_slurm, how)()
    assert squeue.communicate(timeout=PATIENCE)[0] == "7\n"


def test_a_late_answer_is_of_something_that_was_done_at_once(fake_slurm: FakeSlurm) -> None:
    fake_slurm.delay("sbatch", 600.0)
    sbatch = subprocess.Popen(["sbatch", "--wrap=exit"], stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: fake_slurm.jobs, "the job was taken")
        assert sbatch.poll() is None
    finally:
        sbatch.kill()
        assert sbatch.communicate()[0] == ""


def test_output_is_cut_off_and_preceded(fake_slurm: FakeSlurm) -> None:
    fake_slurm.say(4711, "RUNNING")
    fake_slurm.cut_output("squeue", 2, times=1)
    fake_slurm.print_before("squeue", "Maintenance on Monday.\n")
    assert printed(*SHOW, "%i") == "Maintenance on Monday.\n47"
    fake_slurm.heal("sinfo")
    assert printed(*SHOW, "%i") == "Maintenance on Monday.\n4711\n"
    fake_slurm.heal()
    assert printed(*SHOW, "%i") == "4711\n"


def test_a_command_may_answer_anything(fake_slurm: FakeSlurm) -> None:
    fake_slurm.answer("sbatch", "42\n", err="sbatch: lua: no quota left\n", status=0, times=1)
    assert ask("sbatch", "--wrap=exit") == (0, "42\n", "sbatch: lua: no quota left\n")
    assert fake_slurm.jobs == []


# --- what the site is like -------------------------------------------------------------------------


def test_a_site_without_accounts_says_so(fake_slurm: FakeSlurm) -> None:
    fake_slurm.set_accounting(False)
    assert ask("sacct", "-j", "7") == (1, "", "Slurm accounting storage is disabled\n")


def test_nodes_and_partitions_are_what_a_test_makes_them(fake_slurm: FakeSlurm) -> None:
    fake_slurm.set_node("c2", "DRAINED")
    fake_slurm.set_node("big7", cpus=64, memory=512000)
    fake_slurm.set_partition("long", nodes=("big7",), limit="7-00:00:00", default=True)
    assert printed("sinfo", "-h", "-o", "%P %D %t %N %l %c") == (
        "cpu 1 idle c1 infinite 8\ncpu 1 drain c2 infinite 8\n"
        "gpu 1 idle c1 infinite 8\ngpu 1 drain c2 infinite 8\n"
        "long* 1 idle big7 7-00:00:00 64\n"
    )
    printed("sbatch", "-c", "64", "--wrap=exit")
    fake_slurm.say(1, "RUNNING", node="big7")
    assert printed("sinfo", "-h", "-p", "long", "-o", "%T %C") == "allocated 64/0/0/64\n"


def test_the_largest_array_is_what_the_configuration_says(fake_slurm: FakeSlurm) -> None:
    fake_slurm.set_config(MaxArraySize="5")
    assert ask("sbatch", "--array=0-5", "--wrap=exit")[0] == 1
    printed("sbatch", "--array=0-4", "--wrap=exit")
    assert "MaxArraySize            = 5\n" in printed("scontrol", "show", "config")


@pytest.mark.parametrize(
    "words",
    [
        "squeue --start",
        "squeue -o %s",
        "sacct -s R",
        "sacct -o TRESUsageInMax",
        "sacct -j 7.batch",
        "scontrol update jobid=7 timelimit=3",
        "scontrol show node c1",
        "scontrol",
        "sinfo -R",
        "sinfo -o %O",
        "scancel --ctld 7",
        "sbatch --wait --wrap=exit",
        "sbatch --clusters=other --wrap=exit",
    ],
)
def test_what_slurm_has_and_the_fake_has_not_is_refused_in_one_line(
    words: str, fake_slurm: FakeSlurm
) -> None:
    status, out, err = ask(*words.split())
    assert status != 0
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith(f"{words.split(maxsplit=1)[0]}: error: ")
    assert line.endswith("fake_slurm has none, the dockerised cluster of slurm.testing has it")
    assert fake_slurm.jobs == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_that_it_is_a_fake(command: str, fake_slurm: FakeSlurm) -> None:
    assert printed(command, "--version") == "slurm 24.11.5 (fake_slurm)\n"
    assert f"This {command} is a fake" in printed(command, "--help")
    assert "fake" in repr(fake_slurm)


# --- what was asked for ----------------------------------------------------------------------------


def test_calls_are_noted(
    fake_slurm: FakeSlurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    monkeypatch.setenv("SECRET", "not for a file")
    ask("scancel", "--", "7", "two words", "it's\n'", cwd=tmp_path)
    ask("squeue", "--nosuch")
    first, second = fake_slurm.calls
    assert first.command == "scancel"
    assert first.arguments == ["--", "7", "two words", "it's\n'"]
    assert first.cwd == str(tmp_path)
    assert first.variables == {"SQUEUE_FORMAT": "%i"}
    assert (second.command, second.arguments) == ("squeue", ["--nosuch"])
    assert fake_slurm.calls_of("squeue") == [["--nosuch"]]
    assert fake_slurm.calls_of("sinfo") == []


def test_two_fakes_know_nothing_of_each_other(fake_slurm: FakeSlurm, tmp_path: Path) -> None:
    with FakeSlurm(tmp_path / "it's another $(one)") as other:
        other.say(8, "RUNNING")
        squeue = str(other.programs / "squeue")
        assert printed(squeue, *SHOW[1:], "%i") == "8\n"
        assert printed(*SHOW, "%i") == ""
        assert len(other.calls) == len(fake_slurm.calls) == 1


def test_calls_at_the_same_time_lose_nothing(fake_slurm: FakeSlurm) -> None:
    started = [
        subprocess.Popen(["sbatch", "--parsable", "--wrap=exit"], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    ids = sorted(int(process.communicate(timeout=PATIENCE)[0]) for process in started)
    assert ids == list(range(1, 9))
    assert len(fake_slurm.calls) == len(fake_slurm.jobs) == 8


def test_its_files_are_nobody_elses(fake_slurm: FakeSlurm) -> None:
    for folder in fake_slurm.folder.iterdir():
        assert folder.stat().st_mode & 0o077 == 0


# --- jobs that run here ----------------------------------------------------------------------------


def test_a_job_runs_with_slurms_variables(
    fake_slurm: FakeSlurm,
    script: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake_slurm.run_jobs()
    monkeypatch.setenv("MINE", "kept")
    path = script('echo "$MINE $SLURM_JOB_ID $SLURM_JOB_NAME $1"; pwd; exit 3')
    printed("sbatch", "-o", "%x-%j.out", "-J", "one", path, "word", cwd=tmp_path)
    fake_slurm.wait_for(1, "FAILED")
    assert (tmp_path / "one-1.out").read_text() == f"kept 1 one word\n{tmp_path}\n"
    assert (fake_slurm.job(1).exit_code, fake_slurm.job(1).reason) == ("3:0", "NonZeroExitCode")


def test_tasks_of_an_array_run_as_many_at_once_as_they_may(
    fake_slurm: FakeSlurm, script: Callable[[str], str], tmp_path: Path
) -> None:
    fake_slurm.run_jobs()
    path = script(f"mkdir {tmp_path}/lock && sleep 0.05 && rmdir {tmp_path}/lock")
    printed("sbatch", "--array=0-3%1", path, cwd=tmp_path)
    fake_slurm.wait_for(1, "COMPLETED")
    assert (tmp_path / "slurm-1_3.out").read_text() == ""


def test_what_depends_on_a_job_waits_for_its_end(
    fake_slurm: FakeSlurm, script: Callable[[str], str], tmp_path: Path
) -> None:
    fake_slurm.run_jobs()
    os.mkfifo(tmp_path / "gate")
    printed("sbatch", script(f"cat {tmp_path}/gate"), cwd=tmp_path)
    printed("sbatch", "--dependency=afterok:1", "--wrap=exit", cwd=tmp_path)
    printed("sbatch", "--dependency=afternotok:1", "--wrap=exit", cwd=tmp_path)
    fake_slurm.wait_for(1, "RUNNING")
    assert {fake_slurm.job(number).reason for number in (2, 3)} == {"Dependency"}
    (tmp_path / "gate").write_text("")
    fake_slurm.wait_for(2, "COMPLETED")
    assert fake_slurm.job(3).reason == "DependencyNeverSatisfied"


def test_a_cancelled_job_has_time_to_say_goodbye(
    fake_slurm: FakeSlurm, script: Callable[[str], str], tmp_path: Path
) -> None:
    fake_slurm.run_jobs()
    printed(
        "sbatch", script("trap 'echo bye; exit' TERM; echo began; sleep 600 & wait"), cwd=tmp_path
    )
    out = tmp_path / "slurm-1.out"
    wait_until(lambda: out.exists() and "began" in out.read_text(), "the job began")
    printed("scancel", "1")
    fake_slurm.wait_for(1, "CANCELLED")
    assert "bye" in out.read_text()


def test_a_signal_goes_to_the_script(
    fake_slurm: FakeSlurm, script: Callable[[str], str], tmp_path: Path
) -> None:
    fake_slurm.run_jobs()
    printed("sbatch", script("trap 'exit 9' USR1; echo began; sleep 600 & wait"), cwd=tmp_path)
    out = tmp_path / "slurm-1.out"
    wait_until(lambda: out.exists() and out.read_text(), "the job began")
    printed("scancel", "--batch", "--signal=USR1", "1")
    fake_slurm.wait_for(1, "FAILED")
    assert fake_slurm.job(1).exit_code == "9:0"


def test_a_requeued_job_runs_once_more(
    fake_slurm: FakeSlurm, script: Callable[[str], str], tmp_path: Path
) -> None:
    fake_slurm.run_jobs()
    path = script('test -n "$SLURM_RESTART_COUNT" && exit 0; sleep 600')
    printed("sbatch", path, cwd=tmp_path)
    fake_slurm.wait_for(1, "RUNNING")
    printed("scontrol", "requeue", "1")
    fake_slurm.wait_for(1, "COMPLETED")
    assert printed("sacct", "-nPX", "-D", "-j", "1", "-o", "State") == "REQUEUED\nCOMPLETED\n"


@pytest.mark.story  # a time limit is a minute
def test_a_time_limit_ends_a_job_after_a_warning(
    fake_slurm: FakeSlurm, script: Callable[[str], str], tmp_path: Path
) -> None:
    fake_slurm.run_jobs()
    path = script("trap 'echo warned' USR1; sleep 600 & wait; wait")
    printed("sbatch", "-t", "1", "--signal=B:USR1@55", path, cwd=tmp_path)
    fake_slurm.wait_for(1, "TIMEOUT", timeout=PATIENCE)
    assert (tmp_path / "slurm-1.out").read_text().startswith("warned\n")


def test_nothing_is_left_of_jobs(tmp_path: Path) -> None:
    with FakeSlurm(tmp_path / "fake") as fake:
        fake.run_jobs()
        sbatch = str(fake.programs / "sbatch")
        printed(sbatch, f"--wrap=echo $$ > {tmp_path}/pid; exec sleep 600", cwd=tmp_path)
        note = tmp_path / "pid"
        wait_until(lambda: note.exists() and note.read_text(), "the job began")
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


def test_waiting_for_what_does_not_come_says_what_there_is(fake_slurm: FakeSlurm) -> None:
    fake_slurm.say(7, "PENDING")
    with pytest.raises(TimeoutError, match=r"job 7 is PENDING after 0 s, not RUNNING"):
        fake_slurm.wait_for(7, "RUNNING", timeout=0.0)


# --- the SDK on it ---------------------------------------------------------------------------------


@pytest.fixture
def cluster(
    fake_slurm: FakeSlurm, base: Path, lend_sdk: Callable[[Path], None]
) -> Iterator[Cluster]:
    lend_sdk(base)
    packaging = {"type": "none", "pythonpath": [str(ROOT)]}
    made = Cluster(
        "slurm",
        job_base_dir=base,
        packaging=packaging,
        poll_interval_min=0.05,
        poll_interval_max=0.1,
        python=sys.executable,
    )
    with made:
        yield made
    made.close()


def test_the_sdks_jobs_run(cluster: Cluster, fake_slurm: FakeSlurm) -> None:
    fake_slurm.run_jobs()
    first = add(1, 2)
    assert add(first, 4).get_result(timeout=PATIENCE) == 7
    assert sorted(add.map([(1, 1), (2, 2)]).get_results(timeout=PATIENCE)) == [2, 4]
    assert len(fake_slurm.calls_of("sbatch")) == 3


def test_a_lost_answer_makes_no_second_job(cluster: Cluster, fake_slurm: FakeSlurm) -> None:
    fake_slurm.lose_answer("sbatch")
    assert add(1, 2).id == "1"
    assert len(fake_slurm.jobs) == len(fake_slurm.calls_of("sbatch")) == 1


@pytest.mark.parametrize("state", ["OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE", "TIMEOUT"])
def test_the_sdk_meets_states_that_are_hard_to_come_by(
    state: str, cluster: Cluster, fake_slurm: FakeSlurm
) -> None:
    fake_slurm.plan("PENDING", reason="Priority").then("RUNNING").then(state)
    with pytest.raises(JobFailed) as raised:
        add(1, 2).get_result(timeout=PATIENCE)
    assert raised.value.state == state


def test_a_controller_that_is_away_ends_no_job(cluster: Cluster, fake_slurm: FakeSlurm) -> None:
    fake_slurm.plan("RUNNING")
    job = add(1, 2)
    fake_slurm.fail(
        "squeue", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    )
    with pytest.raises(SchedulerUnreachable):
        cluster.backend.query_jobs([job.id])
    asked = len(fake_slurm.calls_of("squeue"))
    wait_until(lambda: len(fake_slurm.calls_of("squeue")) > asked, "the tracker has asked again")
    assert not job.done()
    fake_slurm.heal()
    fake_slurm.say(job.id, "FAILED", exit_code="1:0")
    with pytest.raises(JobFailed):
        job.get_result(timeout=PATIENCE)


def test_the_time_is_its_own(fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    before = int(time.time())
    fake_slurm.say(7, "COMPLETED")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "%s")
    end = int(printed(*SHOW, "%e"))
    assert before <= end <= time.time()
