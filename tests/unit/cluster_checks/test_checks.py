"""The checks of `slurm doctor`, each on what it may be told: what is wrong is said, with what mends it."""

from __future__ import annotations

from typing import Any

import pytest

from slurm.api.requests import Host
from slurm.cluster_checks import directory, nodes, reaching, scheduler
from slurm.cluster_checks.nodes import Looked
from slurm.config.findings import Finding, Verdict
from slurm.errors import (
    AuthenticationFailed,
    ConfigError,
    HostKeyError,
    SlurmError,
    TransportError,
)

PARTITION: dict[str, Any] = {
    "partition": "cpu",
    "default": True,
    "state": "UP",
    "max_time": "1-00:00:00",
    "default_time": "01:00:00",
    "default_memory": "2048M a cpu",
    "nodes": {"idle": 2},
}
SAID: dict[str, Any] = {
    "programs": {
        name: {"path": f"/usr/bin/{name}", "version": "slurm 24.11.5"}
        for name in (*scheduler.NEEDED, "sacct", "sacctmgr")
    },
    "controller": {
        "code": 0,
        "error": "",
        "config": {"ClusterName": "hpc", "MaxArraySize": "1001", "MaxJobCount": "10000"},
    },
    "accounting": {"code": 0, "error": "", "associations": [], "default_account": ""},
    "partitions": [PARTITION],
}
BASE: dict[str, Any] = {
    "path": "/home/me/slurm_jobs",
    "exists": True,
    "problem": "",
    "there": "/home/me/slurm_jobs",
    "is_directory": True,
    "writable": True,
    "own": True,
    "mode": 0o700,
    "others_can_write": False,
    "free": 1 << 40,
    "files_free": 1000,
    "noexec": False,
    "file_system": "nfs4",
    "quota": "",
}
ENFORCED = {"AccountingStorageEnforce": "associations,limits"}


def association(account: str, maxsubmit: str = "") -> dict[str, str]:
    return {"account": account, "qos": "normal", "maxjobs": "", "maxsubmit": maxsubmit}


def of_scheduler(
    said: dict[str, Any] | None = None, submit: dict[str, Any] | None = None
) -> dict[str, Finding]:
    return {one.name: one for one in scheduler.examine({**SAID, **(said or {})}, submit or {})}


def assert_said(one: Finding, verdict: Verdict, *words: str) -> None:
    """Hold what a check has found; what is not well has something that mends it, and all is one line."""
    assert one.verdict is verdict, one
    assert all(word in str(one) for word in words), one
    assert bool(one.fix) is (verdict in (Verdict.WARN, Verdict.FAIL))
    assert str(one).isprintable()


# --- Slurm ---------------------------------------------------------------------------------------


def test_all_is_well_where_nothing_is_wrong() -> None:
    found = of_scheduler()
    assert tuple(found) == scheduler.NAMES
    assert {one.verdict for one in found.values()} == {Verdict.PASS}
    assert "MaxArraySize 1001" in found["limits"].text
    assert "default memory of cpu 2048M a cpu" in found["limits"].text


def test_a_command_that_is_missing_is_named_and_what_needs_it_is_not_looked_at() -> None:
    found = of_scheduler({"programs": {**SAID["programs"], "sbatch": None}})
    assert_said(found["commands"], Verdict.FAIL, "sbatch is not on the PATH")
    assert [one.verdict for one in found.values()].count(Verdict.SKIP) == len(scheduler.NAMES) - 1
    assert "commands failed" in found["limits"].text


@pytest.mark.parametrize(
    ("version", "verdict", "said"),
    [
        ("slurm-wlm 22.05.8", Verdict.PASS, "a release that the SDK is tested on"),
        ("slurm 23.02.1", Verdict.PASS, "between releases"),
        ("slurm 19.05.5", Verdict.WARN, "20.11, 22.05"),
        ("slurm 99.05.0", Verdict.WARN, "20.11, 22.05"),
        ("nothing\x1b[31m", Verdict.WARN, "unknown"),
    ],
)
def test_releases_of_slurm(version: str, verdict: Verdict, said: str) -> None:
    assert_said(scheduler.version(version), verdict, said)


def test_a_controller_that_does_not_answer() -> None:
    error = "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)\n"
    found = of_scheduler({"controller": {"code": 1, "error": error, "config": {}}})
    assert_said(found["controller"], Verdict.FAIL, "Unable to contact slurm controller")
    assert_said(found["accounting"], Verdict.PASS, "sacct answers")  # that is another one
    assert {found[name].verdict for name in ("account", "partition", "limits")} == {Verdict.SKIP}


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (1, "Slurm accounting storage is disabled", "no accounts are kept"),
        (1, "sacct: error: Sending PersistInit msg: Connection refused", "Connection refused"),
    ],
)
def test_accounts_that_do_not_answer(code: int, error: str, said: str) -> None:
    accounting = {**SAID["accounting"], "code": code, "error": error}
    assert_said(of_scheduler({"accounting": accounting})["accounting"], Verdict.WARN, said)


def test_no_accounts_without_sacct() -> None:
    found = of_scheduler({"programs": {**SAID["programs"], "sacct": None}})
    assert_said(found["accounting"], Verdict.WARN, "no accounts are kept")


@pytest.mark.parametrize(
    ("allowed", "usual", "chosen", "enforced", "verdict", "said"),
    [
        ([], "", None, False, Verdict.PASS, "the site wants none"),
        ([], "", "physics", False, Verdict.PASS, "physics, as you have set it"),
        (["physics"], "physics", None, True, Verdict.PASS, "your default, physics"),
        (["physics"], "physics", "physics", True, Verdict.PASS, "as you have set it"),
        (["physics"], "physics", "phisics", True, Verdict.FAIL, "did you mean 'physics'?"),
        (["physics"], "physics", "phisics", False, Verdict.WARN, "none that you may charge"),
        (["physics", "bio"], "", None, True, Verdict.FAIL, "bio, physics"),
        ([], "", None, True, Verdict.FAIL, "you may charge none"),
    ],
)
def test_accounts_to_charge(
    allowed: list[str], usual: str, chosen: str | None, enforced: bool, verdict: Verdict, said: str
) -> None:
    known = {"associations": [association(one) for one in allowed], "default_account": usual}
    found = scheduler.account(
        known, ENFORCED if enforced else {}, {"account": chosen} if chosen else {}
    )
    assert_said(found, verdict, said)


@pytest.mark.parametrize(
    ("change", "chosen", "verdict", "said"),
    [
        ({}, "cpu", Verdict.PASS, "cpu, as you have set it: 2 nodes"),
        ({}, "cpo", Verdict.FAIL, "did you mean 'cpu'?"),
        ({"default": False}, None, Verdict.FAIL, "no default partition"),
        ({"state": "DOWN"}, None, Verdict.WARN, "cpu is DOWN"),
        ({"nodes": {}}, None, Verdict.WARN, "has no nodes"),
        ({"nodes": {"idle": 1}}, None, Verdict.PASS, "1 node"),
        ({}, "cpu,gpu", Verdict.FAIL, "no partition gpu"),
    ],
)
def test_partitions(
    change: dict[str, Any], chosen: str | None, verdict: Verdict, said: str
) -> None:
    submit = {"partition": chosen} if chosen else {}
    assert_said(scheduler.partition([{**PARTITION, **change}], submit), verdict, said)


@pytest.mark.parametrize(
    ("longest", "asked", "verdict"),
    [
        ("1-00:00:00", "2-00:00:00", Verdict.WARN),
        ("00:05:00", None, Verdict.WARN),  # the SDK's own ten minutes
        ("00:05:00", False, Verdict.PASS),
        ("UNLIMITED", "30-0", Verdict.PASS),
        ("", "5", Verdict.PASS),
    ],
)
def test_a_job_that_would_wait_for_ever(longest: str, asked: Any, verdict: Verdict) -> None:
    said = {"partitions": [{**PARTITION, "max_time": longest}]}
    submit = {} if asked is None else {"time": asked}
    assert_said(of_scheduler(said, submit)["limits"], verdict)


def test_limits_of_the_user() -> None:
    accounting = {**SAID["accounting"], "associations": [association("physics", "3")]}
    assert "MaxSubmitJobs of yours 3" in of_scheduler({"accounting": accounting})["limits"].text


# --- the directory for jobs, and clocks ----------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "name", "verdict", "said"),
    [
        ({}, "job-base-dir", Verdict.PASS, "is there, on nfs4"),
        ({"exists": False, "there": "/home/me"}, "job-base-dir", Verdict.PASS, "can be made in /home/me"),
        ({"others_can_write": True}, "job-base-dir", Verdict.FAIL, "other users can write"),
        ({"own": False}, "job-base-dir", Verdict.FAIL, "somebody else"),
        ({"writable": False, "exists": False}, "job-base-dir", Verdict.FAIL, "may not write"),
        ({"is_directory": False}, "job-base-dir", Verdict.FAIL, "no directory"),
        ({"problem": "Permission denied", "there": ""}, "job-base-dir", Verdict.FAIL, "Permission denied"),
        ({"free": 0}, "space", Verdict.FAIL, "0 bytes free"),
        ({"free": 100 << 20}, "space", Verdict.WARN, "100M free"),
        ({"files_free": 0}, "space", Verdict.FAIL, "inodes"),
        ({"files_free": None}, "space", Verdict.PASS, "1T free"),
        ({"quota": "/home 100G"}, "space", Verdict.FAIL, "over quota: /home 100G"),
        ({"noexec": True}, "programs-run", Verdict.WARN, "noexec"),
        ({}, "programs-run", Verdict.PASS, "not mounted noexec"),
    ],
)  # fmt: skip
def test_the_directory_for_jobs(
    change: dict[str, Any], name: str, verdict: Verdict, said: str
) -> None:
    found = {one.name: one for one in directory.examine({**BASE, **change})}
    assert tuple(found) == directory.NAMES
    assert_said(found[name], verdict, said)


def test_what_cannot_be_looked_at_is_said_so() -> None:
    found = list(directory.examine({"path": "/x", "exists": False, "problem": "Permission denied"}))
    assert [one.verdict for one in found] == [Verdict.FAIL, Verdict.SKIP, Verdict.SKIP]


@pytest.mark.parametrize(
    ("ahead", "verdict", "said"),
    [
        (0.2, Verdict.PASS, "agrees"),
        (-3, Verdict.PASS, "3 s behind"),
        (90, Verdict.WARN, "90 s ahead of"),
        (-600, Verdict.FAIL, "600 s behind"),
    ],
)
def test_clocks(ahead: float, verdict: Verdict, said: str) -> None:
    assert_said(directory.clock("clock", ahead, "the login node"), verdict, said)


# --- the connection ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "failed", "fix"),
    [
        (TransportError("hpc: Connection refused."), "connection", "ssh -v hpc"),
        (HostKeyError("hpc: Host key for hpc has changed."), "host-key", "slurm login hpc"),
        (AuthenticationFailed("hpc: Permission denied (publickey)."), "login", "slurm login hpc"),
        (TransportError("hpc: sh: nope: not found. Name an interpreter that is there with python="), "python", "--python"),
        (TransportError("hpc: x. No agent began there (exit status 1): if python="), "python", "--python"),
    ],
)  # fmt: skip
def test_a_connection_that_is_not_there_says_how_far_it_came(
    problem: SlurmError, failed: str, fix: str
) -> None:
    found = list(reaching.not_reached(problem, "slurm login hpc", "ssh -v hpc true"))
    assert tuple(one.name for one in found) == reaching.CONNECTION
    place = reaching.CONNECTION.index(failed)
    assert {one.verdict for one in found[:place]} <= {Verdict.PASS}
    assert_said(found[place], Verdict.FAIL, str(problem), fix)
    assert {one.verdict for one in found[place + 1 :]} <= {Verdict.SKIP}


def test_a_connection_that_is_there() -> None:
    host = Host("/home/me", "me", (3, 6, 8), "/usr/bin/python3")
    found = list(reaching.reached("hpc", 0.31, host))
    assert [str(one) for one in found] == [
        "PASS connection: hpc answered after 0.31 s",
        "PASS host-key: it is the one that your known_hosts has",
        "PASS login: logged in as me",
        "PASS python: Python 3.6.8 at /usr/bin/python3",
    ]


def test_a_cluster_that_is_not_described() -> None:
    assert_said(reaching.described("", ConfigError("no file")), Verdict.FAIL, "slurm init")


# --- a node --------------------------------------------------------------------------------------

ON_A_NODE: dict[str, Any] = {
    "host": "c1",
    "python": [3, 13, 5],
    "executable": "/usr/bin/python3",
    "seen": {"content": "x", "problem": ""},
}


def of_node(looked: Looked | None) -> dict[str, Finding]:
    return {one.name: one for one in nodes.examine(looked)}


def test_a_node_on_which_all_is_well() -> None:
    found = of_node(Looked(ON_A_NODE, seconds=1.5, sent="x", back="x"))
    assert tuple(found) == nodes.NAMES
    assert {one.verdict for one in found.values()} == {Verdict.PASS}
    assert "ran on c1" in found["job"].text


def test_a_job_that_did_not_run() -> None:
    found = of_node(Looked(problem="it is PENDING (Resources) after 5 s, and was cancelled"))
    assert_said(found["job"], Verdict.FAIL, "PENDING (Resources)")
    assert {found[name].verdict for name in nodes.NAMES[1:]} == {Verdict.SKIP}


@pytest.mark.parametrize(
    ("change", "more", "name", "said"),
    [
        ({"python": [3, 8, 1]}, {}, "node-python", "3.8.1"),
        ({"seen": {"content": None, "problem": "x"}}, {}, "node-files", "does not see"),
        ({}, {"back": None}, "node-files", "is not seen"),
        ({}, {"ahead": 400}, "node-clock", "ahead"),
    ],
)
def test_what_is_wrong_on_a_node(
    change: dict[str, Any], more: dict[str, Any], name: str, said: str
) -> None:
    looked = Looked({**ON_A_NODE, **change}, sent="x", back="x")._replace(**more)
    assert_said(of_node(looked)[name], Verdict.FAIL, said)
