"""The environment in which a project's wheel is: a small one on top of that with what the wheel requires."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slurm import forks
from slurm.errors import PackagingError
from slurm.job_dir.large_files import scratch_directory
from slurm.packaging.environments.making import (
    ASK_TIMEOUT,
    INSTALL_TIMEOUT,
    ask_installer,
    environment_of,
    key_of,
    mark_of,
    pip_in,
    send_wheels,
    target_of,
    warn_of_foreign,
)
from slurm.packaging.programs import failure
from slurm.packaging.user_cache import alone
from slurm.packaging.wheels.wheel_file import Wheel

if TYPE_CHECKING:
    from slurm.cluster import Cluster
    from slurm.packaging.environments.requirements import Requirements


class Wanted(NamedTuple):
    """A wheel, the project that it is of, and what it requires, got there by the way `how`; None for nothing."""

    wheel: Wheel
    project: Path
    required: Requirements | None
    how: str

    @property
    def below(self) -> str | None:
        """The key of the environment with what is required."""
        return key_of(self.required, self.how) if self.required else None

    @property
    def key(self) -> str:
        """Stands for the environment of the wheel itself."""
        about = ["wheel", self.wheel.address, self.below]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()


_made: forks.Own[dict[tuple[object, ...], list[str]]] = forks.Own(dict)
_making = forks.Lock()


def environments_of_wheel(
    wanted: Wanted, cluster: Cluster, python: str, under: Sequence[str] = ()
) -> Sequence[str]:
    """The environment on `cluster` that has the wheel, and the one below it with what it requires, if it requires anything; made with the interpreter `python` there.

    `under` is the command that the interpreter is started with, if it needs one. An edit of the project makes a small one anew, and not what is below it. What is there already is found with one
    question, and once a process: a submission looks for itself. Raises `PackagingError`, and `ConfigError` where the interpreter there cannot have the wheel.
    """
    with _making:
        about = (cluster.site.place, cluster.job_base_dir, python, *under, wanted.key)
        known = _made.get().get(about)
        if known is None:
            known = _made.get()[about] = _Maker(wanted, cluster, python, under).environments()
        return known


def forget(gone: Collection[str], cluster: Cluster) -> None:
    """Make those environments again whose marks are not there any more."""
    with _making:
        made = _made.get()
        for about, places in list(made.items()):
            if about[0] == cluster.site.place and not {*map(mark_of, places)}.isdisjoint(gone):
                del made[about]


class _Maker:
    """Makes the environment of one wheel on one cluster."""

    def __init__(self, wanted: Wanted, cluster: Cluster, python: str, under: Sequence[str]) -> None:
        self._wanted = wanted
        self._cluster = cluster
        self._python = python
        self._under = under

    def environments(self) -> list[str]:
        """The directories of the environment and of the one below, where they are there afterwards."""
        wanted, said = self._wanted, self._ask({}, ASK_TIMEOUT)
        wanted.wheel.require_fit(target_of(said, self._python), self._python)
        if not said["ready"]:
            if wanted.required is not None:
                environment_of(
                    wanted.required,
                    self._cluster,
                    self._python,
                    wanted.how,
                    self._under,
                    again=True,
                )
            place = said["place"]
            about = f"{wanted.wheel.name} is being installed on the cluster"
            with alone(f"{self._cluster.site.place} {place}", about):
                said = self._ask({}, ASK_TIMEOUT)
                if not said["ready"]:
                    said = self._ask(self._sent(said), INSTALL_TIMEOUT)
        if "error" in said:
            raise failure(self._what, said["error"])
        if not said["ready"]:
            raise PackagingError(f"what is made in {said['place']} does not stay there")
        if said["foreign"]:
            warn_of_foreign(wanted.wheel.name)
        return [str(said["place"]), *([str(said["below"])] if said["below"] else [])]

    def _sent(self, said: dict[str, Any]) -> dict[str, Any]:
        wheel, target = self._wanted.wheel, target_of(said, self._python)
        with tempfile.TemporaryDirectory(dir=scratch_directory()) as folder:
            path = Path(folder, wheel.name)
            path.write_bytes(wheel.content)
            wheels = send_wheels(sorted([path, pip_in(Path(folder), target)]), self._cluster)
        return {"wheels": wheels, "wheel": wheel.name, "origin": str(self._wanted.project)}

    @property
    def _what(self) -> str:
        name = self._wanted.wheel.name
        return f"{name} could not be installed on the cluster with {self._python}"

    def _ask(self, more: dict[str, Any], timeout: float) -> dict[str, Any]:
        request = {"key": self._wanted.key, "below": self._wanted.below, **more}
        return ask_installer(self._cluster, self._python, request, self._what, timeout, self._under)
