"""JSON schemas, one for each kind of document that a command prints with ``--json``.

They are files beside this one, ``NAME.schema.json``, of JSON Schema's draft 7; `SCHEMAS` says which command prints which.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

# The words of a command: the name of the schema of what it prints.
SCHEMAS = {
    "clean": "clean",
    "cluster info": "cluster-info",
    "cluster list": "cluster-list",
    "cluster ping": "cluster-ping",
    "cluster queue": "cluster-queue",
    "config show": "config",
    "detect": "detect",
    "doctor": "doctor",
    "jobs efficiency": "jobs-efficiency",
    "jobs list": "jobs-list",
    "jobs show": "jobs-show",
    "launch": "launch",
    "packages gc": "packages-gc",
    "packages list": "packages-list",
    "policy apply preset": "policy-preset",
    "policy check-scope": "policy-scope",
    "policy doctor": "policy-doctor",
    "policy show": "policy-show",
    "run": "runs",
    "runs adopt": "runs",
    "runs cancel": "runs",
    "runs extract": "runs-extract",
    "runs list": "runs",
    "runs mark": "run",
    "runs monitor": "runs",
    "runs next": "runs-next",
    "runs show": "runs-show",
    "runs sync": "runs",
    "slurm-job-list append": "ledger-append",
    "slurm-job-list rebuild": "ledger-rebuild",
    "slurm-job-list verify": "ledger-verify",
    "verify": "verify",
}


def schema(name: str) -> dict[str, Any]:
    """A schema by its name.

    >>> schema("doctor")["title"]
    'What checks of a cluster have found'
    """
    text = resources.files("slurm.cli.schemas").joinpath(f"{name}.schema.json").read_text("utf-8")
    content: dict[str, Any] = json.loads(text)
    return content
