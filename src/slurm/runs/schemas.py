"""The JSON schemas of this package, for files that programs write."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from slurm.runs.moments import moment_of
from slurm.runs.yaml_files import schema_of


def problem(content: Any, schema: str) -> str:
    """What in `content` is not as the JSON schema of that name says, in one line; empty where nothing is.

    >>> problem({"schema_version": "1.0"}, "metrics.schema.json").partition(" ")[0]
    'it'
    """
    import fastjsonschema

    try:
        _validator(schema)(content)
    except fastjsonschema.JsonSchemaValueException as error:
        # A validator speaks of ``data``: said of the keys.
        return str(error.message.removeprefix("data.").replace("data must", "it must", 1))
    return ""


@functools.cache
def _validator(name: str) -> Callable[[Any], Any]:
    import fastjsonschema

    check: Callable[[Any], Any] = fastjsonschema.compile(
        schema_of(name), formats={"date-time": _is_moment}, use_default=False
    )
    return check


def _is_moment(text: str) -> bool:
    try:
        moment_of(text)
    except ValueError:
        return False
    return True
