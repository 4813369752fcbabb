"""The wheels that an environment is made of: chosen and downloaded here, for a Python that is elsewhere."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from slurm.errors import PackagingError
from slurm.packaging.environments.pip_wheel import add_pip
from slurm.packaging.environments.requirement_lines import is_built, is_of_sdk
from slurm.packaging.environments.requirements import Requirements
from slurm.packaging.environments.resolver_errors import (
    UNREACHABLE,
    no_wheel,
    not_found,
    unresolvable,
)
from slurm.packaging.environments.sdk_stub import write_stub
from slurm.packaging.environments.target import Target
from slurm.packaging.programs import run

# pip chooses wheels for another Python, but asks its own whether the condition of a requirement holds.
PIP = """\
import json, runpy, sys
from pip._vendor.packaging import markers
there = json.loads(sys.argv.pop(1))
markers.default_environment = lambda: dict(there)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
QUIET = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
# What uv writes where it is configured with no other index.
PUBLIC_INDEX = re.compile(r"--index-url https://pypi\.org/simple/?$")


def wheels_for(requirements: Requirements, target: Target, folder: Path) -> list[Path]:
    """Download the wheels into a folder: all that is required, for this target, and one of pip to install them with.

    uv resolves where it is on the PATH, else pip does. Raises `PackagingError`, with the name of the requirement that no
    wheel is there for.
    """
    pip, uv = pip_for(target), _uv_for(target)
    lines = list(requirements.lines())
    for line in lines:
        if is_built(line):
            raise no_wheel(line.split()[0], requirements.origin, target)
    indexes = _indexes(uv, folder) if uv else []
    stub = [] if requirements.is_locked else [write_stub(folder / "sdk")]
    complete = requirements.is_locked
    if uv and not complete:
        lines, stub, complete = _resolved(uv, lines, stub, requirements, target), [], True
    listed = folder / "requirements.txt"
    wanted = [*indexes, *lines, *map(str, stub)]
    listed.write_text("".join(f"{line}\n" for line in wanted), "utf-8")
    wheels = folder / "wheels"
    download = [*pip, "download", *QUIET, *target.pip_options, "--dest", str(wheels)]
    if lines:
        _download(
            [*download, *(["--no-deps"] if complete else []), "-r", str(listed)],
            requirements,
            target,
        )
    wheels.mkdir(exist_ok=True)
    for path in wheels.iterdir():
        if is_of_sdk(path.name.partition("-")[0], requirements.origin):
            path.unlink()
    add_pip(wheels, target, [*download, "--no-deps", "pip"])
    return sorted(wheels.glob("*.whl"))


def pip_for(target: Target) -> list[str]:
    """The command that runs pip here, as if it was there. Raises `PackagingError` where there is none."""
    program = ["-c", PIP, json.dumps(dict(target.markers))]
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, *program]
    uv = shutil.which("uv")
    if uv is None:
        raise PackagingError(
            f"nothing here can look for packages: uv is not on the PATH, and {sys.executable} has no pip: install one of them"
        )
    return [uv, "run", "--quiet", "--no-project", "--with", "pip", "python", *program]


def _uv_for(target: Target) -> list[str]:
    uv, options = shutil.which("uv"), target.uv_options
    return [uv, "pip", "compile", "--quiet", *options] if uv and options else []


def _indexes(uv: Sequence[str], folder: Path) -> list[str]:
    """Where uv is configured to look, so that pip looks there as well."""
    nothing = folder / "nothing.in"
    nothing.write_text("")
    emitted = [*uv, "--no-header", "--emit-index-url", "--emit-find-links", str(nothing)]
    lines = run("uv could not be asked for its indexes", emitted).splitlines()
    return [line for line in lines if line.startswith("-") and not PUBLIC_INDEX.match(line)]


def _resolved(
    uv: Sequence[str],
    lines: Sequence[str],
    stub: Sequence[Path],
    requirements: Requirements,
    target: Target,
) -> list[str]:
    """One version of each requirement, and of what that requires, with hashes."""
    [sdk] = stub
    listed = sdk.with_name("requirements.in")
    wanted = [*lines, f"slurm-tasks @ {sdk.as_uri()}"]
    listed.write_text("".join(f"{line}\n" for line in wanted), "utf-8")
    options = [
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
        "--no-emit-package",
        "slurm-tasks",
    ]
    try:
        text = run("uv failed", [*uv, *options, str(listed)])
    except PackagingError as error:
        printed = str(error)
        if UNREACHABLE.search(printed):
            raise not_found(printed, requirements.origin, target, "send") from None
        raise unresolvable(
            printed.partition("\n")[2] or printed, requirements.origin, target
        ) from None
    joined = re.sub(r"\\\n", " ", text)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def _download(argv: Sequence[str], requirements: Requirements, target: Target) -> None:
    try:
        run("pip failed", argv)
    except PackagingError as error:
        raise not_found(str(error), requirements.origin, target, "send") from None
