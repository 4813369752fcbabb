"""Single requirements, as PEP 508 and requirements files spell them."""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from slurm.errors import ConfigError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

SDK = "slurm-tasks"
# Another project's package, which has our import name.
FOREIGN = "slurm-sdk"

logger: logging.Logger = logging.getLogger(__name__)
LOCAL = re.compile(r"(-e\b|--editable\b|\.{1,2}/|/|file:)|[^#;]*@\s*(file:|\.{0,2}/)")
BUILT = re.compile(r"@\s*(git|hg|svn|bzr)\+|^(git|hg|svn|bzr)\+")
ARCHIVE = re.compile(r"(?:@\s*|^)((?:https?|ftp)://\S+)")


def require_packaging(setting: str) -> None:
    """Raises `ConfigError` where requirements cannot be read, for which `setting` is the reason: on a node, which has the SDK alone."""
    if importlib.util.find_spec("packaging") is None:
        raise ConfigError(
            f"{setting} needs the package packaging where it is submitted from, and {sys.executable} has none: install it "
            "there; in a workflow's job, have them with the packaging 'inherit'"
        )


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


def is_of_sdk(line: str, origin: Path) -> bool:
    """Whether a requirement of `origin` is the SDK, which travels by itself, or what would come in its place.

    >>> is_of_sdk("slurm-tasks[rich]>=0.1", Path("pyproject.toml")), is_of_sdk("slurm-tasks-more", Path("pyproject.toml"))
    (True, False)
    """
    if same_name(line, FOREIGN):
        _warn_of_foreign(origin)
        return True
    return same_name(line, SDK)


@functools.lru_cache(maxsize=1000)
def _warn_of_foreign(origin: Path) -> None:
    """Say so once."""
    logger.warning(
        "%s depends on %s, another project's package that brings a `slurm` too: it is left out. The SDK is %s, and "
        "travels by itself",
        origin,
        FOREIGN,
        SDK,
    )


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


def local_wheel(line: str, base: Path) -> Path | None:
    """The path of a requirement that is a wheel of this machine.

    >>> local_wheel("lib @ file:///a/lib-1-py3-none-any.whl ; os_name == 'posix'", Path("/"))
    PosixPath('/a/lib-1-py3-none-any.whl')
    """
    path = line.partition(" --hash=")[0].partition(";")[0].strip()
    return local_folder(path, base) if path.endswith(".whl") and LOCAL.match(path) else None


def is_built(line: str) -> bool:
    """Whether a requirement is a repository or an archive, of which there is no wheel.

    >>> [is_built(f"far @ {place}") for place in ("git+https://a.org/far", "https://a.org/far.zip", "https://a.org/far.whl#x")]
    [True, True, False]
    """
    archive = ARCHIVE.search(line)
    return BUILT.search(line) is not None or (
        archive is not None and not urlsplit(archive.group(1)).path.endswith(".whl")
    )


def editable_folder(name: str) -> Path | None:
    """The directory of a distribution that is installed here so that its source is used; None for others.

    An index may have another one of that name, which is nobody's wish:
    https://packaging.python.org/en/latest/specifications/direct-url/

    >>> editable_folder("nobody-has-this") is None
    True
    """
    from importlib import metadata

    try:
        said = metadata.distribution(name).read_text("direct_url.json")
        about = json.loads(said or "{}")
        is_editable = about.get("dir_info", {}).get("editable") is True
        place = urlsplit(str(about.get("url", "")))
    except (metadata.PackageNotFoundError, ValueError, AttributeError):
        return None
    return Path(unquote(place.path)) if is_editable and place.scheme == "file" else None
