"""Whether a project's policy can work: named checks, of which each says what it found and what mends it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

from slurm.config.findings import Finding, Verdict
from slurm.runs.edit_scope import ANY, PLUS_CORE
from slurm.runs.policy import (
    COMMANDS,
    CORE_DIRS,
    DRY_RUN,
    EDIT_MODE,
    LAUNCH_SMOKE,
    LEDGER,
    MONITOR_SMOKE,
    PYTHON,
    RSYNC,
    VARIABLE,
    Policy,
)
from slurm.runs.templates import shell_words

PASS, WARN, FAIL = Verdict.PASS, Verdict.WARN, Verdict.FAIL


def examine(policy: Policy, *, on_slurm: bool) -> Iterator[Finding]:
    """What is found in a policy that could be read. `on_slurm` says whether jobs are submitted from here.

    >>> from slurm.runs.policy import load_policy
    >>> [one.name for one in examine(load_policy(), on_slurm=False)][:3]
    ['policy-file', 'policy-trust', 'preset']
    """
    yield _file(policy)
    yield _trust(policy)
    yield _preset(policy, on_slurm)
    yield _smoke(policy)
    yield python_bin(policy)
    for key, name in ((DRY_RUN, "dry-run-command"), (RSYNC, "rsync-command")):
        yield _command(policy, key, name)
    yield _scope(policy)
    yield _ledger(policy)


def _file(policy: Policy) -> Finding:
    if policy.exists:
        return Finding(
            "policy-file", PASS, f"{policy.path} sets {', '.join(policy.own) or 'nothing'}"
        )
    return Finding(
        "policy-file", PASS, f"there is no {policy.path}: the defaults hold, which is all right"
    )


def _trust(policy: Policy) -> Finding:
    reason = policy.distrusted()
    if not reason:
        return Finding("policy-trust", PASS, "nobody else could have written the file")
    said = [key for key in (*COMMANDS, PYTHON) if key in policy.own and policy[key] is not None]
    fix = f"chmod go-w the file and its directory, or name it: {VARIABLE}={policy.path}"
    if said:
        return Finding("policy-trust", FAIL, f"{reason}, so {said[0]} is not run", fix)
    return Finding("policy-trust", WARN, f"{reason}: a command in it would not be run", fix)


def _preset(policy: Policy, on_slurm: bool) -> Finding:
    if policy.preset:
        return Finding("preset", PASS, f"{policy.preset}")
    if on_slurm:
        return Finding(
            "preset", WARN, "none, though Slurm is here", "slurm policy apply preset slurm"
        )
    return Finding("preset", PASS, "none")


def _smoke(policy: Policy) -> Finding:
    off = [key for key in (LAUNCH_SMOKE, MONITOR_SMOKE) if not policy[key]]
    if not off:
        return Finding(
            "env-smoke", PASS, "runs are looked at after launch and while they are monitored"
        )
    return Finding(
        "env-smoke",
        WARN if policy.preset else PASS,
        f"{' and '.join(off)} off ({policy.where(off[0])})",
        f"set {off[0]}: true" if policy.preset else "",
    )


def python_bin(policy: Policy) -> Finding:
    """Whether ``{{python_bin}}`` is a program."""
    found = shutil.which(policy.python_bin)
    if found:
        return Finding("python-bin", PASS, found)
    return Finding(
        "python-bin",
        FAIL,
        f"{policy.python_bin} ({policy.where(PYTHON)}) is no program",
        "give the path of an interpreter, or take the key out",
    )


def _command(policy: Policy, key: str, name: str) -> Finding:
    if policy[key] is None:
        return Finding(name, PASS, "none")
    words = shell_words(policy[key])
    if words:
        return Finding(
            name,
            WARN,
            f"no shell reads it, so {' '.join(words)} reaches the program as it is",
            "put it into a script, and name that",
        )
    program = _program(policy, key)
    if program is None or shutil.which(program):
        return Finding(name, PASS, str(policy[key]))
    return Finding(
        name,
        FAIL,
        f"{program} ({policy.where(key)}) is no program",
        "install it, or give its path",
    )


def _program(policy: Policy, key: str) -> str | None:
    """The program of a command, if it can be known without a run; None for one that is not trusted either."""
    if policy.distrusted():
        return None
    given = policy.command(key, **dict.fromkeys(COMMANDS[key], "."))
    program = given[0] if given else ""
    return os.path.join(policy.root, program) if os.sep in program else program


def _scope(policy: Policy) -> Finding:
    mode = policy[EDIT_MODE]
    if mode == ANY:
        return Finding(
            "edit-scope",
            WARN,
            f"{EDIT_MODE} is {ANY}: a tool may write all of the project",
            f"set {EDIT_MODE}: {PLUS_CORE}",
        )
    if mode != PLUS_CORE:
        return Finding("edit-scope", PASS, f"{mode}")
    there = [one for one in policy[CORE_DIRS] if os.path.exists(policy.root / one)]
    if there:
        return Finding("edit-scope", PASS, f"{mode}: {', '.join(there)}")
    return Finding(
        "edit-scope",
        WARN,
        f"{mode}, and none of {', '.join(policy[CORE_DIRS]) or CORE_DIRS} is there",
        f"set {CORE_DIRS} to where the code is",
    )


def _ledger(policy: Policy) -> Finding:
    path = policy.ledger
    wrong: tuple[tuple[Callable[[], bool], str, str], ...] = (
        (path.is_dir, "is a directory", f"move it away, or set {LEDGER}"),
        (lambda: _leaves(policy), "is outside of the project", f"set {LEDGER} to a file in it"),
        (lambda: not _writable(str(path)), "cannot be written", "give yourself the right to"),
    )
    for holds, what, fix in wrong:
        if holds():
            return Finding("ledger", FAIL, f"{path} {what}", fix)
    there = "is there" if path.exists() else "is made with the first run"
    return Finding("ledger", PASS, f"{policy[LEDGER]} {there}")


def _leaves(policy: Policy) -> bool:
    return not policy.ledger.resolve().is_relative_to(policy.root.resolve())


def _writable(path: str) -> bool:
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.access(path, os.W_OK)
