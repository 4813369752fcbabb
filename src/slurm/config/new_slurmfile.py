"""The text of a Slurmfile that somebody begins with: what was chosen, and beside it what else there is. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from slurm.config.slurmfile import CLUSTER_KEYS

HEAD = """\
# Which cluster jobs are sent to. `slurm config show` says what holds, `slurm doctor` whether it works.
"""
# Beside a key: what it means; for those that were not chosen, an example.
CLUSTER = {
    "backend": ("", "local, slurm or ssh"),
    "job_base_dir": ("~/slurm_jobs", "on the cluster, on a file system that its nodes share"),
    "python": ("/usr/bin/python3", "the interpreter on the cluster, 3.9 or newer on its nodes"),
}
OF_BACKEND: Mapping[str, Mapping[str, tuple[str | int, str]]] = {
    "ssh": {
        "hostname": ("", "a host, or an alias of your ssh_config"),
        "username": ("me", "where ssh_config does not say"),
    },
    "local": {"max_cpus": (4, "cores that running jobs may ask for together")},
    "slurm": {},
}
SUBMIT = {
    "account": ("my-project", "what jobs are charged to"),
    "partition": ("cpu", "where jobs run that say nothing else"),
    "time": ("00:30:00", "how long a job may take"),
}
MORE = """\

# Another environment lies over this one: choose it with SLURM_ENV=gpu, or --env gpu.
# [gpu.submit]
# partition = {partition}
# gres = "gpu:1"
"""
BARE = re.compile(r"[A-Za-z0-9_-]+")
WIDTH = 34  # where the words beside the keys begin


def slurmfile_text(
    arguments: Mapping[str, Any], *, environment: str = "default", gpu_partition: str = "gpu"
) -> str:
    """A Slurmfile for a cluster with these arguments of `Cluster`; `gpu_partition` is for the example of another environment.

    >>> print(slurmfile_text({"backend_type": "slurm", "submit": {"partition": "cpu"}}))
    # Which cluster jobs are sent to. `slurm config show` says what holds, `slurm doctor` whether it works.
    <BLANKLINE>
    [default.cluster]
    backend = "slurm"                 # local, slurm or ssh
    ...
    [default.submit]
    # account = "my-project"          # what jobs are charged to
    partition = "cpu"                 # where jobs run that say nothing else
    ...
    """
    name = environment if BARE.fullmatch(environment) else _toml(environment)
    backend = arguments["backend_type"]
    others = {
        key: value
        for key, value in arguments.items()
        if key not in ("backend_type", "submit", *CLUSTER_KEYS)
    }
    known = {key: value for key, value in arguments.items() if key in CLUSTER_KEYS}
    parts = [HEAD, _table(f"{name}.cluster", {"backend": backend, **known}, CLUSTER)]
    if others or OF_BACKEND[backend]:
        parts.append(_table(f"{name}.cluster.backend_config", others, OF_BACKEND[backend]))
    parts.append(_table(f"{name}.submit", arguments.get("submit", {}), SUBMIT))
    example = MORE.format(partition=_toml(gpu_partition)) if backend != "local" else ""
    return "\n".join(parts) + example


def _table(name: str, values: Mapping[str, Any], known: Mapping[str, tuple[Any, str]]) -> str:
    return "\n".join([f"[{name}]", *_lines(values, known), ""])


def _lines(values: Mapping[str, Any], known: Mapping[str, tuple[Any, str]]) -> Iterator[str]:
    for key, (example, about) in known.items():
        if key in values:
            yield f"{f'{key} = {_toml(values[key])} ':{WIDTH}}# {about}"
        else:
            yield f"{f'# {key} = {_toml(example)}':{WIDTH}}# {about}"
    for key, value in values.items():
        if key not in known:
            yield f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    """A value as TOML has it, whose texts and numbers are those of JSON; but it wants one more character escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
