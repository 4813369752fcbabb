"""The environment of Python's on a cluster's shared volume: what pip was to install, and the user's project as it is.

What is required is downloaded here and sent, as the packaging ``source`` does it for jobs, so the nodes need neither pip nor
a network. The project is mounted and not copied: a file in the environment says where it is, so that changed code is seen at
once.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from slurm.errors import SlurmError
from slurm.testing.editable import PROJECT_FILE, EditableProject
from slurm.testing.errors import ClusterStartError
from slurm.testing.shape import USER, Shape
from slurm.testing.shape_files import ENVIRONMENT, PROJECT_MOUNT

if TYPE_CHECKING:
    from slurm.packaging.environments.requirements import Requirements
    from slurm.testing.docker_cluster import DockerCluster

BASE = "/shared/environments"
# Writes files into an environment. Those of site-packages lie in a directory with the version of Python in its name.
FINISH = """\
import json, os, sys
version = "python{}.{}".format(*sys.version_info)
for name, text in json.load(sys.stdin).items():
    path = os.path.join(sys.argv[1], name.replace("site-packages", "lib/" + version + "/site-packages", 1))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755 if name.startswith("bin/") else 0o644)
"""


def make_environment(docker: DockerCluster) -> None:
    """Make sure of the environment that the cluster's shape asks for. Raises `ClusterStartError`."""
    if not docker.shape.has_environment:
        return
    try:
        root = docker.shape.editable
        project = EditableProject.of(Path(root)) if root else None
        if project is not None:
            _require_readable(docker, project)
        files = project.files() if project is not None else {}
        place = _installed(docker, files)
    except SlurmError as error:
        raise ClusterStartError(
            f"the Python environment of the cluster {docker.project} could not be made: {error}"
        ) from error
    docker.over_exec.run(["python3", "-c", FINISH, place], input=json.dumps(files))
    docker.over_exec.run(
        f"chmod -R a+rX {shlex.quote(BASE)} && ln -sfn {shlex.quote(place)} {ENVIRONMENT}",
        user="root",
    )


def _installed(docker: DockerCluster, files: Mapping[str, str]) -> str:
    """The directory of the environment with all that is required, made where it was not there."""
    from slurm.cluster import Cluster
    from slurm.packaging.environments.making import environment_of

    docker.exec("login", ["install", "-d", "-o", USER, "-g", USER, "-m", "0755", BASE])
    docker.log_in()
    changes = {"job_base_dir": BASE, "python": "python3"}
    cluster = Cluster.from_env(docker.slurmfile, env="default", overrides=changes)
    try:
        wanted = wanted_by(docker.shape, files)
        return environment_of(wanted, cluster, "python3", "send", again=True)
    finally:
        cluster.close()
        docker.log_out()


def wanted_by(shape: Shape, files: Mapping[str, str]) -> Requirements:
    """What a project depends on and what else was named; another key for another project, which has other `files` there.

    Raises `ConfigError`, `PackagingError`.
    """
    from slurm.packaging.environments.requirements import Requirements, requirements_of

    root = Path(shape.editable)
    has_file = bool(shape.editable) and (root / PROJECT_FILE).is_file()
    of_project = requirements_of(root, None, ()) if has_file else None
    lines = [*(of_project.lines() if of_project else ()), *shape.requirements]
    if shape.requirements:  # pip wants hashes for all or for none
        lines = [line.partition(" --hash=")[0] for line in lines]
    texts = json.dumps([lines, dict(files), of_project.key if of_project else ""])
    return Requirements(
        key=hashlib.sha256(texts.encode()).hexdigest(),
        origin=of_project.origin if of_project else Path("the cluster"),
        python=of_project.python if of_project else "",
        is_locked=bool(of_project and of_project.is_locked and not shape.requirements),
        lines=lambda: lines,
    )


def _require_readable(docker: DockerCluster, project: EditableProject) -> None:
    seen = docker.over_exec.run(["ls", PROJECT_MOUNT, project.imports], check=False)
    if seen.returncode != 0:
        root = project.root
        raise ClusterStartError(
            f"{USER} there, whose uid is 1000, cannot read {root}: chmod -R go+rX {shlex.quote(str(root))}"
        )
