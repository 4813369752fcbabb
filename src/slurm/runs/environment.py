"""Whether the machine and the cluster are ready for runs: what ``env_smoke`` of a policy asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from slurm.config.findings import Finding, Verdict, printable
from slurm.errors import ConfigError, SlurmError
from slurm.runs.policy import DRY_RUN, LAUNCH_SMOKE, MONITOR_SMOKE, Policy
from slurm.runs.policy_doctor import python_bin
from slurm.runs.verify import Stage

LONGEST = 600.0  # seconds for a dry run
KEYS = {Stage.LAUNCH: LAUNCH_SMOKE, Stage.MONITOR: MONITOR_SMOKE}


class Iteration(NamedTuple):
    """What a dry run is told of an iteration."""

    directory: Path
    iteration_id: str
    host_mode: str


def examine(
    stage: Stage,
    policy: Policy,
    iterations: Iterable[Iteration],
    answers: Callable[[], str],
) -> Iterator[Finding]:
    """What is found in the environment of a stage. It is looked at where the policy asks for it, and else that is said.

    `answers` asks the cluster and says in words what it answered; it raises `SlurmError` where it does not. The dry run of a
    launch is run for each of the `iterations`.

    >>> from slurm.runs.policy import load_policy
    >>> for one in examine(Stage.LAUNCH, load_policy(), [], str):
    ...     print(one)
    PASS env-smoke: requirements_by_stage.launch.env_smoke is off (default): the environment is not looked at
    """
    key = KEYS.get(stage)
    if key is None:
        text = f"stage {stage} needs nothing but files: no environment is looked at"
        yield Finding("env-smoke", Verdict.PASS, text)
        return
    if not policy[key]:
        text = f"{key} is off ({policy.where(key)}): the environment is not looked at"
        yield Finding("env-smoke", Verdict.PASS, text)
        return
    yield _cluster(answers)
    yield python_bin(policy)
    if stage is Stage.LAUNCH:
        yield from _dry_runs(policy, list(dict.fromkeys(iterations)))


def _cluster(answers: Callable[[], str]) -> Finding:
    try:
        return Finding("cluster", Verdict.PASS, printable(answers()))
    except ConfigError as error:
        fix = "mend the Slurmfile, or name the cluster with --env or --backend"
        return Finding("cluster", Verdict.FAIL, printable(str(error)), fix)
    except SlurmError as error:
        fix = "look at the connection and at sinfo, then try again"
        return Finding("cluster", Verdict.FAIL, printable(str(error)), fix)


def _dry_runs(policy: Policy, iterations: list[Iteration]) -> Iterator[Finding]:
    if policy[DRY_RUN] is None:
        yield Finding("dry-run", Verdict.PASS, f"there is no {DRY_RUN} in the policy")
    elif not iterations:
        yield Finding(
            "dry-run", Verdict.WARN, "there is no iteration to run it for", "slurm launch"
        )
    for one in iterations if policy[DRY_RUN] is not None else ():
        yield _dry_run(policy, one)


def _dry_run(policy: Policy, iteration: Iteration) -> Finding:
    fix = f"run it by hand, and mend what it says ({policy.where(DRY_RUN)})"
    try:
        try_out(policy, iteration)
    except ConfigError as error:
        return Finding("dry-run", Verdict.FAIL, printable(str(error), 500), "slurm policy doctor")
    except SlurmError as error:
        return Finding("dry-run", Verdict.FAIL, str(error), fix)
    return Finding("dry-run", Verdict.PASS, f"{iteration.iteration_id}: it would work")


def try_out(policy: Policy, iteration: Iteration) -> str:
    """Run the policy's dry_run_command in the project; returns what it printed, nothing where there is no such command.

    Raises `SlurmError` where it fails, or does not end.
    """
    from slurm.agent.errors import AgentError
    from slurm.agent.programs import Program

    argv = policy.command(
        DRY_RUN,
        iteration_dir=str(iteration.directory),
        iteration_id=iteration.iteration_id,
        host_mode=iteration.host_mode,
    )
    if argv is None:
        return ""
    name = f"the dry run of {iteration.iteration_id}"
    try:
        status, out, err = Program(argv, LONGEST).run(cwd=str(policy.root))
    except AgentError as error:
        raise SlurmError(f"{name}: {printable(str(error))}") from None
    except OSError as error:
        raise SlurmError(f"{name}: {printable(f'{argv[0]}: {error.strerror}')}") from None
    if status != 0:
        lines = (err.strip() or out.strip()).decode("utf-8", "replace").splitlines()
        last = printable(lines[-1] if lines else "it says nothing")
        raise SlurmError(f"{name} failed with exit status {status}: {last}")
    return (out + err).decode("utf-8", "replace")
