"""What the wheel of a project requires beside itself: the project's lock file, or else what the wheel says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from slurm.errors import ConfigError
from slurm.packaging.environments.requirement_lines import (
    is_local,
    is_of_sdk,
    requirement_of,
    same_name,
)
from slurm.packaging.environments.requirements import Requirements, direct, locked_requirements_of
from slurm.packaging.environments.uv_sources import Sources
from slurm.packaging.projects import PROJECT_FILE
from slurm.packaging.toml_files import read_toml
from slurm.packaging.wheels.wheel_file import Wheel

EXTRA = r"""\(?\s*extra\s*==\s*["']([^"']+)["']\s*\)?"""
# As build tools write the extra that a requirement belongs to: alone, or behind its own condition.
ALONE = re.compile(rf";\s*{EXTRA}\s*$")
BEHIND = re.compile(rf"\s+and\s+{EXTRA}\s*$")
ALWAYS, NEVER = 'python_version >= "0"', 'python_version < "0"'


def requirements_of_wheel(
    wheel: Wheel, project: Path, extras: Sequence[str]
) -> Requirements | None:
    """What is to be there for the wheel of a project; None for nothing.

    Those of its lock file, as for its sources; else those that the wheel names, which the build may have found out, with
    those of these `extras`. The SDK is left out, which travels by itself. Raises `ConfigError`.
    """
    locked = locked_requirements_of(project, extras)
    if locked is not None:
        return locked
    lines = [
        line for line in _chosen(wheel, extras, project) if not is_of_sdk(line, Path(wheel.name))
    ]
    file = project / PROJECT_FILE
    sources = Sources.of(read_toml(file), file)
    for line in lines:
        if is_local(line) or sources.folder(line) is not None:
            raise ConfigError(
                f"{wheel.name} requires {line}, which lies here as source: have a wheel of that in an index, or send "
                "your code with the packaging 'source'"
            )
    return direct(Path(wheel.name), "", [sources.line(line) for line in lines]) if lines else None


def _chosen(wheel: Wheel, extras: Sequence[str], project: Path) -> list[str]:
    known = {_normal(name): name for name in wheel.extras}
    wanted = _with_own(wheel, [_normal(one) for one in extras], project)
    for extra in extras:
        if _normal(extra) not in known:
            raise ConfigError(f"{project} has no extra {extra!r}; it has {sorted(known.values())}")
    name = wheel.name.partition("-")[0]
    found = [line for one in wheel.requires if (line := _without_extra(one, wanted))]
    return [line for line in dict.fromkeys(found) if not same_name(line, name)]


def _with_own(wheel: Wheel, extras: Sequence[str], project: Path) -> set[str]:
    """These extras, and those that they name themselves, as ``all`` does with ``project[one,other]``."""
    name, found, waiting = wheel.name.partition("-")[0], set[str](), list(extras)
    while waiting:
        extra = waiting.pop()
        if extra in found:
            continue
        found.add(extra)
        lines = (_without_extra(line, {extra}) for line in wheel.requires if "extra" in line)
        own = [line for line in lines if line and same_name(line, name)]
        waiting += [_normal(one) for line in own for one in requirement_of(line, project).extras]
    return found


def _without_extra(line: str, wanted: set[str]) -> str:
    """A requirement without its condition on an extra; empty where that is not wanted.

    >>> [_without_extra(one, {"gpu"}) for one in ("jax; extra == 'gpu'", "rich; extra == 'cli'", "numpy>=1")]
    ['jax', '', 'numpy>=1']
    >>> _without_extra("jax; (python_version < '3.11') and extra == 'gpu'", {"gpu"})
    "jax; (python_version < '3.11')"
    """
    for pattern in (ALONE, BEHIND):
        found = pattern.search(line)
        rest = line[: found.start()] if found else line
        if found and not re.search(EXTRA, rest) and (" or " not in rest or rest.endswith(")")):
            return rest if _normal(found.group(1)) in wanted else ""
    return _replaced(line, wanted)


def _replaced(line: str, wanted: set[str]) -> str:
    """Conditions on extras among others, as what they come to."""
    bare = r"""extra\s*==\s*["']([^"']+)["']"""
    return re.sub(bare, lambda found: ALWAYS if _normal(found.group(1)) in wanted else NEVER, line)


def _normal(name: str) -> str:
    """An extra, as wheels spell it since their metadata has version 2.3."""
    return re.sub(r"[-_.]+", "-", name).lower()
