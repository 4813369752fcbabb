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
from typing import TYPE_CHECKING, Any

from slurm.errors import SlurmError
from slurm.testing.errors import ClusterStartError
from slurm.testing.shape import USER
from slurm.testing.shape_files import ENVIRONMENT, PROJECT_MOUNT

if TYPE_CHECKING:
    from slurm.packaging.environments.requirements import Requirements
    from slurm.testing.docker_cluster import DockerCluster

BASE = "/shared/environments"
NO_NAME = "project"
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
    shape = docker.shape
    if not shape.has_environment:
        return
    project = Path(shape.editable) if shape.editable else None
    if project is not None:
        _require_readable(docker, project)
    try:
        about = _about(project)
        place = _installed(docker, project, about)
    except SlurmError as error:
        raise ClusterStartError(
            f"the Python environment of the cluster {docker.project} could not be made: {error}"
        ) from error
    files = editable_files(project, about) if project else {}
    docker.over_exec.run(["python3", "-c", FINISH, place], input=json.dumps(files))
    docker.over_exec.run(
        f"chmod -R a+rX {shlex.quote(BASE)} && ln -sfn {shlex.quote(place)} {ENVIRONMENT}",
        user="root",
    )


def editable_files(project: Path, about: Mapping[str, Any]) -> dict[str, str]:
    """The files in an environment by which a project is installed there, by their paths in it.

    `about` is the table ``project`` of its ``pyproject.toml``.

    >>> files = editable_files(Path("/home/me/curves"), {"name": "curves", "scripts": {"fit": "curves.cli:main"}})
    >>> files["site-packages/__editable__.curves.pth"]
    '/project\\n'
    >>> print(files["bin/fit"])
    #!/shared/venv/bin/python
    import sys
    from curves.cli import main
    sys.exit(main())
    <BLANKLINE>
    """
    name = str(about.get("name") or NO_NAME)
    version = str(about.get("version") or "0")
    spelt = name.replace("-", "_").replace(".", "_")
    info = f"site-packages/{spelt}-{version}.dist-info"
    groups = dict(about.get("entry-points") or {})
    scripts = dict(about.get("scripts") or {})
    groups.update({"console_scripts": scripts} if scripts else {})
    entries = "".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(points.items()))
        for group, points in sorted(groups.items())
    )
    return {
        f"site-packages/__editable__.{spelt}.pth": f"{_root_of_imports(project)}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/INSTALLER": "slurm-tasks\n",
        f"{info}/entry_points.txt": entries,
        **{f"bin/{key}": _script(value) for key, value in scripts.items()},
    }


def _root_of_imports(project: Path) -> str:
    return f"{PROJECT_MOUNT}/src" if (project / "src").is_dir() else PROJECT_MOUNT


def _script(target: str) -> str:
    module, _, function = target.partition("[")[0].strip().partition(":")
    called, _, rest = function.partition(".")
    call = f"{called}.{rest}" if rest else called
    first = f"#!{ENVIRONMENT}/bin/python\nimport sys\n"
    return f"{first}from {module} import {called}\nsys.exit({call}())\n"


def _about(project: Path | None) -> Mapping[str, Any]:
    """The table ``project`` of a project's ``pyproject.toml``, if it has one."""
    from slurm.packaging.toml_files import read_toml, section

    if project is None or not (project / "pyproject.toml").is_file():
        return {}
    return section(read_toml(project / "pyproject.toml"), project / "pyproject.toml", "project")


def _installed(docker: DockerCluster, project: Path | None, about: Mapping[str, Any]) -> str:
    """The directory of the environment with all that is required, made where it was not there."""
    from slurm.cluster import Cluster
    from slurm.packaging.environments.making import environment_of

    docker.exec("login", ["install", "-d", "-o", USER, "-g", USER, "-m", "0755", BASE])
    changes = {"job_base_dir": BASE, "python": "python3"}
    cluster = Cluster.from_env(docker.slurmfile, env="default", overrides=changes)
    try:
        wanted = _wanted(docker, project, about)
        place = environment_of(wanted, cluster, "python3", "send", again=True)
    finally:
        cluster.close()
    return place


def _wanted(docker: DockerCluster, project: Path | None, about: Mapping[str, Any]) -> Requirements:
    """What the project depends on and what else was named; another key for another project in it."""
    from slurm.packaging.environments.requirements import Requirements, requirements_of

    of_project = requirements_of(project, None, ()) if about and project else None
    more = list(docker.shape.requirements)
    lines = [*(of_project.lines() if of_project else ()), *more]
    if more:  # pip wants hashes for all or for none
        lines = [line.partition(" --hash=")[0] for line in lines]
    files = editable_files(project, about) if project else {}
    texts = json.dumps([lines, files, of_project.key if of_project else ""])
    return Requirements(
        key=hashlib.sha256(texts.encode()).hexdigest(),
        origin=of_project.origin if of_project else Path("the cluster"),
        python=of_project.python if of_project else "",
        is_locked=bool(of_project and of_project.is_locked and not more),
        lines=lambda: lines,
    )


def _require_readable(docker: DockerCluster, project: Path) -> None:
    root = _root_of_imports(project)
    seen = docker.over_exec.run(["ls", PROJECT_MOUNT, root], check=False)
    if seen.returncode != 0:
        raise ClusterStartError(
            f"{USER} on the cluster, whose uid is 1000, cannot read {project}: chmod -R go+rX {project}"
        )
