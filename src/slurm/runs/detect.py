"""Whether a project's runs are jobs of Slurm or processes of this machine, and how that is known."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from slurm.config.findings import printable
from slurm.errors import SlurmError
from slurm.runs.design import read_design
from slurm.runs.manifest import LOCAL, SLURM
from slurm.runs.project import DESIGN, project_root

COMMANDS = ("sbatch", "squeue", "sinfo")
ASKING = ("sinfo", "-h", "-o", "%P")
LONGEST = 10.0  # seconds for the controller's answer
SCRIPTS = {SLURM: "run_slurm.sbatch", LOCAL: "run_local.sh"}
FROM_DESIGN, FROM_BACKEND, FROM_COMMANDS, FROM_CLUSTER = "design", "backend", "commands", "cluster"


class Probe(NamedTuple):
    """What was looked at, whether it speaks for Slurm (None: it says nothing), and what was found."""

    name: str
    found: bool | None
    text: str


@dataclass(frozen=True)
class Detection:
    """Where runs go: `location` is ``slurm`` or ``local``.

    `source` is what decided it (``design``, ``backend``, ``commands``, or ``cluster`` for the one that the Slurmfile names), `why` says so
    in words, `evidence` is all that was looked at.
    """

    location: str
    source: str
    why: str
    evidence: tuple[Probe, ...]

    @property
    def script(self) -> str:
        """The launch script that belongs to it.

        >>> Detection("slurm", "design", "", ()).script
        'run_slurm.sbatch'
        """
        return SCRIPTS[self.location]


def detect(
    start: Path | None = None,
    *,
    design: Path | None = None,
    backend: str | None = None,
    longest: float = LONGEST,
) -> Detection:
    """Where the runs of the project at `start` (the working directory) go.

    The location that a design declares wins: that of the file `design`, else of the nearest ``design.yaml`` in the project;
    after it the `backend` that somebody has chosen. Without either it is ``slurm`` only if Slurm's commands are here and the controller answers within `longest` seconds; where
    there are no commands, the cluster of the Slurmfile is asked. Raises `ConfigError` for a bad design or Slurmfile.

    >>> _ = Path("design.yaml").write_text("compute: {location: local}")
    >>> detect(design=Path("design.yaml")).location
    'local'
    """
    start = start or Path.cwd()
    path = design or nearest_design(start)
    declared, probe = _declared(path)
    if declared:
        return Detection(declared, FROM_DESIGN, probe.text, (probe,))
    if backend is not None:
        chosen = Probe("backend", backend != LOCAL, f"the backend {backend} was named")
        location = SLURM if chosen.found else LOCAL
        return Detection(location, FROM_BACKEND, chosen.text, (probe, chosen))
    programs = tuple(_programs())
    if all(one.found for one in programs):
        controller = ask_controller(longest)
        location = SLURM if controller.found else LOCAL
        why = f"Slurm's commands are here, and {controller.text}"
        return Detection(location, FROM_COMMANDS, why, (probe, *programs, controller))
    missing = [one.name for one in programs if not one.found]
    lacking = f"there is no {' and no '.join(missing)} on the PATH"
    cluster = ask_cluster(start)
    if cluster.found is None:
        why = f"{lacking}, and {cluster.text}"
        return Detection(LOCAL, FROM_COMMANDS, why, (probe, *programs, cluster))
    location = SLURM if cluster.found else LOCAL
    return Detection(
        location, FROM_CLUSTER, f"{lacking}, but {cluster.text}", (probe, *programs, cluster)
    )


def nearest_design(start: Path) -> Path | None:
    """The first ``design.yaml`` from `start` upwards, in the project.

    >>> nearest_design(Path.cwd()) is None
    True
    """
    root = project_root(start)
    folder = start.resolve()
    for one in (folder, *folder.parents):
        if os.path.isfile(one / DESIGN):
            return one / DESIGN
        if one == root:
            return None
    return None


def ask_controller(longest: float = LONGEST) -> Probe:
    """Whether the controller that this machine's commands know answers."""
    from slurm.agent.errors import AgentError
    from slurm.agent.programs import Program, scrubbed_environment

    program = Program(list(ASKING), longest)
    try:
        status, out, err = program.run(env=scrubbed_environment())
    except AgentError:
        text = f"the controller is silent: sinfo did not answer within {longest:g} s"
        return Probe("controller", False, text)
    except OSError as error:
        return Probe("controller", False, f"sinfo cannot be run: {error.strerror}")
    if status != 0:
        said = printable((err.strip() or out.strip()).decode("utf-8", "replace"))
        text = f"the controller does not answer: {said or f'sinfo exited with {status}'}"
        return Probe("controller", False, text)
    return Probe("controller", True, f"the controller answers ({_partitions(len(out.split()))})")


def ask_cluster(start: Path) -> Probe:
    """Whether the cluster that the Slurmfile at `start` names answers; None where it names none of Slurm's."""
    from slurm.cluster import Cluster
    from slurm.config.slurmfile import cluster_settings, find_slurmfile

    name = "Slurmfile"
    path = find_slurmfile(start)
    if path is None:
        return Probe(name, None, "no Slurmfile names a cluster")
    kind = cluster_settings(path).arguments["backend_type"]
    if kind == "local":
        return Probe(name, None, f"{path} names the backend local")
    # Nobody is to be told of a mere question.
    cluster = Cluster.from_env(path, callbacks=())
    try:
        found = len(cluster.get_cluster_info().get("partitions", ()))
    except (SlurmError, OSError) as error:
        said = printable(str(error)) or type(error).__name__
        return Probe(name, False, f"the cluster of {path} ({kind}) cannot be reached: {said}")
    finally:
        cluster.close()
    return Probe(name, True, f"the cluster of {path} ({kind}) answers ({_partitions(found)})")


def _declared(path: Path | None) -> tuple[str | None, Probe]:
    if path is None:
        return None, Probe(DESIGN, None, "there is no design.yaml")
    location = read_design(path).location
    if location is None:
        return None, Probe(DESIGN, None, f"{path} does not say compute.location")
    return location, Probe(
        DESIGN, location == SLURM, f"{path} declares compute.location: {location}"
    )


def _programs() -> Iterator[Probe]:
    for name in COMMANDS:
        path = shutil.which(name)
        yield Probe(name, path is not None, path or "not on the PATH")


def missing_commands() -> list[str]:
    """Those of Slurm's commands that are needed to submit from here, and are not on the PATH."""
    return [one.name for one in _programs() if not one.found]


def _partitions(count: int) -> str:
    return f"{count} partition{'' if count == 1 else 's'}"
