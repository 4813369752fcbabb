"""What pip and uv say when they find no packages, as one line with the ways out."""

from __future__ import annotations

import re
from pathlib import Path

from slurm._version import __version__
from slurm.errors import PackagingError
from slurm.packaging.environments.target import Target
from slurm.packaging.programs import failure

UNAVAILABLE = re.compile(r"No matching distribution found for (.+?)(?: \(from .*)?$", re.MULTILINE)
UNREACHABLE = re.compile(
    r"Retrying|NewConnectionError|Connection(?:Error| broken)|timed out|Failed to fetch|dns error"
)
NEEDS_SDK = re.compile(r"^\s*(\S+ \S+) depends on (slurm-tasks\b.*?)$", re.MULTILINE)
# pip's own words, where it has tried several versions of what was required.
NO_MATCH = re.compile(
    r"no matching distributions available for your environment:\n((?:[ \t]+\S.*\n?)+)"
)
CAUSES = re.compile(r"^[ \t]+(\S+ \S+ depends on .+?|The user requested .+?)$", re.MULTILINE)
CAUSES_SHOWN = 4
BOXES = re.compile(r"[\s│╰─▶×├]+")
WAYS = {
    "send": 'have it resolved and built there with the packaging\'s dependencies = "index"',
    "index": 'have it sent from here with the packaging\'s dependencies = "send"',
}


def no_wheel(name: str, origin: Path, target: Target) -> PackagingError:
    """The error for a requirement that only its source is there of."""
    return PackagingError(
        f"{origin}: {name} has no wheel for {target}, and only wheels are sent: check its name, require a version that has one, "
        f"or {WAYS['send']}"
    )


def not_found(printed: str, origin: Path, target: Target, how: str) -> PackagingError:
    """The error for what pip or uv printed when it failed, here (`how` is ``send``) or on the cluster (``index``).

    >>> alma = Target((3, 11, 4), "cpython", "cp311", "linux-x86_64", ("glibc", 2, 28), {})
    >>> print(not_found("ERROR: No matching distribution found for far>=2", Path("pyproject.toml"), alma, "index"))
    pyproject.toml: far>=2 was not found for Python 3.11 on linux x86_64 with glibc 2.28, in the index that the cluster's \
pip is configured with: require another version, or have it sent from here with the packaging's dependencies = "send"
    """
    place = "here" if how == "send" else "on the cluster"
    missing = UNAVAILABLE.search(printed)
    if UNREACHABLE.search(printed):
        return PackagingError(
            f"what {origin} requires could not be downloaded: the index does not answer {place}: check the network and "
            f"pip's index-url {place}, or {WAYS[how]}"
        )
    needs_sdk = NEEDS_SDK.search(printed) if "ResolutionImpossible" in printed else None
    if needs_sdk:
        return PackagingError(
            f"{origin}: {needs_sdk.group(1)} requires {needs_sdk.group(2)}, and the SDK that travels with jobs is "
            f"slurm-tasks {__version__}: install another one here, or require another version of that package"
        )
    if "ResolutionImpossible" in printed:
        return _impossible(printed, origin, target, how)
    if missing and how == "send":
        return no_wheel(missing.group(1), origin, target)
    if missing:
        return _not_there(missing.group(1), origin, target)
    if how == "send":
        error = failure(f"what {origin} requires could not be downloaded for {target}", printed)
        return PackagingError(str(error).partition("\n")[0])
    return failure(
        f"what {origin} requires could not be installed on the cluster, for {target}", printed
    )


def _impossible(printed: str, origin: Path, target: Target, how: str) -> PackagingError:
    """What pip says when all versions that it has tried want something that they cannot have."""
    without = NO_MATCH.search(printed)
    if without:
        names = ", ".join(dict.fromkeys(without.group(1).split()))
        return (
            no_wheel(names, origin, target) if how == "send" else _not_there(names, origin, target)
        )
    causes = list(dict.fromkeys(one.strip() for one in CAUSES.findall(printed)))[:CAUSES_SHOWN]
    said = "; ".join(causes) or "pip does not say which"
    return PackagingError(
        f"what {origin} requires does not go together for {target}: {said}: require other versions"
    )


def _not_there(name: str, origin: Path, target: Target) -> PackagingError:
    return PackagingError(
        f"{origin}: {name} was not found for {target}, in the index that the cluster's pip is configured "
        f"with: require another version, or {WAYS['index']}"
    )


def unresolvable(printed: str, origin: Path, target: Target) -> PackagingError:
    """The error for what uv says of requirements that do not go together."""
    said = BOXES.sub(" ", printed).strip().removesuffix(".")
    return PackagingError(
        f"{origin} cannot be resolved for {target} with wheels alone: {said}: require other versions, or {WAYS['send']}"
    )
