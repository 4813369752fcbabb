"""Tries an environment of the site out. The text of this file is run on the cluster, by the Python that runs the agent.

`run` answers one request of ``slurm.packaging.site.site_checks`` as a line of JSON: what the setup printed, and where the conda
environment of a name is. Standard library only, nothing of ``slurm``; the Python may be as old as the agent's, 3.6.
"""

import contextlib
import glob
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Optional, Tuple

KEPT = 16 << 10  # bytes of what was printed
GRACE = 10  # seconds for what is told to end
LISTING = 60  # seconds for conda to name its environments
HOMES = ("miniconda3", "miniforge3", "mambaforge", "anaconda3", "micromamba", ".local/share/mamba")


class Problem(Exception):
    """What is not there, and how to mend it."""


def run(request: Dict[str, Any]) -> None:
    """Print the answer to a request as a line of JSON."""
    os.umask(0o077)
    try:
        said = answer(request)
    except Problem as problem:
        said = {"problem": str(problem)}
    said["host"] = socket.gethostname()
    sys.stdout.write("\n" + json.dumps(said) + "\n")


def answer(request: Dict[str, Any]) -> Dict[str, Any]:
    """What the script of the request prints, run with `argv` before it, for at most `timeout` seconds.

    `kind` is ``conda`` or ``uv``, and `name` what the user has written; the prefix is looked for unless it is `known`.
    """
    prefix = request.get("known") or ""
    if request["kind"] and not prefix:
        if request["kind"] == "uv":
            prefix = prefix_of_uv(os.path.expanduser(request["name"]))
        elif "/" in request["name"]:
            prefix = prefix_of_conda(os.path.expanduser(request["name"]))
        else:
            status, output, variables = exported(request["listing"], request["timeout"])
            if status != 0:
                return {"status": status, "output": output}
            prefix = prefix_named(request["name"], variables)
    python = request["python"] or os.path.join(prefix, "bin", "python")
    argv = [*request["argv"], "bash", "-c", request["script"], "bash", prefix]
    status, output = tried([*argv, python, "-c", *request["facts"]], request["timeout"])
    return {"status": status, "output": output, "prefix": prefix}


def tried(argv: List[str], timeout: float) -> Tuple[Optional[int], str]:
    """The exit status of a program, None where it was ended for its time, and the end of what it printed."""
    with tempfile.TemporaryFile() as output:  # what it leaves running would keep a pipe open
        status = _run(argv, timeout, output)
        output.seek(max(0, output.seek(0, os.SEEK_END) - KEPT))
        return status, output.read().decode("utf-8", "replace")


def exported(script: str, timeout: float) -> Tuple[Optional[int], str, Dict[str, str]]:
    """As `tried`, for a script that writes what is exported to the file descriptor it is given; and that."""
    with tempfile.TemporaryFile() as variables, tempfile.TemporaryFile() as output:
        handle = variables.fileno()
        argv = ["bash", "-c", script, "bash", str(handle)]
        status = _run(argv, timeout, output, pass_fds=[handle])
        output.seek(max(0, output.seek(0, os.SEEK_END) - KEPT))
        variables.seek(0)
        words = map(os.fsdecode, variables.read().split(b"\0"))
        environment = dict(word.split("=", 1) for word in words if "=" in word)
        return status, output.read().decode("utf-8", "replace"), environment


def _run(argv: List[str], timeout: float, output: Any, **options: Any) -> Optional[int]:
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **options,
    )
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end(process)


def end(process: Any) -> None:
    """End a program and what it has left running; srun gives its allocation back where it is told."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def prefix_of_uv(folder: str) -> str:
    """The virtual environment of a project that uv keeps."""
    prefix = os.path.join(folder, ".venv")
    if not os.path.isdir(folder):
        raise Problem(f"there is no directory {folder}")
    if not os.access(os.path.join(prefix, "bin", "python"), os.X_OK):
        raise Problem(f"there is no .venv in {folder}: run `uv sync` there")
    return prefix


def prefix_of_conda(prefix: str) -> str:
    """A prefix, where it is one."""
    prefix = prefix.rstrip("/")
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        raise Problem(f"there is no conda environment in {prefix}")
    if not os.access(os.path.join(prefix, "bin", "python"), os.X_OK):
        raise Problem(
            f"the conda environment {prefix} has no Python: run `conda install -p {prefix} python` there"
        )
    return prefix


def prefix_named(name: str, environment: Dict[str, str]) -> str:
    """The prefix of the environment that conda calls so, in an environment in which conda may be on the PATH.

    What conda itself lists comes first, then what it has noted for its user, and the directories where it usually is.
    """
    roots = [root for root in roots_of(environment) if is_prefix(root)]
    known = [*listed(environment), *noted(environment), *usual(environment)]
    known = [path for path in known if is_prefix(path) and path not in roots]
    found = roots[:1] if name == "base" else [one for one in known if os.path.basename(one) == name]
    distinct = sorted({os.path.realpath(path) for path in found})
    if len(distinct) > 1:
        raise Problem(
            "there are several conda environments {!r}, {}: name one by its prefix".format(
                name, " and ".join(distinct)
            )
        )
    if not found:
        others = sorted({os.path.basename(path) for path in known})
        there = ", but " + ", ".join(others) if others else ""
        raise Problem(f"there is no conda environment {name!r}{there}")
    return prefix_of_conda(found[0])


def is_prefix(path: str) -> bool:
    """Whether a directory is an environment of conda's."""
    return os.path.isdir(os.path.join(path, "conda-meta"))


def roots_of(environment: Dict[str, str]) -> List[str]:
    """Where conda itself is installed."""
    programs = [environment.get("CONDA_EXE"), environment.get("MAMBA_EXE")]
    programs += [
        shutil.which(name, path=environment.get("PATH", "")) for name in ("conda", "mamba")
    ]
    roots = [environment.get("CONDA_ROOT"), environment.get("MAMBA_ROOT_PREFIX")]
    roots += [os.path.dirname(os.path.dirname(os.path.realpath(one))) for one in programs if one]
    roots += [os.path.join(home_of(environment), name) for name in HOMES]
    return list(dict.fromkeys(root for root in roots if root))


def home_of(environment: Dict[str, str]) -> str:
    return environment.get("HOME") or os.path.expanduser("~")


def listed(environment: Dict[str, str]) -> List[str]:
    """What the first of conda's programs lists that is there."""
    search = environment.get("PATH", "")
    names = (
        environment.get("CONDA_EXE"),
        "conda",
        "mamba",
        environment.get("MAMBA_EXE"),
        "micromamba",
    )
    for name in names:
        program = shutil.which(name, path=search) if name else None
        if program is None:
            continue
        try:
            done = subprocess.run(
                [program, "env", "list", "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                timeout=LISTING,
                check=False,
            )
            return [str(path) for path in json.loads(done.stdout.decode("utf-8"))["envs"]]
        except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired):
            continue  # what it has noted may do
    return []


def noted(environment: Dict[str, str]) -> List[str]:
    """What conda has noted for its user."""
    path = os.path.join(home_of(environment), ".conda", "environments.txt")
    try:
        with open(path, encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except OSError:
        return []


def usual(environment: Dict[str, str]) -> List[str]:
    """What is in the directories for environments."""
    said = environment.get("CONDA_ENVS_DIRS") or environment.get("CONDA_ENVS_PATH") or ""
    folders = [one for one in said.split(os.pathsep) if one]
    folders += [os.path.join(root, "envs") for root in roots_of(environment)]
    folders.append(os.path.join(home_of(environment), ".conda", "envs"))
    return [
        path for one in folders for path in sorted(glob.glob(os.path.join(glob.escape(one), "*")))
    ]
