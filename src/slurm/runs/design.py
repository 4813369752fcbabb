"""``design.yaml``: what an iteration says of where it runs, what it leaves, and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slurm.config.checks import suggestion
from slurm.runs.yaml_files import parse, read_text

SCHEMA = "design.schema.json"
OURS = ("compute", "artifacts", "metrics")


@dataclass(frozen=True)
class Metric:
    """Where the number of a metric stands: a JSON file among the artifacts, and a key in it."""

    file: str
    key: str


@dataclass(frozen=True)
class Design:
    """What runs use of a ``design.yaml``; what it does not say is None or empty.

    `location` is ``slurm`` or ``local``. `required` are paths without which a run is not complete; `include` and `exclude`
    are patterns of what is brought home, from `remote` if that is named.
    """

    path: Path
    location: str | None = None
    required: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    remote: str | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)


def read_design(path: Path) -> Design:
    r"""The design in a file. Raises `slurm.runs.yaml_files.YamlError`, which names the line and the key.

    >>> _ = Path("design.yaml").write_text("hypothesis: it learns\ncompute: {location: slurm}\n")
    >>> read_design(Path("design.yaml")).location
    'slurm'
    """
    return parse_design(read_text(path), path)


def parse_design(text: str, path: Path) -> Design:
    """The design that a text is; as `read_design`."""
    document = parse(text, path, only=OURS)
    compute: Mapping[str, Any] = _mapping(document.content, "compute")
    document.check(SCHEMA)
    # What else a project says of its computing is its own affair; but a location that is misspelt decides nothing.
    for name in compute:
        if name != "location" and suggestion(name, ["location"]):
            raise document.error(("compute", name), "is no key (did you mean 'location'?)")
    artifacts = _mapping(document.content, "artifacts")
    return Design(
        path,
        location=compute.get("location"),
        required=tuple(artifacts.get("required") or ()),
        include=tuple(artifacts.get("include") or ()),
        exclude=tuple(artifacts.get("exclude") or ()),
        remote=artifacts.get("remote"),
        metrics={
            name: Metric(one["file"], one["key"])
            for name, one in _mapping(document.content, "metrics").items()
        },
    )


def _mapping(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = content.get(name)
    return found if isinstance(found, Mapping) else {}
