"""``slurm cluster list``: the environments of the Slurmfile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from slurm.cli.commands import PATH, Command
from slurm.cli.output import in_columns, printed
from slurm.config.slurmfile import DEFAULT, load, parsed, place_of

COLUMNS = ("environment", "backend", "hostname", "job_base_dir", "partition", "account")


@click.command("list", cls=Command, example="slurm cluster list\nslurm cluster list --json")
@click.option("--slurmfile", type=PATH, help="the Slurmfile to read (default: found upwards)")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def command(slurmfile: str | None, as_json: bool) -> None:
    """Show the environments of the Slurmfile: where each sends jobs. A star marks the one in force (SLURM_ENV, else default).

    Nobody is asked, and nothing connected to.
    """
    path, current = place_of(slurmfile)
    found = [_row(path, name, current) for name in names(path)]
    if as_json:
        said = {"slurmfile": str(path), "environments": found}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    click.echo(in_columns([("", *(name.upper() for name in COLUMNS)), *map(_cells, found)]))
    click.echo(printed(f"in {path}"))


def names(path: Path) -> list[str]:
    """The environments of the file, ``default`` first, which is there by itself."""
    return [DEFAULT, *(name for name in parsed(path) if name != DEFAULT)]


def _row(path: Path, name: str, current: str) -> dict[str, Any]:
    sections = load(path, name)
    cluster, submit = sections["cluster"], sections["submit"]
    return {
        "environment": name,
        "current": name == current,
        "backend": cluster.get("backend", "local"),
        "hostname": cluster.get("backend_config", {}).get("hostname"),
        "job_base_dir": cluster.get("job_base_dir"),
        "partition": submit.get("partition"),
        "account": submit.get("account"),
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    star = "*" if row["current"] else " "
    return (star, *("" if row[name] is None else str(row[name]) for name in COLUMNS))
