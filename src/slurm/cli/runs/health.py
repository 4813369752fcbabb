"""Whether runs are healthy, where the policy wants that looked at: ``requirements_by_stage``."""

from __future__ import annotations

from collections.abc import Iterable

import click

from slurm.cli.output import printed
from slurm.config.findings import Verdict
from slurm.runs import check_files, ledger_file
from slurm.runs.environment import KEYS
from slurm.runs.manifest import Manifest
from slurm.runs.moments import now
from slurm.runs.policy import Policy
from slurm.runs.verify import Stage, verify_run


def are_healthy(manifests: Iterable[Manifest], stage: Stage, policy: Policy) -> bool:
    """Say on stderr which checks of the stage fail, if the policy requires them; whether none does."""
    if not policy[KEYS[stage]]:
        return True
    text = ledger_file.read(policy.ledger)
    failed = []
    for one in manifests:
        files = check_files.look(one)
        found = verify_run(one, stage, policy, files=files, text_of_ledger=text, now=now())
        failed += [(one, finding) for finding in found if finding.verdict is Verdict.FAIL]
    for one, finding in failed:
        named = finding._replace(name=f"{one.run_id} {finding.name}")
        click.echo(printed(str(named)), err=True)
    return not failed
