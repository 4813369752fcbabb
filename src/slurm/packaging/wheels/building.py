"""A wheel of the user's project, built once for each content of it, however many programs start at once."""

from __future__ import annotations

import importlib.util
import logging
import shutil
import sys
import tempfile
from pathlib import Path

from slurm import forks
from slurm.errors import PackagingError
from slurm.packaging.programs import run
from slurm.packaging.projects import fingerprint
from slurm.packaging.user_cache import Kept, alone
from slurm.packaging.wheels.project_copy import copy_of
from slurm.packaging.wheels.project_state import state_of
from slurm.packaging.wheels.wheel_file import Wheel

logger: logging.Logger = logging.getLogger(__name__)

ATTEMPTS = 3  # copies of a project that is written to meanwhile

_KEPT = Kept("wheels", of_each=4, owners=100)
_built: forks.Own[dict[tuple[Path, bool], tuple[str, Wheel]]] = forks.Own(dict)
_building = forks.Lock()


def wheel_of(project: Path, *, isolated: bool) -> Wheel:
    """The wheel of the project as it is now. Raises `PackagingError` when it cannot be built.

    `isolated` has the build tool make an environment with what the project's build needs. What another program of this
    user has built of the same content is taken from the user's cache.
    """
    with _building:
        state = fingerprint(project)
        known = _built.get().get((project, isolated))
        if known is None or known[0] != state:
            known = state, _kept_or_built(project, isolated)
            _built.get()[project, isolated] = known
        return known[1]


def _kept_or_built(project: Path, isolated: bool) -> Wheel:
    owner = f"{project} {isolated}"
    with alone(f"wheel {owner}", f"the wheel of {project} is being built") as lock:
        for left in reversed(range(ATTEMPTS)):
            state = state_of(project)
            kept = _KEPT.take(owner, state)
            if kept is not None and len(kept) == 1:
                [(name, content)] = kept.items()
                return Wheel.read(name, content)
            logger.info("building the wheel of %s", project)
            with copy_of(project) as copy:
                is_known = state_of(project) == state
                if left and not is_known:
                    continue
                wheel = _build(project, copy, isolated, lock)
            if is_known:  # else nobody knows of what it is: a program that writes there all the time may do that
                _KEPT.keep(owner, state, {wheel.name: wheel.content})
            return wheel
    raise AssertionError("the last attempt returns")


def _build(project: Path, copy: Path, isolated: bool, lock: int | None) -> Wheel:
    with tempfile.TemporaryDirectory(prefix="slurm-tasks-") as folder:
        what = f"the wheel of {project} could not be built"
        argv = [*_tool(folder), *([] if isolated else ["--no-build-isolation"]), str(copy)]
        run(what, argv, held=[] if lock is None else [lock])
        wheels = list(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise PackagingError(f"{what}: the build left {len(wheels)} wheels, not one")
        return Wheel.read(wheels[0].name, wheels[0].read_bytes())


def _tool(folder: str) -> list[str]:
    """The command that builds a wheel into `folder`."""
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "build", "--wheel", "--python", sys.executable, "--out-dir", folder]
    if importlib.util.find_spec("pip") is None:
        raise PackagingError(
            f"nothing here can build a wheel: uv is not on the PATH, and {sys.executable} has no pip"
        )
    quiet = ["--disable-pip-version-check", "--no-input"]
    return [sys.executable, "-m", "pip", "wheel", *quiet, "--no-deps", "--wheel-dir", folder]
