"""Commands about runs that are killed at any step of what they do to files and sockets: run as a program, for it forks.

``python killed_commands.py MODE FOLDER`` prints one JSON value; the modes are the functions of `MODES`.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.helpers.clicked import Said
from tests.helpers.killed_writers import fork
from tests.helpers.run_project import RunProject

from slurm.api.local import LocalBackend
from slurm.runs.manifest import Manifest

MOST_STEPS = 400
# What the system is asked for, as Python's audit hooks see it; `open` only to write.
STEPS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
PATHS = frozenset(
    {f"os.{name}" for name in ("mkdir", "rename", "remove", "rmdir", "chmod", "link")}
)
DESIGN = """\
compute: {location: slurm}
artifacts: {required: [metrics.json]}
metrics:
  accuracy: {file: metrics.json, key: accuracy}
"""
SCRIPT = """\
#!/bin/bash
#SBATCH --time=5
echo "$RUN_ID" >>ran
echo '{"accuracy": 0.9}' >"$RUN_OUTPUTS/metrics.json"
"""
FAILS = '#!/bin/bash\n#SBATCH --time=5\necho "$RUN_ID" >>ran\nexit 3\n'


def die_at(step: int, place: Path) -> None:
    """Have this process die before that one of its steps below `place`, or on sockets, counted from now on."""
    steps = itertools.count()
    below = os.fsencode(place)

    def hook(event: str, arguments: Any) -> None:
        if event == "open":
            path, _, flags = arguments
            counts = bool(flags & (os.O_WRONLY | os.O_RDWR)) and _is_below(path)
        else:
            counts = event in STEPS or (event in PATHS and any(map(_is_below, arguments)))
        if counts and next(steps) >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_below(path: object) -> bool:
        return isinstance(path, (str, bytes, os.PathLike)) and os.fsencode(path).startswith(below)

    sys.addaudithook(hook)


def command(project: RunProject, *arguments: str, step: int | None = None) -> int:
    """The wait status of a process that runs a command in the project's iteration, and dies at a step."""

    def one() -> None:
        os.chdir(project.iteration)
        if step is not None:
            die_at(step, project.base.parent)
        status = project.run(*arguments).status
        sys.stdout.flush()
        os._exit(status)

    return os.waitpid(fork(one), 0)[1]


def until_ended(project: RunProject) -> list[int]:
    """Take the runs on as a person does who knows nothing of what came before; the exit status of each ``slurm run``."""
    os.chdir(project.iteration)
    said = []
    for _ in range(20):
        said.append(os.waitstatus_to_exitcode(command(project, "run")))
        for one in project.manifests():
            if one.job_id and not one.ended:
                project.job_ended(one)
        if all(one.ended and one.section("extraction") for one in project.manifests()):
            break
    return said


def left(project: RunProject) -> dict[str, Any]:
    """What is there now."""
    os.chdir(project.iteration)
    ran = project.iteration / "ran"
    doc = project.root / "docs/slurm_job_list.md"
    text = doc.read_text() if doc.exists() else ""
    found = project.manifests()
    return {
        "runs": [_about(one) for one in found],
        "directories": len(list(project.iteration.glob("runs/*"))),
        "ran": ran.read_text().split() if ran.exists() else [],
        "entries": [line for line in text.splitlines() if "run_id=" in line],
        "verified": [
            project.run("verify", "--stage", stage).out
            for stage in ("launch", "slurm_monitor", "extract_results")
            if found
        ],
    }


def _about(one: Manifest) -> dict[str, Any]:
    metrics = Path(one.path).parent / "metrics.json"
    said = json.loads(metrics.read_text()) if metrics.exists() else {}
    return {
        "run_id": one.run_id,
        "job_id": one.job_id,
        "status": str(one.status),
        "outcome": one.section("submission").get("outcome"),
        "logs": one.section("logs").get("files"),
        "metrics": said.get("metrics"),
    }


def launches(folder: Path) -> Iterator[Any]:
    """A launch dies at each of its steps, and whoever comes then types ``slurm run``, or launches again."""
    warm = RunProject(folder / "warm", folder / "jobs")
    warm.script(SCRIPT)
    command(warm, "launch")
    for step in range(MOST_STEPS):
        project = RunProject(folder / str(step), folder / "jobs")
        project.design(DESIGN)
        project.script(SCRIPT)
        status = command(project, "launch", step=step)
        died = len(project.manifests())
        again = 0 if died else os.waitstatus_to_exitcode(command(project, "launch"))
        said = until_ended(project)
        yield {"died": died, "again": again, "said": said, **left(project)}
        if status != signal.SIGKILL:
            return


def runs(folder: Path) -> Iterator[Any]:
    """A ``slurm run`` dies at each of its steps, for which one job has completed and one has failed; another one follows."""
    project = RunProject(folder / "project", folder / "jobs")
    project.design(DESIGN)
    for text in (SCRIPT, FAILS):
        project.script(text)
        command(project, "launch")
    for one in project.manifests():
        project.job_ended(one)
    shutil.copytree(project.root, folder / "before")
    for step in range(MOST_STEPS):
        status = command(project, "run", step=step)
        died = left(project)
        said = os.waitstatus_to_exitcode(command(project, "run"))
        yield {"died": died["runs"], "said": said, **left(project)}
        if status != signal.SIGKILL:
            return
        shutil.rmtree(project.root)
        shutil.copytree(folder / "before", project.root)


def limited(project: RunProject, size: int, *arguments: str) -> Said:
    """What a command says whose files may have so many bytes only: it is refused the rest, as by a full disk."""
    report = project.base.parent / "said"

    def one() -> None:
        os.chdir(project.iteration)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        said = project.run(*arguments)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        report.write_text(json.dumps(said))

    assert os.waitpid(fork(one), 0)[1] == 0
    return Said(*json.loads(report.read_text()))


def full(folder: Path) -> Iterator[Any]:
    """There is no room for a launch, and then for a ``slurm run``, beyond files of some size; later there is."""
    command(RunProject(folder / "warm", folder / "jobs"), "launch")
    for size in (0, 120, 600, 900, 1200, 1500, 1700):
        project = RunProject(folder / str(size), folder / "jobs")
        project.design(DESIGN)
        project.script(SCRIPT)
        launched = limited(project, size, "launch")
        if not project.manifests():
            command(project, "launch")
        command(project, "run")
        for one in project.manifests():
            project.job_ended(one)
        said = limited(project, size, "run")
        until_ended(project)
        yield {"launch": launched, "run": said, **left(project)}


def closed(folder: Path) -> Iterator[Any]:
    """What ``slurm run`` says where it may not write, and what is there when it may."""
    project = RunProject(folder / "project", folder / "jobs")
    project.script(SCRIPT)
    command(project, "launch")
    project.job_ended()
    run = project.folder
    places = [
        run / "run_manifest.json",
        run,
        project.root / "docs/slurm_job_list.md",
        project.root / "docs",
    ]
    for place in places:
        mode = place.stat().st_mode
        place.chmod(0o500 if place.is_dir() else 0o400)
        os.chdir(project.iteration)
        said = project.run("run")
        yield {"place": str(place), "run": said, "status": str(project.manifest.status)}
        place.chmod(mode)
    until_ended(project)
    yield left(project)


MODES: dict[str, Callable[[Path], Iterator[Any]]] = {
    "launches": launches,
    "runs": runs,
    "full": full,
    "closed": closed,
}

if __name__ == "__main__":
    import filelock  # noqa: F401  # once for all children

    at = Path(sys.argv[2])
    os.environ["HOME"] = str(at)
    try:
        sys.stdout.write(json.dumps(list(MODES[sys.argv[1]](at))))
    finally:
        LocalBackend(state_dir=str(at / "jobs" / ".local")).shutdown(kill_jobs=True)
