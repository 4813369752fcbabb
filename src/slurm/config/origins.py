"""Where each setting in force was said: by an option, an environment variable, a table of the Slurmfile, or nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from slurm.config.command_line import VARIABLES, Chosen
from slurm.config.slurmfile import CLUSTER_KEYS, DEFAULT, parsed, place_of

USUAL = "default"


class Setting(NamedTuple):
    """One setting: its name as a Slurmfile has it, its value, and who said so.

    `source` is ``flag``, ``variable``, ``file`` or ``default``; `where` the flag, the variable, or the file and its table.

    >>> print(Setting("submit.account", "physics", "flag", "--account").where)
    --account
    """

    name: str
    value: Any
    source: str
    where: str


class Place(NamedTuple):
    """The Slurmfile that is read, and the environment in it; neither where a backend was named outright."""

    path: Path | None
    environment: str | None
    path_setting: Setting
    environment_setting: Setting


def place(chosen: Chosen) -> Place:
    """Which file and environment are read, and who chose them. Raises `ConfigError`."""
    if chosen.without_file:
        source = chosen.sources["backend_type"]
        none = said("slurmfile", None, source), said("environment", None, source)
        return Place(None, None, *none)
    path, environment = place_of(chosen.slurmfile, chosen.env)
    by_path = _by(chosen.slurmfile, "slurmfile", "found from the working directory upwards")
    by_name = _by(chosen.env, "env", USUAL)
    return Place(
        path,
        environment,
        said("slurmfile", str(path), by_path),
        said("environment", environment, by_name),
    )


def _by(given: str | None, name: str, otherwise: str) -> str:
    if given is not None:
        return f"--{name}"
    return VARIABLES[name] if os.environ.get(VARIABLES[name]) else otherwise


def said(name: str, value: Any, where: str) -> Setting:
    """A setting that an option or a variable has, or that nobody has said.

    >>> said("submit.account", "physics", "SLURM_TASKS_ACCOUNT").source
    'variable'
    """
    if where.startswith("--"):
        return Setting(name, value, "flag", where)
    source = "variable" if where.isupper() else "default"
    return Setting(name, value, source, where)


def name_of(argument: str) -> str:
    """The name that an argument of `Cluster` has in a Slurmfile.

    >>> name_of("backend_type"), name_of("python"), name_of("hostname"), name_of("submit")
    ('cluster.backend', 'cluster.python', 'cluster.backend_config.hostname', 'submit')
    """
    if argument == "backend_type":
        return "cluster.backend"
    if argument in CLUSTER_KEYS:
        return f"cluster.{argument}"
    outside = argument in ("packaging", "submit", "callbacks", "track")
    return argument if outside else f"cluster.backend_config.{argument}"


def table_of(name: str, content: Mapping[str, Any], environment: str) -> str | None:
    """The table of a Slurmfile's content that says a setting, where `environment` lies over ``default``; None if none does.

    >>> content = {"default": {"submit": {"mem": "2G", "time": "5"}}, "gpu": {"submit": {"mem": "8G"}}}
    >>> [table_of(name, content, "gpu") for name in ("submit.mem", "submit.time", "submit.qos")]
    ['[gpu.submit]', '[default.submit]', None]
    """
    *tables, key = name.split(".")
    for one in (environment, DEFAULT):
        found: Any = content.get(one, {})
        for table in tables:
            found = found.get(table, {})
        if key in found:
            return f"[{'.'.join([one, *tables])}]"
    return None


def settings(
    values: Mapping[str, Any], usual: Mapping[str, Any], chosen: Chosen, where: Place
) -> Iterator[Setting]:
    """Each setting in force: the `values` that were said, by their names, and what is `usual` beside them."""
    yield from (where.path_setting, where.environment_setting)
    content = {} if where.path is None else parsed(where.path)
    by = {"submit.account" if k == "account" else name_of(k): v for k, v in chosen.sources.items()}
    for name, value in {**usual, **values}.items():
        table = table_of(name, content, where.environment or DEFAULT)
        if name in by:
            yield said(name, value, by[name])
        elif name in values and table is not None:
            yield Setting(name, value, "file", f"{where.path} {table}")
        else:
            yield said(name, value, USUAL)
