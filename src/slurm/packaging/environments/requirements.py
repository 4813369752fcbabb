"""What a project or a script requires: its lock file, or else what it says that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm.errors import ConfigError
from slurm.packaging.environments.lock_age import require_lock_of_project, require_lock_of_script
from slurm.packaging.environments.lock_files import (
    content_of,
    from_requirements_file,
    is_hashed,
    of_pylock,
    of_uv_lock,
)
from slurm.packaging.environments.requirement_lines import (
    is_local,
    is_of_sdk,
    local_wheel,
    requirement_of,
    same_name,
)
from slurm.packaging.environments.script_metadata import script_metadata
from slurm.packaging.environments.uv_sources import Sources
from slurm.packaging.projects import PROJECT_FILE
from slurm.packaging.toml_files import read_toml, section


@dataclass(frozen=True)
class Requirements:
    """What is to be in an environment.

    - `key` stands for it: the content of the lock file, or the requirements themselves.
    - `origin` is the file that says so, and `python` the versions of Python it wants.
    - `is_empty`: nothing is to be there, but Python has to be of a version that is wanted.
    - `is_locked`: it names everything, each in one version, so that nothing else is looked for.
    - `lines` says it as lines of a requirements file. Raises `ConfigError`, `PackagingError`.
    """

    key: str
    origin: Path
    python: str
    is_locked: bool
    lines: Callable[[], Sequence[str]]
    is_empty: bool = False


def requirements_of(
    project: Path | None, script: Path | None, extras: Sequence[str]
) -> Requirements | None:
    """What a script with metadata of its own requires, or else its project; None for nothing.

    A project's are those of its ``uv.lock``, which may be its workspace's, its ``pylock.toml`` or a ``requirements.txt``
    with hashes; else those of its ``pyproject.toml``, with these `extras`. What lies beside it as source is left out, and so
    is the SDK, which travels by itself. Raises `ConfigError` for what cannot be understood or had from where it is to come
    from, and `PackagingError` for a lock of uv that is out of date.
    """
    metadata = script_metadata(script) if script else None
    if script is not None and metadata is not None:
        return _of_script(script, metadata, extras)
    return _of_project(project, extras) if project else None


def _of_script(
    script: Path, metadata: Mapping[str, Any], extras: Sequence[str]
) -> Requirements | None:
    if extras:
        raise ConfigError(f"{script} names what it depends on by itself, and has no extras")
    python = str(metadata.get("requires-python", ""))
    lock = script.with_name(f"{script.name}.lock")
    lines = _requirements(metadata.get("dependencies", []), script, "dependencies")
    if lock.is_file():
        require_lock_of_script(lock, script, lines)
        return _locked(lock, python, lambda: of_uv_lock(lock, ["--script", str(script)]))
    return direct(script, python, list(_looked_for(lines, Sources.of(metadata, script), set())))


def _of_project(project: Path, extras: Sequence[str]) -> Requirements | None:
    locked = locked_requirements_of(project, extras)
    if locked is not None:
        return locked
    table, listed = read_toml(project / PROJECT_FILE), project / "requirements.txt"
    about = section(table, project / PROJECT_FILE, "project")
    python = str(about.get("requires-python", ""))
    if "dependencies" not in about and listed.is_file():
        return direct(listed, python, list(from_requirements_file(listed)))
    return direct(project / PROJECT_FILE, python, _declared(project, table, extras))


def locked_requirements_of(project: Path, extras: Sequence[str]) -> Requirements | None:
    """What the lock file of a project has; None where there is none. Raises `ConfigError`, `PackagingError`."""
    file = project / PROJECT_FILE
    about = section(read_toml(file), file, "project")
    python, name = str(about.get("requires-python", "")), str(about.get("name", ""))
    uv_lock, pylock, listed = (
        _lock_of_workspace(project),
        project / "pylock.toml",
        project / "requirements.txt",
    )
    if uv_lock is not None:
        dynamic = _texts(about.get("dynamic", []), file, "project.dynamic")
        if not {"dependencies", "optional-dependencies"} & {*dynamic}:
            require_lock_of_project(uv_lock, file, name, _by_extra(about, file))
        more = [word for extra in extras for word in ("--extra", extra)]
        more += ["--package", name] if uv_lock.parent != project else []
        return _locked(uv_lock, python, lambda: of_uv_lock(uv_lock, more), name, *extras)
    is_locked = listed.is_file() and is_hashed(listed)
    if extras and (pylock.is_file() or is_locked):
        chosen = pylock if pylock.is_file() else listed
        raise ConfigError(
            f"extras {list(extras)} cannot be chosen from {chosen}: lock with those that you want, or with uv.lock"
        )
    if pylock.is_file():
        return _locked(pylock, python, lambda: of_pylock(pylock))
    if is_locked:
        return _locked(listed, python, lambda: list(from_requirements_file(listed)))
    return None


def _lock_of_workspace(project: Path) -> Path | None:
    """The ``uv.lock`` of a project, or of the workspace that it is a member of."""
    own = project / "uv.lock"
    if own.is_file():
        return own
    for folder in project.parents:
        if (folder / "uv.lock").is_file() and (folder / PROJECT_FILE).is_file():
            file = folder / PROJECT_FILE
            uv = section(read_toml(file), file, "tool", "uv")
            return folder / "uv.lock" if "workspace" in uv else None
    return None


def _declared(project: Path, table: Mapping[str, Any], extras: Iterable[str]) -> list[str]:
    """What a ``pyproject.toml`` declares, with what the projects beside it do that it depends on."""
    file = project / PROJECT_FILE
    return list(dict.fromkeys(_of_table(file, table, extras, {project})))


def _of_table(
    file: Path, table: Mapping[str, Any], extras: Iterable[str], seen: set[Path]
) -> Iterator[str]:
    about = section(table, file, "project")
    elsewhere = _known_elsewhere(file, table, about)
    if elsewhere:
        raise ConfigError(
            f"{file} leaves its dependencies to {elsewhere}: lock them in a uv.lock, a pylock.toml, or a requirements.txt "
            "with hashes"
        )
    yield from _looked_for(_with_extras(about, extras, file), Sources.of(table, file), seen)


def _known_elsewhere(file: Path, table: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """What alone knows the dependencies of a project, if its ``pyproject.toml`` does not; else nothing."""
    if "dependencies" in _texts(about.get("dynamic", []), file, "project.dynamic"):
        return "the build"
    if "project" in table:
        return ""
    if section(table, file, "tool", "poetry"):
        return "poetry"
    return next((one for one in ("setup.py", "setup.cfg") if (file.parent / one).is_file()), "")


def _looked_for(lines: Iterable[str], sources: Sources, seen: set[Path]) -> Iterator[str]:
    """Those requirements that are neither here as source nor the SDK, and what those require that are here."""
    for line in lines:
        folder = sources.folder(line)
        if folder is None:
            if not is_of_sdk(line, sources.file) and not is_local(line):
                yield sources.line(line)
        elif (folder / PROJECT_FILE).is_file() and folder not in seen:
            wanted, file = requirement_of(line, sources.file).extras, folder / PROJECT_FILE
            yield from _of_table(file, read_toml(file), sorted(wanted), {*seen, folder})


def _with_extras(about: Mapping[str, Any], extras: Iterable[str], file: Path) -> Iterator[str]:
    optional = section(about, file, "optional-dependencies")
    waiting: list[str] = _requirements(about.get("dependencies", []), file, "dependencies")
    wanted, taken = list(extras), set[str]()
    while waiting or wanted:
        if waiting:
            line = waiting.pop(0)
            if about.get("name") and same_name(line, str(about["name"])):
                wanted += sorted(requirement_of(line, file).extras)  # one extra that names others
            else:
                yield line
            continue
        extra = wanted.pop(0)
        if extra not in optional:
            raise ConfigError(f"{file} has no extra {extra!r}; it has {sorted(optional)}")
        if extra not in taken:
            taken.add(extra)
            waiting = _requirements(optional[extra], file, f"optional-dependencies.{extra}")


def _by_extra(about: Mapping[str, Any], file: Path) -> dict[str, list[str]]:
    """All that a project declares, by extra; under an empty name what belongs to none."""
    optional = section(about, file, "optional-dependencies")
    every = {"": about.get("dependencies", []), **optional}
    return {
        extra: _requirements(lines, file, extra or "dependencies") for extra, lines in every.items()
    }


def _texts(value: Any, file: Path, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ConfigError(f"{file}: {name} is no list of texts")
    return list(value)


def _requirements(value: Any, file: Path, name: str) -> list[str]:
    lines = _texts(value, file, name)
    for line in lines:
        requirement_of(line, file)
    return lines


def direct(origin: Path, python: str, lines: Sequence[str]) -> Requirements | None:
    """These requirements, which `origin` names; None for nothing. However they are spelt, they have one key."""
    if not lines and not python:
        return None
    spelt = sorted({_spelt(line) + _content_of_wheel(line, origin.parent) for line in lines})
    return Requirements(_key(spelt), origin, python, False, lambda: lines, not lines)


def _spelt(line: str) -> str:
    """A requirement as a wheel's metadata has it; what is an option stays as it is."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return line
    requirement.name = canonicalize_name(requirement.name)
    return str(requirement)


def _content_of_wheel(line: str, base: Path) -> str:
    """What stands for the content of a wheel that lies here, as pip finds it; empty for any other requirement."""
    for folder in (Path.cwd(), base):
        path = local_wheel(line, folder)
        if path is not None and path.is_file():
            return f" sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    return ""


def _locked(
    lock: Path, python: str, lines: Callable[[], Sequence[str]], *more: str
) -> Requirements:
    return Requirements(_key([lock.name, content_of(lock), *more]), lock, python, True, lines)


def _key(texts: Iterable[str]) -> str:
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()
