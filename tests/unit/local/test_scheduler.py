"""The local scheduler, as its clients see it: real processes, real files, no Slurm."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.local_site import Site, kill_daemon, refusal, supervisor_of

from slurm.agent.errors import AgentError
from slurm.local.scheduler import LocalScheduler

# How a job runs and ends


@pytest.mark.parametrize(
    ("text", "state", "exit_code"),
    [
        ("true", "COMPLETED", "0:0"),
        ("exit 3", "FAILED", "3:0"),
        ("kill -9 $$", "FAILED", "0:9"),
        ("yes | head -1; exit ${PIPESTATUS[0]}", "FAILED", "141:0"),
    ],
)
def test_the_exit_code_is_that_of_the_script(
    roomy: Site, text: str, state: str, exit_code: str
) -> None:
    row = roomy.end_of(roomy.submit(text))
    assert (row["state"], row["exit_code"]) == (state, exit_code)
    assert row["end"] >= row["start"] > 0
    assert row["node"]
    assert row["restarts"] == 0


def test_output_goes_where_the_patterns_say(roomy: Site) -> None:
    job_id = roomy.submit(
        "echo out; echo err >&2; read -r line || echo no input",
        job_name="some name",
        output="%x 100%%.%4j",
        error=f"{roomy.base}/err-%j",
    )
    roomy.end_of(job_id)
    assert (roomy.base / f"some name 100%.{int(job_id):04}").read_text() == "out\nno input\n"
    assert (roomy.base / f"err-{job_id}").read_text() == "err\n"


def test_output_and_error_share_a_file_unless_told_otherwise(roomy: Site) -> None:
    job_id = roomy.submit("echo out; echo err >&2")
    roomy.end_of(job_id)
    assert roomy.output(job_id) == "out\nerr\n"


def test_a_job_whose_output_cannot_be_opened_fails_and_says_so(roomy: Site) -> None:
    row = roomy.end_of(roomy.submit("true", output="/nowhere/at/all"))
    assert (row["state"], row["exit_code"]) == ("FAILED", "0:53")
    assert row["reason"] == "JobLaunchFailure: No such file or directory: /nowhere/at/all"


def test_a_job_sees_what_slurm_sets_and_nothing_of_a_surrounding_job(
    roomy: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_JOB_ACCOUNT", "SBATCH_QOS", "SRUN_DEBUG", "PMI_RANK", "PMIX_RANK"):
        monkeypatch.setenv(name, "leaked")
    monkeypatch.setenv("SLURM_JOB_ID", "999999")
    monkeypatch.setenv("SLURM_CONF", "/kept")
    monkeypatch.setenv("MINE", "ünï 'quoted' \n second line")
    job_id = roomy.submit("env -0", ntasks="2", cpus_per_task="3", partition="gpu", time="2")
    roomy.end_of(job_id)
    seen = dict(one.split("=", 1) for one in roomy.output(job_id).split("\0") if one)
    assert "leaked" not in seen.values()
    assert seen["SLURM_CONF"] == "/kept"
    assert seen["MINE"] == "ünï 'quoted' \n second line"
    expected = {
        "SLURM_JOB_ID": job_id,
        "SLURM_JOBID": job_id,
        "SLURM_JOB_NAME": f"job{roomy.count}.sh",
        "SLURM_JOB_PARTITION": "gpu",
        "SLURM_SUBMIT_DIR": str(roomy.base),
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_NTASKS": "2",
        "SLURM_CPUS_PER_TASK": "3",
        "SLURM_CPUS_ON_NODE": "6",
        "SLURM_PROCID": "0",
        "SLURM_CLUSTER_NAME": "local",
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert int(seen["SLURM_JOB_END_TIME"]) - int(seen["SLURM_JOB_START_TIME"]) == 120
    assert seen["SLURM_JOB_NODELIST"] == seen["SLURMD_NODENAME"] == roomy.row(job_id)["node"]
    assert "SLURM_RESTART_COUNT" not in seen


def test_the_environment_of_the_first_client_is_not_that_of_later_ones(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SECRET", "TZ"):
        monkeypatch.setenv(name, "of the first client")
    site = make_site()
    site.scheduler.info()
    for name in ("SECRET", "TZ"):
        monkeypatch.delenv(name)
    job_id = site.submit('echo "[$SECRET$TZ]"')
    site.end_of(job_id)
    assert site.output(job_id) == "[]\n"
    assert "of the first client" not in site.state.joinpath("journal.jsonl").read_text()


def test_the_options_export_chdir_and_open_mode_mean_what_they_mean_to_sbatch(
    roomy: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HIDDEN", "1")
    monkeypatch.setenv("SHOWN", "2")
    (tmp_path / "log").write_text("before\n")
    job_id = roomy.submit(
        'echo "[$HIDDEN] $SHOWN $SET"; pwd',
        export="SHOWN,SET=3",
        chdir=str(tmp_path),
        output="log",
        open_mode="append",
    )
    roomy.end_of(job_id)
    assert (tmp_path / "log").read_text() == f"before\n[] 2 3\n{tmp_path}\n"


def test_the_umask_is_the_submitters(tmp_path: Path, make_site: Callable[..., Site]) -> None:
    old = os.umask(0o027)
    try:
        site = make_site()
        site.end_of(site.submit("echo > made"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ['it\'s a "quoted" $HOME ünïcode 名', "x" * 150])
def test_any_directory_will_do(tmp_path: Path, make_site: Callable[..., Site], name: str) -> None:
    base = tmp_path / name
    base.mkdir()
    site = make_site(base)
    job_id = site.submit("pwd")
    assert site.end_of(job_id)["state"] == "COMPLETED"
    assert site.output(job_id) == f"{base}\n"
    assert stat.S_IMODE(site.state.stat().st_mode) == 0o700
    assert stat.S_IMODE((site.state / "scheduler.sock").stat().st_mode) == 0o600


def test_a_cleaned_temporary_directory_does_not_part_a_client_from_its_daemon(
    tmp_path: Path, make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / ("y" * 150)
    base.mkdir()
    site = make_site(base)
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setattr(tempfile, "tempdir", short)
        site.submit("true")
        daemon = site.scheduler.info()["pid"]
        (links,) = Path(short).iterdir()
        assert stat.S_IMODE(links.stat().st_mode) == 0o700
        shutil.rmtree(links)
        assert site.scheduler.info()["pid"] == daemon
    assert site.scheduler.info()["pid"] == daemon


# Who runs when


def test_jobs_run_in_the_order_they_came(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=1)
    jobs = [site.submit(f"echo {n} >> order") for n in range(5)]
    for job_id in jobs:
        site.end_of(job_id)
    assert (site.base / "order").read_text().split() == list("01234")


def test_a_small_job_passes_one_that_does_not_fit(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=2)
    gate = site.gate()
    first = site.submit(gate.wait)
    wide = site.submit("true", cpus_per_task="2")
    also_wide = site.submit("true", ntasks="2")
    small = site.submit("true")
    assert site.end_of(small)["state"] == "COMPLETED"
    assert site.row(wide)["reason"] == "Resources"
    assert site.row(also_wide)["reason"] == "Priority"
    gate.open()
    for job_id in (first, wide, also_wide):
        assert site.end_of(job_id)["state"] == "COMPLETED"


def test_a_job_larger_than_the_machine_gets_all_of_it(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=2)
    job_id = site.submit('echo "$SLURM_CPUS_ON_NODE"', cpus_per_task="1000")
    assert site.end_of(job_id)["state"] == "COMPLETED"
    assert site.output(job_id) == "2\n"


def test_orchestrators_leave_the_cpus_to_the_jobs_they_wait_for(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(max_cpus=1)
    gates = [site.gate() for _ in range(3)]
    flows = [site.submit(gate.wait, orchestrator=True) for gate in gates]
    workers = [site.submit(f'echo > "{gate.path}"') for gate in gates]
    for job_id in (*workers, *flows):
        assert site.end_of(job_id)["state"] == "COMPLETED"


def test_the_last_submission_that_names_a_bound_sets_it(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=3)
    site.submit("true")
    assert site.scheduler.info()["max_cpus"] == 3
    site.submit("true", client=LocalScheduler(str(site.state)))
    assert site.scheduler.info()["max_cpus"] == 3
    site.submit("true", client=LocalScheduler(str(site.state), max_cpus=5))
    assert site.scheduler.info()["max_cpus"] == 5


@pytest.mark.parametrize(
    ("kind", "text", "runs"),
    [
        ("afterok", "true", True),
        ("afterok", "false", False),
        ("aftercorr", "true", True),
        ("afternotok", "false", True),
        ("afternotok", "true", False),
        ("afterany", "false", True),
    ],
)
def test_a_dependency_holds_or_never_will(roomy: Site, kind: str, text: str, runs: bool) -> None:
    gate = roomy.gate()
    first = roomy.submit(f"{gate.wait}; {text}")
    second = roomy.submit("true", after=f"{kind}:{first}")
    assert roomy.row(second)["reason"] == "Dependency"
    gate.open()
    if runs:
        assert roomy.end_of(second)["start"] >= roomy.end_of(first)["end"]
    else:
        roomy.reason_of(second, "DependencyNeverSatisfied")
        assert roomy.row(second)["state"] == "PENDING"
        roomy.scheduler.cancel([second])


def test_after_waits_for_the_start_only(roomy: Site) -> None:
    gate = roomy.gate()
    first = roomy.submit(gate.wait)
    second = roomy.submit("true", after=f"after:{first}")
    assert roomy.end_of(second)["state"] == "COMPLETED"
    assert roomy.row(first)["state"] == "RUNNING"
    gate.open()


def test_a_comma_asks_for_all_and_a_question_mark_for_any(roomy: Site) -> None:
    gate = roomy.gate()
    failed, ok, slow = roomy.submit("false"), roomy.submit("true"), roomy.submit(gate.wait)
    for job_id in (failed, ok):
        roomy.end_of(job_id)
    every = roomy.submit("true", after=f"afterok:{ok}:{slow},afterany:{failed}")
    never = roomy.submit("true", after=f"afterok:{slow},afterok:{failed}")
    some = roomy.submit("true", after=f"afterok:{failed}:{slow}?afterok:{ok}")
    assert roomy.end_of(some)["state"] == "COMPLETED"
    assert roomy.row(every)["reason"] == "Dependency"
    assert roomy.row(never)["reason"] == "DependencyNeverSatisfied"
    roomy.scheduler.cancel([never])
    gate.open()
    assert roomy.end_of(every)["state"] == "COMPLETED"


def test_a_job_may_ask_to_be_cancelled_when_its_dependency_fails(roomy: Site) -> None:
    first = roomy.submit("false")
    second = roomy.submit("true", after=f"afterok:{first}", kill_on_invalid_dep="yes")
    third = roomy.submit("true", after=f"afterany:{second}")
    row = roomy.end_of(second)
    assert (row["state"], row["reason"]) == ("CANCELLED", "DependencyNeverSatisfied")
    assert roomy.end_of(third)["state"] == "COMPLETED"


def test_singletons_of_a_name_run_one_after_the_other(roomy: Site) -> None:
    gate = roomy.gate()
    first = roomy.submit(gate.wait, after="singleton", job_name="one")
    second = roomy.submit("true", after="singleton", job_name="one")
    third = roomy.submit("true", after="singleton", job_name="one")
    other = roomy.submit("true", after="singleton", job_name="two")
    assert roomy.end_of(other)["state"] == "COMPLETED"
    assert roomy.row(second)["reason"] == "Dependency"
    gate.open()
    assert roomy.end_of(third)["start"] >= roomy.end_of(second)["end"]
    assert roomy.end_of(second)["start"] >= roomy.end_of(first)["end"]


@pytest.mark.parametrize(
    "after", ["afterok:987654", "afterok", "afterok:x", "afterok:1_2", "sometime:1", "after:1+5"]
)
def test_a_dependency_that_makes_no_sense_is_refused(roomy: Site, after: str) -> None:
    message = refusal(lambda: roomy.submit("true", after=after))
    assert "Job dependency problem" in message or "option dependency=" in message
    assert after in message


# What is refused


def test_what_cannot_be_done_here_is_refused(roomy: Site) -> None:
    assert "--begin" in refusal(lambda: roomy.submit("true", begin="now+1hour"))
    assert "--hold" in refusal(lambda: roomy.submit("true", hold=""))


def test_malformed_options_are_refused(roomy: Site) -> None:
    assert "minutes" in refusal(lambda: roomy.submit("true", time="soon"))
    assert "partitoin" in refusal(lambda: roomy.submit("true", partitoin="gpu"))


def test_a_missing_script_or_directory_is_refused(roomy: Site) -> None:
    def submit(script: str, cwd: str) -> str:
        return roomy.scheduler.submit(script, cwd, {}, {}, "unused", False)

    assert "no such file" in refusal(lambda: submit("nowhere.sh", str(roomy.base)))
    assert "no such file" in refusal(lambda: submit(roomy.script("true"), "/nowhere"))
    assert roomy.scheduler.find_submission("unused") is None


def test_a_directory_in_use_for_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    mode = tmp_path.stat().st_mode
    scheduler = LocalScheduler(str(tmp_path))
    message = refusal(lambda: scheduler.submit("x", "/", {}, {}, "t", False))
    assert str(tmp_path) in message
    with pytest.raises(AgentError, match="other things") as caught:
        scheduler.info()
    assert caught.value.kind == "unreachable"
    assert tmp_path.stat().st_mode == mode


def test_what_a_job_used_is_known_once_it_has_ended(roomy: Site) -> None:
    job_id = roomy.submit(f"'{sys.executable}' -S -c 'b\"x\" * (80 << 20)'; exit 3")
    roomy.end_of(job_id)
    used, unknown = roomy.scheduler.usage([job_id, "999999"])
    assert (used["JobID"], used["ExitCode"], unknown) == (job_id, "3:0", {"JobID": "999999"})
    assert 80 << 10 <= int(used["MaxRSS"].rstrip("K")) < 800 << 10


# How jobs are ended

FAMILY = "sleep 300 & (sleep 300 & wait) & set -m; sleep 300 & set +m"


def test_cancel_kills_a_job_with_all_its_descendants(roomy: Site) -> None:
    held = roomy.gate()
    job_id = roomy.submit(f"{held.hold}\n{FAMILY}\nprintf x >&9\nsleep 300")
    held.await_held(2)
    roomy.scheduler.cancel([job_id])
    row = roomy.end_of(job_id)
    assert (row["state"], row["exit_code"]) == ("CANCELLED", "0:15")
    assert held.nobody_holds()


def test_a_pending_job_is_cancelled_at_once_and_never_runs(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=1)
    gate = site.gate()
    first = site.submit(gate.wait)
    second = site.submit("touch ran")
    site.scheduler.cancel([second, "424242", "no id"])
    row = site.row(second)
    assert (row["state"], row["start"], row["exit_code"]) == ("CANCELLED", None, "0:0")
    gate.open()
    site.end_of(first)
    site.end_of(site.submit("true"))
    assert not (site.base / "ran").exists()


def test_cancelling_an_ended_job_changes_nothing(roomy: Site) -> None:
    job_id = roomy.submit("true")
    before = roomy.end_of(job_id)
    roomy.scheduler.cancel([job_id])
    assert roomy.row(job_id) == before


def test_the_time_limit_ends_a_job_with_all_its_descendants(roomy: Site) -> None:
    held = roomy.gate()
    job_id = roomy.submit(f"{held.hold}\n{FAMILY}\nsleep 300", time="0:01")
    row = roomy.end_of(job_id)
    assert (row["state"], row["reason"], row["exit_code"]) == ("TIMEOUT", "TimeLimit", "0:15")
    assert row["end"] - row["start"] >= 0.9
    held.await_held()
    assert held.nobody_holds()


def test_everybody_in_a_job_is_asked_to_end_before_anybody_is_killed(roomy: Site) -> None:
    held = roomy.gate()
    child = f"trap 'echo > asked; exit' TERM; {held.hold}; while :; do sleep 0.05; done"
    job_id = roomy.submit(f"trap 'wait; exit 7' TERM\n({child}) &\nwait")
    held.await_held()
    roomy.scheduler.cancel([job_id])
    row = roomy.end_of(job_id)
    assert (row["state"], row["exit_code"]) == ("CANCELLED", "7:0")
    assert (roomy.base / "asked").exists()


def test_a_job_that_ignores_sigterm_is_killed_after_a_while(make_site: Callable[..., Site]) -> None:
    site = make_site(kill_wait=0.1)
    held = site.gate()
    job_id = site.submit(f"trap '' TERM\n{held.hold}\nsleep 300 & sleep 300\nsleep 300")
    held.await_held()
    site.scheduler.cancel([job_id])
    row = site.end_of(job_id)
    assert (row["state"], row["exit_code"]) == ("CANCELLED", "0:9")
    assert held.nobody_holds()


def test_what_a_job_leaves_behind_is_gone_when_it_has_ended(roomy: Site) -> None:
    held = roomy.gate()
    row = roomy.end_of(roomy.submit(f"{held.hold}\nsleep 300 & disown"))
    assert row["state"] == "COMPLETED"
    held.await_held()
    assert held.nobody_holds()


# At most once, and never lost


def test_a_token_is_one_job_however_often_it_is_submitted(roomy: Site) -> None:
    script = roomy.script("echo >> runs-of-one-token")

    def submit(_: int) -> str:
        client = roomy.another_client()
        return client.submit(script, str(roomy.base), {}, {}, "the token", False)

    with ThreadPoolExecutor(8) as threads:
        jobs = set(threads.map(submit, range(24)))
    (job_id,) = jobs
    assert roomy.scheduler.find_submission("the token") == job_id
    roomy.end_of(job_id)
    assert submit(0) == job_id
    assert (roomy.base / "runs-of-one-token").read_text() == "\n"
    assert roomy.scheduler.find_submission("another") is None


def test_a_token_whose_job_was_cleaned_up_is_free(roomy: Site) -> None:
    """The next job has a directory of its own, and so another script."""
    first = roomy.submit("true", token="a key")
    roomy.end_of(first)
    script = roomy.script("exit 3")
    assert roomy.scheduler.find_submission("a key", script) is None
    second = roomy.scheduler.submit(script, str(roomy.base), {}, {}, "a key", False)
    assert second != first
    assert roomy.end_of(second)["exit_code"] == "3:0"
    assert roomy.scheduler.find_submission("a key", script) == second


def test_many_clients_at_once_start_one_daemon(make_site: Callable[..., Site]) -> None:
    site = make_site()
    with ThreadPoolExecutor(8) as threads:
        daemons = set(threads.map(lambda _: site.another_client().info()["pid"], range(16)))
    assert len(daemons) == 1


def test_only_known_jobs_are_answered_for(roomy: Site) -> None:
    job_id = roomy.submit("true")
    rows = roomy.scheduler.query(["9999999", job_id, "garbage", "1_2"])
    assert [row["job_id"] for row in rows] == [job_id]


def test_the_queue_has_what_has_not_ended(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=1)
    gate = site.gate()
    done = site.submit("true", token="t0")
    end = site.end_of(done)["end"]
    first = site.submit(gate.wait, token="t1", job_name="waits", partition="gpu", comment="t1 mine")
    second = site.submit("true", cpus_per_task="7")
    site.running(first)
    queue = {row["job_id"]: row for row in site.scheduler.queue()}
    assert set(queue) == {first, second}
    assert (queue[first]["name"], queue[first]["partition"]) == ("waits", "gpu")
    assert (queue[second]["state"], queue[second]["cpus"]) == ("PENDING", 7)
    info = site.scheduler.info()
    assert (info["max_cpus"], info["running"], info["pending"]) == (1, 1, 1)
    said = {row["job_id"]: row["comment"].split("|") for row in site.scheduler.unended()}
    assert said[first][0] == "t1 mine"
    assert os.path.isfile(said[second][1])
    asked = {done: ["t0"], first: ["t1"], second: ["another's token"]}
    assert site.scheduler.ended(asked) == {done: end}
    gate.open()


def test_a_killed_daemon_loses_nothing(make_site: Callable[..., Site]) -> None:
    site = make_site(max_cpus=3)
    gate, unseen_gate, third_gate = site.gate(), site.gate(), site.gate()
    ended = site.submit("exit 4")
    site.end_of(ended)
    running = site.submit(f"{gate.wait}; exit 5")
    unseen = site.submit(f"{unseen_gate.wait}; exit 6")
    cancelled = site.submit(third_gate.wait)
    waiting = site.submit("true", token="waits", cpus_per_task="3")
    dependent = site.submit("true", after=f"afternotok:{unseen}")
    for job_id in (running, unseen, cancelled):
        site.running(job_id)
    spooled = site.state / "spool" / f"{unseen}.status"
    kill_daemon(site)
    unseen_gate.open()
    wait_until(lambda: spooled.read_bytes().strip(), f"{spooled} says something")

    assert site.scheduler.find_submission("waits") == waiting
    assert site.row(ended)["exit_code"] == "4:0"
    assert site.row(running)["state"] == "RUNNING"
    assert site.end_of(unseen)["exit_code"] == "6:0"
    site.scheduler.cancel([cancelled])
    assert site.end_of(cancelled)["state"] == "CANCELLED"
    gate.open()
    row = site.end_of(running)
    assert (row["state"], row["exit_code"]) == ("FAILED", "5:0")
    for job_id in (waiting, dependent):
        assert site.end_of(job_id)["state"] == "COMPLETED"
    assert int(site.submit("true")) > int(dependent)
    assert not [one for one in site.scheduler.queue() if one["job_id"] != str(int(dependent) + 1)]


@pytest.mark.parametrize("daemon_dies", [False, True])
def test_a_job_whose_supervisor_is_killed_counts_as_lost_with_its_node(
    make_site: Callable[..., Site], daemon_dies: bool
) -> None:
    site = make_site()
    held = site.gate()
    job_id = site.submit(f"echo $PPID > supervisor\n{held.hold}\nsleep 300")
    held.await_held()
    supervisor = supervisor_of(site)
    if daemon_dies:
        kill_daemon(site)
    os.kill(supervisor, signal.SIGKILL)
    row = site.end_of(job_id)
    assert (row["state"], row["reason"]) == ("NODE_FAIL", "NodeFail")
    held.await_released()


def test_a_lost_job_that_asked_for_it_is_requeued(make_site: Callable[..., Site]) -> None:
    site = make_site()
    held = site.gate()
    again = 'echo $PPID > supervisor; [ -n "$SLURM_RESTART_COUNT" ] && exit "$SLURM_RESTART_COUNT"'
    job_id = site.submit(f"{again}\n{held.hold}\nsleep 300", requeue="")
    held.await_held()
    os.kill(supervisor_of(site), signal.SIGKILL)
    row = site.end_of(job_id)
    assert (row["state"], row["exit_code"], row["restarts"]) == ("FAILED", "1:0", 1)


def test_an_idle_daemon_leaves_and_the_next_call_brings_another(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(idle_timeout=0.05)
    first = site.submit("true", token="first")
    site.end_of(first)
    stuck = site.submit("true", after=f"afternotok:{first}")
    # Asking whether it is running would keep it.
    socket = site.state / "scheduler.sock"
    wait_until(lambda: not socket.exists(), f"{socket} is gone")
    script = str(site.base / "job1.sh")
    assert site.scheduler.submit(script, str(site.base), {}, {}, "first", False) == first
    assert site.row(first)["state"] == "COMPLETED"
    assert site.row(stuck)["reason"] == "DependencyNeverSatisfied"
    assert int(site.submit("true")) > int(stuck)


def test_shutdown_leaves_jobs_to_the_next_daemon_unless_told_to_kill_them(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(max_cpus=1)
    held = site.gate()
    running = site.submit(f"{held.hold}\nsleep 300")
    pending = site.submit("touch ran")
    held.await_held()
    site.scheduler.shutdown()
    assert not site.scheduler.is_running()
    assert not held.nobody_holds()
    site.scheduler.shutdown(kill_jobs=True)
    assert not site.scheduler.is_running()
    assert held.nobody_holds()
    assert site.row(running)["state"] == "CANCELLED"
    assert site.row(pending)["state"] == "CANCELLED"
    assert not (site.base / "ran").exists()


def test_shutting_down_what_never_ran_starts_nothing(tmp_path: Path) -> None:
    LocalScheduler(str(tmp_path / "state")).shutdown(kill_jobs=True)
    assert not (tmp_path / "state").exists()


def test_a_script_is_on_the_disk_before_its_job_is_taken(
    make_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site()
    forced, fsync = [], os.fsync

    def note(handle: int) -> None:
        fsync(handle)
        forced.append(os.fstat(handle).st_ino)

    monkeypatch.setattr(os, "fsync", note)
    site.submit("true")
    assert (site.base / "job1.sh").stat().st_ino in forced
