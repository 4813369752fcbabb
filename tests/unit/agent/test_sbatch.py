"""Submitting with sbatch, against fake programs on the PATH."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.fakes import NO_ACCOUNTING, Programs

from slurm.agent import commands
from slurm.agent import programs as programs_of_agent
from slurm.agent.programs import scrubbed_environment
from slurm.agent.sbatch import sbatch_argv
from slurm.api.requests import Archive, JobRequest, Submitted
from slurm.api.slurm_cli import SlurmCliBackend
from slurm.errors import SlurmError, SubmissionRefused, SubmissionUnknown

TOKEN = "c0ffee"
QUIET_SACCT = "exit 0"


def submit(slurm: SlurmCliBackend, folder: Path, **submit_options: str) -> Submitted:
    base = folder / "jobs"
    request = JobRequest(
        job_dir=str(base / "train" / "1"),
        files={"job.sh": b"#!/bin/bash\n", "metadata.json": b"{}"},
        options={},
        submit_options={"comment": TOKEN, **submit_options},
        token=TOKEN,
    )
    [answer] = slurm.submit_jobs(
        [request], base=str(base), events=f"{base}/.events/me", archive=Archive(str(folder))
    )
    return answer


@pytest.mark.parametrize(
    "printed",
    [
        "echo 4711",
        "echo '4711;cluster'",
        "printf '\\n 4711\\r\\n\\n'",
        "echo 'sbatch: lua: Submitted job 17' >&2; printf 4711",
    ],
)
def test_a_plain_job_id_is_believed_and_nobody_asked_again(
    printed: str, slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add("sbatch", printed)
    assert submit(slurm, tmp_path).job_id == "4711"
    assert not programs.calls("squeue")


WITH_OTHER_WORDS = {
    "a quota behind it": "4711\\nYour quota is 42\\n",
    "a number behind it": "4711\\n42\\n",
    "a number before it": "42\\n4711\\n",
    "a number with a cluster": "4711;here\\n42;there\\n",
    "a banner before it": "Welcome!\\n\\n4711\\n",
    "only another number": "42 days until the maintenance\\n",
    "a wrapper's words": "Submitted batch job 4711\\n",
    "sbatch's own words": "sbatch: lua: job 42 is not alone\\n4711\\n",
    "colours": "\\033[32m42\\033[0m\\n",
    "other bytes": "\\377\\376 42\\n42\\377\\n",
    "digits of another script": "\\331\\244\\331\\242\\n",
    "no job's number": "0\\n",
    "a part of a line": "id 42\\n",
    "a number and words": "42 jobs\\n",
    "a task of an array": "42_7\\n",
    "two clusters": "42;a;b\\n",
}


@pytest.mark.parametrize("printed", WITH_OTHER_WORDS.values(), ids=WITH_OTHER_WORDS)
@pytest.mark.parametrize("code", [0, 1])
def test_beside_other_words_the_token_says_which_job_it_is(
    code: int, printed: str, slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    """A site's wrapper may print anything, and any number may be a stranger's job."""
    queue = f"printf '42|RUNNING|None|n1|N/A|another\\n4711|PENDING|Priority||N/A|{TOKEN}\\n' > $HERE/queue"
    refused = "" if code == 0 or "4711" in printed else "echo 'timed out' >&2; "
    programs.add("sbatch", f"{queue}; printf '{printed}'; {refused}exit {code}")
    assert submit(slurm, tmp_path).job_id == "4711"
    assert len(programs.calls("squeue")) == 1


def test_where_nobody_knows_the_job_no_strangers_is_taken(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add(
        "sbatch",
        "echo '42|RUNNING|None|n1|N/A|another' > $HERE/queue; echo 4711; echo 'Your quota is 42'",
    )
    answer = submit(slurm, tmp_path)
    assert isinstance(answer.error, SubmissionUnknown)
    assert str(answer.error) == (
        "sbatch printed no line that is a job id and nothing else: '4711\\nYour quota is 42\\n'"
    )
    assert answer.job_id == ""


def test_a_refusal_of_sbatch_after_a_wrappers_words_is_no_refusal_of_a_job_that_is_there(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add(
        "sbatch",
        f"echo '4711|PENDING|Priority||N/A|{TOKEN}' > $HERE/queue; echo 'Submitted batch job 4711'; "
        "echo 'sbatch: error: the mail was not sent' >&2; exit 1",
    )
    assert submit(slurm, tmp_path).job_id == "4711"


def test_sbatch_is_called_with_its_arguments_as_they_are(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add("sbatch", "pwd > $HERE/cwd; cat > $HERE/stdin; echo 1")
    job_dir = submit(
        slurm, tmp_path, comment=f"{TOKEN} $(touch pwned); 'x'", dependency="afterok:3"
    ).job_dir
    assert programs.calls("sbatch") == [
        [
            "--parsable",
            f"--comment={TOKEN} $(touch pwned); 'x'",
            "--dependency=afterok:3",
            f"{job_dir}/job.sh",
        ]
    ]
    assert (programs.folder / "cwd").read_text().strip() == job_dir
    assert (programs.folder / "stdin").read_text() == ""
    assert not list(tmp_path.rglob("pwned"))


def test_a_job_inside_a_job_does_not_inherit_it(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "SLURM_JOB_ID",
        "SBATCH_PARTITION",
        "SRUN_X",
        "PMI_RANK",
        "PMIX_ID",
        "SACCT_FORMAT",
    ):
        monkeypatch.setenv(name, "outer")
    monkeypatch.setenv("SLURM_CONF", "/etc/other/slurm.conf")
    monkeypatch.setenv("MY_VARIABLE", "kept")
    programs.add("sbatch", "env > $HERE/env; echo 1")
    submit(slurm, tmp_path)
    lines = (programs.folder / "env").read_text().splitlines()
    assert not [line for line in lines if "outer" in line]
    assert "SLURM_CONF=/etc/other/slurm.conf" in lines
    assert "MY_VARIABLE=kept" in lines
    assert scrubbed_environment()["PATH"] == os.environ["PATH"]


DEFAULTS = {
    "SBATCH_ACCOUNT": "mine",
    "SBATCH_CONSTRAINT": "ib",
    "SBATCH_PARTITION": "gpu",
    "SBATCH_QOS": "long",
    "SBATCH_RESERVATION": "course",
    "SBATCH_WCKEY": "thesis",
}
# What sbatch 24.11 reads beside them.
BREAKING = (
    *(
        "ACCTG_FREQ",
        "ARRAY_INX",
        "BATCH",
        "BURST_BUFFER",
        "CLUSTERS",
        "CLUSTER_CONSTRAINT",
        "CONTAINER",
    ),
    *(
        "CONTAINER_ID",
        "CORE_SPEC",
        "CPUS_PER_GPU",
        "CPU_FREQ_REQ",
        "DEBUG",
        "DELAY_BOOT",
        "DISTRIBUTION",
        "ERROR",
    ),
    *(
        "EXCLUSIVE",
        "EXPORT",
        "GET_USER_ENV",
        "GPUS",
        "GPUS_PER_NODE",
        "GPUS_PER_TASK",
        "GRES",
        "HINT",
        "IGNORE_PBS",
    ),
    *(
        "INPUT",
        "JOB_NAME",
        "MEM_BIND",
        "MEM_PER_CPU",
        "MEM_PER_NODE",
        "NETWORK",
        "NO_KILL",
        "NO_REQUEUE",
    ),
    *(
        "OPEN_MODE",
        "OUTPUT",
        "OVERCOMMIT",
        "PROFILE",
        "REQUEUE",
        "SIGNAL",
        "SPREAD_JOB",
        "THREADS_PER_CORE",
    ),
    *("TIMELIMIT", "TRES_PER_TASK", "USE_MIN_NODES", "WAIT", "WAIT4SWITCH", "WAIT_ALL_NODES"),
)


@pytest.fixture
def start_up_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of a user who has set all that there are."""
    for name, value in DEFAULTS.items():
        monkeypatch.setenv(name, value)
    for name in BREAKING:
        monkeypatch.setenv(f"SBATCH_{name}", "breaks")
    for name in OTHER_COMMANDS:
        monkeypatch.setenv(name, "breaks")


OTHER_COMMANDS = (
    *(
        "SCANCEL_ACCOUNT",
        "SCANCEL_BATCH",
        "SCANCEL_CRON",
        "SCANCEL_CTLD",
        "SCANCEL_FULL",
        "SCANCEL_HURRY",
    ),
    *(
        "SCANCEL_INTERACTIVE",
        "SCANCEL_NAME",
        "SCANCEL_PARTITION",
        "SCANCEL_QOS",
        "SCANCEL_STATE",
        "SCANCEL_USER",
    ),
    *(
        "SCANCEL_VERBOSE",
        "SCANCEL_WCKEY",
        "SCONTROL_ALL",
        "SCONTROL_FEDERATION",
        "SCONTROL_FUTURE",
        "SCONTROL_LOCAL",
    ),
    *(
        "SCONTROL_SIBLING",
        "SINFO_ALL",
        "SINFO_FEDERATION",
        "SINFO_FORMAT",
        "SINFO_FUTURE",
        "SINFO_LOCAL",
    ),
    *(
        "SINFO_PARTITION",
        "SINFO_SORT",
        "SQUEUE_ACCOUNT",
        "SQUEUE_ALL",
        "SQUEUE_ARRAY",
        "SQUEUE_ARRAY_UNIQUE",
    ),
    *(
        "SQUEUE_FORMAT",
        "SQUEUE_FORMAT2",
        "SQUEUE_LICENSES",
        "SQUEUE_NAMES",
        "SQUEUE_PARTITION",
        "SQUEUE_PRIORITY",
    ),
    *(
        "SQUEUE_QOS",
        "SQUEUE_SIBLING",
        "SQUEUE_SORT",
        "SQUEUE_STATES",
        "SQUEUE_USERS",
        "SACCT_FEDERATION",
    ),
    *(
        "SACCT_FORMAT",
        "SACCT_LOCAL",
        "SLURM_TIME_FORMAT",
        "SLURM_CLUSTERS",
        "SLURM_BITSTR_LEN",
        "SLURM_JSON",
    ),
    *(
        "SLURM_YAML",
        "SLURM_DEBUG_FLAGS",
        "SLURM_EXIT_ERROR",
        "SLURM_UMASK",
        "SLURM_HINT",
        "SLURM_ACCOUNT",
    ),
)


@pytest.mark.usefixtures("start_up_file")
def test_where_a_users_jobs_go_holds_unless_something_else_was_told(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    """To sbatch a variable counts for more than a line of the script."""
    programs.add("sbatch", "env > $HERE/env; echo 1")
    submit(slurm, tmp_path)
    assert sbatch_variables(programs) == DEFAULTS
    told = {"partition": "cpu"}
    slurm.agent.scheduler.submit("job.sh", str(tmp_path), told, {"account": "ours"}, "token", False)
    less = {
        name: DEFAULTS[name]
        for name in DEFAULTS
        if name[7:].lower() not in ("partition", "account")
    }
    assert sbatch_variables(programs) == less


@pytest.mark.usefixtures("start_up_file")
def test_no_start_up_file_changes_what_slurm_is_asked(
    slurm: SlurmCliBackend, programs: Programs
) -> None:
    for name in ("squeue", "sacct", "scancel", "sinfo", "scontrol"):
        programs.add(name, f"env > $HERE/{name}.env")
    scheduler = slurm.agent.scheduler
    scheduler.query(["1"])
    scheduler.cancel(["1"])
    scheduler.requeue("1")
    scheduler.info()
    own = {"SLURM_TIME_FORMAT=%s", "SLURM_BITSTR_LEN=0"}
    for name in ("squeue", "sacct", "scancel", "sinfo", "scontrol"):
        lines = (programs.folder / f"{name}.env").read_text().splitlines()
        assert not [line for line in lines if "breaks" in line], name
        assert {line for line in lines if line.startswith("SLURM_")} == own, name


def sbatch_variables(programs: Programs) -> dict[str, str]:
    lines = (programs.folder / "env").read_text().splitlines()
    assert not [line for line in lines if "breaks" in line]
    return dict(line.split("=", 1) for line in lines if line.startswith("SBATCH_"))


@pytest.mark.parametrize(("job", "held"), [("", True), ("7", False)])
def test_who_a_user_is_to_slurm_holds_outside_of_jobs(
    job: str, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JWT", "a token")
    monkeypatch.setenv("SLURM_CONF_SERVER", "controller")
    if job:
        monkeypatch.setenv("SLURM_JOB_ID", job)
    environment = scrubbed_environment()
    assert environment["SLURM_CONF_SERVER"] == "controller"
    assert ("SLURM_JWT" in environment) is held


def test_a_refusal_is_sbatchs_own_words(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add("sbatch", "echo 'sbatch: error: invalid partition specified: gpuu' >&2; exit 1")
    answer = submit(slurm, tmp_path)
    assert isinstance(answer.error, SubmissionRefused)
    assert str(answer.error) == "sbatch: error: invalid partition specified: gpuu"
    assert not (tmp_path / "jobs" / "train" / "1").exists()


LOST_ANSWERS = {
    "timed out": "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1",
    "controller gone": "echo 'Unable to contact slurm controller (receive failure)' >&2; exit 1",
    "zero bytes": "echo 'Batch job submission failed: Zero Bytes were transmitted or received' >&2; exit 1",
    "killed": "kill -9 $$",
    "nothing printed": "exit 0",
    "no id printed": "echo 'Have a nice day.'",
}


@pytest.mark.parametrize("sbatch", LOST_ANSWERS.values(), ids=LOST_ANSWERS)
def test_a_lost_answer_is_no_refusal_the_job_is_found_by_its_token(
    sbatch: str, slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add(
        "sbatch", f"echo '4711|PENDING|Priority||N/A|{TOKEN} mine' > $HERE/queue; {sbatch}"
    )
    answer = submit(slurm, tmp_path)
    assert answer.error is None
    assert answer.job_id == "4711"
    assert (tmp_path / "jobs" / "train" / "1" / "job.sh").exists(), "the files of a live job"


def test_a_job_that_has_left_the_queue_is_found_by_its_token_in_accounting(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add(
        "sbatch", f"echo '4711|{TOKEN} mine' > $HERE/accounts; {LOST_ANSWERS['timed out']}"
    )
    assert submit(slurm, tmp_path).job_id == "4711"


@pytest.mark.parametrize("sacct", [QUIET_SACCT, NO_ACCOUNTING])
def test_a_job_that_nobody_knows_is_unknown(
    sacct: str, slurm: SlurmCliBackend, programs: Programs, tmp_path: Path
) -> None:
    programs.add("sacct", sacct)
    programs.add("sbatch", LOST_ANSWERS["timed out"])
    assert isinstance(submit(slurm, tmp_path).error, SubmissionUnknown)


def test_a_hung_sbatch_is_given_up(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "COMMAND_TIMEOUT", 0.15)
    programs.add("sbatch", "exec sleep 600")
    answer = submit(slurm, tmp_path)
    assert isinstance(answer.error, SlurmError)
    assert "sbatch gave no answer" in str(answer.error)


def test_what_a_hung_sbatch_has_said_is_told(
    slurm: SlurmCliBackend, programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a controller that is full: sbatch tries for minutes."""
    busy = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying"
    programs.add("sbatch", f"echo '{busy}' >&2; touch $HERE/said; exec sleep 600")
    child: Any = programs_of_agent.child_class()

    class Patient(child):  # type: ignore[misc]
        def communicate(self, data: Any, timeout: float) -> Any:
            if "sbatch" in self.args[0]:
                wait_until((programs.folder / "said").exists, "sbatch has said it")
                timeout = 0.5
            return super().communicate(data, timeout=timeout)

    monkeypatch.setattr(programs_of_agent, "child_class", lambda: Patient)
    error = submit(slurm, tmp_path).error
    assert isinstance(error, SubmissionUnknown)
    assert str(error).endswith(f"sbatch gave no answer in 60 s; it said: {busy}")


def test_without_slurm_nothing_is_submitted_and_nothing_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = submit(SlurmCliBackend(), tmp_path)
    assert isinstance(answer.error, SlurmError)
    assert "is this a Slurm login node?" in str(answer.error)
    assert not isinstance(answer.error, SubmissionUnknown), "it is quite sure"
    assert not (tmp_path / "jobs" / "train" / "1").exists()
    assert not list((tmp_path / "jobs").rglob("*.json"))


def test_the_command_line_is_an_argument_list_in_a_fixed_order() -> None:
    argv = sbatch_argv("/j/job.sh", {"dependency": "afterok:1:2", "comment": "a b"})
    assert argv == [
        "sbatch",
        "--parsable",
        "--comment=a b",
        "--dependency=afterok:1:2",
        "/j/job.sh",
    ]
