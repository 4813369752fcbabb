"""Lock files as lines of a requirements file, which pip and uv both read."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slurm.errors import ConfigError, PackagingError
from slurm.packaging.environments.requirement_lines import is_local, is_of_sdk
from slurm.packaging.programs import run
from slurm.packaging.toml_files import read_toml

# What a requirements file says beside requirements, and that chooses where they are looked for.
KEPT = re.compile(
    r"(-i|-f|--index-url|--extra-index-url|--find-links|--no-index|--trusted-host|--pre)(?![\w-])"
)
CHOICES = re.compile(r"\bin\s+(extras|dependency_groups)\b")


def of_uv_lock(lock: Path, more: Sequence[str]) -> list[str]:
    """What a ``uv.lock`` has for a project, or for a script, as uv exports it. Raises `PackagingError`."""
    uv = shutil.which("uv")
    if uv is None:
        raise PackagingError(
            f"{lock} can be read by uv alone, which is not on the PATH: install it, or write what is locked into a "
            "requirements.txt with hashes, uv export --no-dev --no-emit-project, and move the lock file away"
        )
    export = [uv, "export", "--frozen", "--no-dev", "--no-header", "--no-annotate", "--quiet"]
    export += ["--no-emit-project", "--format", "requirements-txt", "--directory", str(lock.parent)]
    if "--script" in more:
        export.remove("--no-emit-project")
    try:
        text = run(f"{lock} could not be read", [*export, *more])
    except PackagingError as error:
        raise PackagingError(str(error).partition("\n")[0]) from None
    return list(_wanted(text, lock))


def from_requirements_file(path: Path) -> Iterator[str]:
    """What a requirements file wants, with those it includes; of a constraints file nothing. Raises `ConfigError`."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    for line in _wanted(text, path):
        included = re.match(r"(-r|--requirement)[\s=]+(.+)", line)
        if included:
            yield from from_requirements_file(path.parent / included.group(2))
        elif line.startswith("-") and not KEPT.match(line):
            raise ConfigError(f"{path}: {line!r} cannot be sent: write requirements, one a line")
        else:
            yield line


def _wanted(text: str, origin: Path) -> Iterator[str]:
    """The lines that are to be looked for: neither comments, nor what lies here as source, nor the SDK."""
    joined = re.sub(r"\\\r?\n", " ", text)
    for line in joined.splitlines():
        wanted = " ".join(re.sub(r"(^|\s)#.*$", "", line).split())
        if wanted and not is_local(wanted) and not is_of_sdk(wanted, origin):
            yield wanted


def of_pylock(path: Path) -> list[str]:
    """What a ``pylock.toml`` has, PEP 751. Raises `ConfigError` for what cannot be sent as a wheel."""
    lock = read_toml(path)
    packages = lock.get("packages", [])
    return [
        _of_package(one, path)
        for one in packages
        if "directory" not in one and not is_of_sdk(str(one.get("name", "")), path)
    ]


def _of_package(package: Mapping[str, Any], path: Path) -> str:
    name, marker = str(package["name"]), str(package.get("marker", ""))
    if CHOICES.search(marker):
        raise ConfigError(
            f"{path}: {name} belongs to an extra or a group, which cannot be chosen here: lock without those"
        )
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    if not files or "version" not in package:
        kind = "a repository" if "vcs" in package else "no wheel in an index"
        raise ConfigError(
            f"{path}: {name} is {kind}, and only wheels are sent: lock a release, or build a wheel and lock that"
        )
    sums = [f"--hash=sha256:{one['hashes']['sha256']}" for one in files if "hashes" in one]
    condition = f" ; {marker}" if marker else ""
    return " ".join([f"{name}=={package['version']}{condition}", *sums])
