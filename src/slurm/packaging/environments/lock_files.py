"""Lock files as lines of a requirements file, which pip and uv both read."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from slurm.errors import ConfigError, PackagingError
from slurm.packaging.environments.requirement_lines import is_local, is_of_sdk
from slurm.packaging.programs import run
from slurm.packaging.toml_files import read_toml, section, tables

# What a requirements file says beside requirements, and that chooses where they are looked for.
KEPT = re.compile(
    r"(-i|-f|--index-url|--extra-index-url|--find-links|--no-index|--trusted-host|--pre)(?![\w-])"
)
# Those that pip and uv keep to.
HASHES = ("sha256", "sha384", "sha512")
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


def from_requirements_file(path: Path, within: Sequence[Path] = ()) -> Iterator[str]:
    """What a requirements file wants, with those it includes; of a constraints file nothing. Raises `ConfigError`.

    `within` are the files by which it is included.
    """
    for line in _wanted(_text(path), path):
        included = _included(line, path, within)
        if included:
            yield from from_requirements_file(included, [*within, path])
        elif line.startswith("-") and not KEPT.match(line):
            raise ConfigError(f"{path}: {line!r} cannot be sent: write requirements, one a line")
        else:
            yield line


def content_of(path: Path, within: Sequence[Path] = ()) -> str:
    """Stands for what is in a lock file and, of a requirements file, in those that it includes. Raises `ConfigError`."""
    digest = hashlib.sha256(path.read_bytes())
    if within or path.suffix == ".txt":
        for line in _wanted(_text(path), path):
            included = _included(line, path, within)
            if included:
                _text(included)
                digest.update(content_of(included, [*within, path]).encode())
    return digest.hexdigest()


def is_hashed(path: Path) -> bool:
    """Whether a requirements file is a lock: it has hashes, or is made of files in which everything has."""
    if "--hash=" in path.read_text("utf-8", "replace"):
        return True
    try:
        lines = [line for line in from_requirements_file(path) if not line.startswith("-")]
    except ConfigError:  # it is said where the file is wanted for another reason
        return False
    return bool(lines) and all("--hash=" in line for line in lines)


def _included(line: str, path: Path, within: Sequence[Path]) -> Path | None:
    """The file that a line of a requirements file includes."""
    found = re.match(r"(-r|--requirement)[\s=]*([^\s=].*)", line)
    if found is None:
        return None
    included = path.parent / found.group(2)
    if included.resolve() in [one.resolve() for one in (*within, path)]:
        raise ConfigError(f"{included.resolve()} includes itself, by {path}: leave that line out")
    return included


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def _wanted(text: str, origin: Path) -> Iterator[str]:
    """The lines that are to be looked for: neither comments, nor what lies here as source, nor the SDK."""
    joined = re.sub(r"\\\r?\n", " ", text)
    for line in joined.splitlines():
        wanted = " ".join(re.sub(r"(^|\s)#.*$", "", line).split())
        if wanted and not is_local(wanted) and not is_of_sdk(wanted, origin):
            yield wanted


def of_pylock(path: Path) -> list[str]:
    """What a ``pylock.toml`` has, PEP 751. Raises `ConfigError` for what cannot be sent as a wheel."""
    packages = tables(read_toml(path), path, "packages")
    for one in packages:
        if not isinstance(one.get("name"), str):
            raise ConfigError(f"{path}: a package has no name")
    return [
        _of_package(one, path)
        for one in packages
        if "directory" not in one and not is_of_sdk(one["name"], path)
    ]


def _of_package(package: Mapping[str, Any], path: Path) -> str:
    name, marker = package["name"], str(package.get("marker", ""))
    if CHOICES.search(marker):
        raise ConfigError(
            f"{path}: {name} belongs to an extra or a group, which cannot be chosen here: lock without those"
        )
    about = f"{path}: {name}"
    sdist = section(package, about, "sdist")
    files = [*tables(package, about, "wheels"), *([sdist] if sdist else [])]
    if not files or "version" not in package:
        kind = "a repository" if "vcs" in package else "no wheel in an index"
        raise ConfigError(
            f"{path}: {name} is {kind}, and only wheels are sent: lock a release, or build a wheel and lock that"
        )
    sums = [_hash_of(one, about) for one in files if "hashes" in one]
    condition = f" ; {marker}" if marker else ""
    return " ".join([f"{name}=={package['version']}{condition}", *sums])


def _hash_of(file: Mapping[str, Any], about: str) -> str:
    hashes = section(file, about, "hashes")
    known = next((kind for kind in HASHES if kind in hashes), None)
    if known is None:
        raise ConfigError(f"{about} has no hash that is kept to: lock with {HASHES[0]}")
    return f"--hash={known}:{hashes[known]}"
