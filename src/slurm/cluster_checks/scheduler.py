"""Whether Slurm takes jobs of this user, and how many: checks of what `site_probe` has asked. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from slurm.config.checks import suggestion
from slurm.config.findings import Finding, Verdict, printable
from slurm.sbatch.options import InvalidOption, parse_time_limit
from slurm.sbatch.overlay import DEFAULT_OPTIONS
from slurm.testing.releases import RELEASES

NEEDED = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
NAMES = ("commands", "slurm-version", "controller", "accounting", "account", "partition", "limits")
OFF = "accounting storage is disabled"

Said = Mapping[str, Any]
Submit = Mapping[str, Any]


def examine(said: Said, submit: Submit) -> Iterator[Finding]:
    """All checks of a scheduler; `submit` has the sbatch options of every job."""
    found = commands(said["programs"])
    yield found
    if found.verdict is Verdict.FAIL:
        yield from _skipped(NAMES[1:], "commands failed")
        return
    yield version(said["programs"]["sbatch"]["version"])
    found = controller(said["controller"])
    yield found
    yield accounting(said["programs"], said["accounting"])
    if found.verdict is Verdict.FAIL:
        yield from _skipped(NAMES[4:], "controller failed")
        return
    config = said["controller"]["config"]
    yield account(said["accounting"], config, submit)
    yield partition(said["partitions"], submit)
    yield limits(said, submit)


def _skipped(names: tuple[str, ...], because: str) -> Iterator[Finding]:
    return (Finding(name, Verdict.SKIP, f"not looked at: {because}") for name in names)


def commands(programs: Mapping[str, Said | None]) -> Finding:
    """Whether the commands that the SDK needs are on the PATH there."""
    missing = [name for name in NEEDED if not programs.get(name)]
    if missing:
        text = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not on the PATH there"
        fix = "name a login node as the hostname, or set the PATH in a start-up file that a command through ssh reads"
        return Finding("commands", Verdict.FAIL, text, fix)
    return Finding("commands", Verdict.PASS, f"{', '.join(NEEDED)} are there")


def version(text: str) -> Finding:
    """Whether the SDK is tested on this release of Slurm, or on an older and a newer one.

    >>> print(version("slurm-wlm 24.11.5"))
    PASS slurm-version: slurm-wlm 24.11.5, a release that the SDK is tested on
    """
    known = {_release(one.slurm) for one in RELEASES.values()}
    found = re.search(r"(\d+)\.(\d+)", text)
    if found is None:
        fix = "run sbatch --version there: it is to print a version"
        return Finding("slurm-version", Verdict.WARN, f"it is unknown: {printable(text)}", fix)
    release = (int(found[1]), int(found[2]))
    tested = ", ".join(sorted(one.slurm for one in RELEASES.values()))
    if release in known:
        about = "a release that the SDK is tested on"
    elif min(known) < release < max(known):
        about = f"between releases that the SDK is tested on: {tested}"
    else:
        fix = "see that a job runs: slurm doctor --job"
        about = f"{printable(text)}, and the SDK is tested on {tested}"
        return Finding("slurm-version", Verdict.WARN, about, fix)
    return Finding("slurm-version", Verdict.PASS, f"{printable(text)}, {about}")


def _release(text: str) -> tuple[int, int]:
    first, second = text.split(".")[:2]
    return int(first), int(second)


def controller(said: Said) -> Finding:
    """Whether the controller answers."""
    if said["code"] != 0:
        fix = "ask your site: slurmctld does not answer; what runs goes on, and nothing can be submitted"
        text = printable(said["error"]) or f"scontrol exited with {said['code']}"
        return Finding("controller", Verdict.FAIL, text, fix)
    return Finding("controller", Verdict.PASS, f"{said['config'].get('ClusterName', 'it')} answers")


def accounting(programs: Mapping[str, Said | None], said: Said) -> Finding:
    """Whether accounts are kept, which tell how jobs ended that have left the queue."""
    if not programs.get("sacct") or OFF in said["error"].lower():
        text = "no accounts are kept: how a job ended is known as long as Slurm remembers it, and by its files"
        return Finding("accounting", Verdict.WARN, text, "nothing needs to be done")
    if said["code"] != 0:
        fix = "ask your site: slurmdbd does not answer; jobs run meanwhile, and how they ended is told late"
        return Finding("accounting", Verdict.WARN, printable(said["error"]), fix)
    return Finding("accounting", Verdict.PASS, "sacct answers")


def account(said: Said, config: Mapping[str, str], submit: Submit) -> Finding:
    """Whether there is an account that jobs are charged to, and that this user may charge."""
    allowed = sorted({row["account"] for row in said["associations"]})
    enforced = "associations" in config.get("AccountingStorageEnforce", "")
    chosen, usual = submit.get("account"), said["default_account"]
    if chosen and allowed and chosen not in allowed:
        near = suggestion(str(chosen), allowed)
        text = f"{printable(str(chosen))} is none that you may charge{near}: {', '.join(allowed)}"
        fix = "name one of them: --account, or account in [ENV.submit]"
        return Finding("account", Verdict.FAIL if enforced else Verdict.WARN, text, fix)
    if chosen:
        return Finding("account", Verdict.PASS, f"{printable(str(chosen))}, as you have set it")
    if enforced and not allowed:
        fix = "ask your site for an account: it refuses jobs of users that have none"
        return Finding("account", Verdict.FAIL, "you may charge none, and the site wants one", fix)
    if enforced and not usual:
        fix = "name one: --account, or account in [ENV.submit]"
        text = f"you have no default, and may charge {', '.join(allowed)}"
        return Finding("account", Verdict.FAIL, text, fix)
    text = f"your default, {usual}" if usual else "the site wants none"
    return Finding("account", Verdict.PASS, text)


def partition(partitions: list[Said], submit: Submit) -> Finding:
    """Whether the partition of every job is there and takes jobs."""
    named = {one["partition"]: one for one in partitions}
    usual = next((name for name, one in named.items() if one["default"]), None)
    chosen = submit.get("partition") or usual
    fix = f"name one of {', '.join(named) or 'those that sinfo shows'}: partition in [ENV.submit]"
    if not chosen:
        text = "there is no default partition, and you have named none"
        return Finding("partition", Verdict.FAIL, text, fix)
    missing = [one for one in str(chosen).split(",") if one not in named]
    if missing:
        near = suggestion(missing[0], named)
        text = f"there is no partition {printable(missing[0])}{near}"
        return Finding("partition", Verdict.FAIL, text, fix)
    one = named[str(chosen).split(",")[0]]
    if one["state"] not in ("UP", ""):
        text = f"{one['partition']} is {one['state']}: its jobs wait"
        return Finding("partition", Verdict.WARN, text, fix)
    if not one["nodes"]:
        return Finding("partition", Verdict.WARN, f"{one['partition']} has no nodes", fix)
    whose = "as you have set it" if submit.get("partition") else "the default"
    nodes = sum(one["nodes"].values())
    text = f"{chosen}, {whose}: {nodes} node{'' if nodes == 1 else 's'}"
    return Finding("partition", Verdict.PASS, text)


def limits(said: Said, submit: Submit) -> Finding:
    """What bounds jobs; a warning where jobs ask for more time than their partition allows, and so wait for ever."""
    config, rows = said["controller"]["config"], said["partitions"]
    usual = next((one["partition"] for one in rows if one["default"]), "")
    chosen = str(submit.get("partition") or usual).split(",")[0]
    mine: Said = next((one for one in rows if one["partition"] == chosen), {})
    time = submit.get("time", DEFAULT_OPTIONS["time"])
    longest, asked = _seconds(mine.get("max_time")), _seconds(time)
    if longest is not None and asked is not None and asked > longest:
        text = f"a job asks for {time}, and {chosen} allows {mine['max_time']}: it waits for ever"
        fix = "set a shorter time in [ENV.submit], or time = false for the partition's own"
        return Finding("limits", Verdict.WARN, text, fix)
    most = [row["maxsubmit"] for row in said["accounting"]["associations"] if row["maxsubmit"]]
    known = {
        "MaxArraySize": config.get("MaxArraySize"),
        "MaxJobCount": config.get("MaxJobCount"),
        "MaxSubmitJobs of yours": ", ".join(dict.fromkeys(most)),
        f"MaxTime of {chosen}": mine.get("max_time"),
        f"default memory of {chosen}": mine.get("default_memory"),
    }
    text = ", ".join(f"{name} {value}" for name, value in known.items() if value)
    return Finding("limits", Verdict.PASS, printable(text, 400) or "none are known")


def _seconds(text: object) -> int | None:
    """The seconds of a time; None for one without an end, or that is none."""
    try:
        return parse_time_limit(str(text))
    except InvalidOption:
        return None
