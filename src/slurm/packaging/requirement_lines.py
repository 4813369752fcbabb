"""Single requirements, as PEP 508 and requirements files spell them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from slurm.errors import ConfigError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

# Another project's package has our import name.
SDK_NAMES = ("slurm-tasks", "slurm-sdk")
LOCAL = re.compile(r"(-e\b|--editable\b|\.{1,2}/|/|file:)|[^#;]*@\s*(file:|\.{0,2}/)")
BUILT = re.compile(r"@\s*(git|hg|svn|bzr)\+|^(git|hg|svn|bzr)\+")


def requirement_of(line: str, origin: Path) -> Requirement:
    """A requirement, read. Raises `ConfigError` for what is none."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(line.partition(" --hash=")[0])
    except InvalidRequirement as error:
        why = str(error).partition("\n")[0]
        raise ConfigError(f"{origin}: {line!r} is no requirement: {why}") from None


def same_name(line: str, name: str) -> bool:
    """Whether a requirement is one of this distribution, however it is spelt.

    >>> same_name("Slurm_Tasks[rich] >= 1", "slurm-tasks"), same_name("slurm-tasks-more", "slurm-tasks")
    (True, False)
    """
    spelt = re.sub(r"[-_.]+", "[-_.]+", re.escape(name).replace("\\", ""))
    return re.match(spelt + r"(?![-_.\w])", line.strip(), re.IGNORECASE) is not None


def is_of_sdk(line: str) -> bool:
    """Whether a requirement is the SDK, which travels by itself."""
    return any(same_name(line, name) for name in SDK_NAMES)


def is_local(line: str) -> bool:
    """Whether a requirement is a directory of this machine, which travels as source; a wheel is none.

    >>> [is_local(line) for line in ("-e ./lib", "lib @ file:///src/lib", "lib @ file:///lib-1-py3-none-any.whl", "lib>=1")]
    [True, True, False, False]
    """
    path = line.partition(" --hash=")[0].partition(";")[0].strip()
    return LOCAL.match(path) is not None and not path.endswith(".whl")


def local_folder(line: str, base: Path) -> Path | None:
    """The directory of a requirement that is local."""
    text = line.partition(";")[0].strip()
    text = re.sub(r"^(-e|--editable)\s+", "", text)
    text = text.partition("@")[2].strip() if re.match(r"[\w.\[\],-]+\s*@", text) else text
    path = unquote(urlsplit(text).path) if text.startswith("file:") else text
    return (base / path).resolve() if path else None


def is_built(line: str) -> bool:
    """Whether a requirement is a repository, of which there is no wheel."""
    return BUILT.search(line) is not None
