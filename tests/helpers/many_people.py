"""People who type commands about the same runs at once: run as a program, for it forks. Prints one JSON value.

``python many_people.py FOLDER``
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.helpers.killed_commands import left, until_ended
from tests.helpers.killed_writers import fork
from tests.helpers.run_project import RunProject

from slurm.api.local import LocalBackend

ROUNDS = 20
SCRIPT = """\
#!/bin/bash
#SBATCH --time=5
echo "$RUN_ID" >>ran
echo '{"accuracy": 0.9}' >"$RUN_OUTPUTS/metrics.json"
"""


def at_once(project: RunProject, commands: Sequence[Sequence[str]]) -> Iterator[Any]:
    """What each of these commands says, each in a process, all begun at the same moment."""
    waiting, go = os.pipe()

    def one(number: int, arguments: Sequence[str]) -> None:
        os.close(go)
        os.chdir(project.iteration)
        os.read(waiting, 1)
        said = project.run(*arguments)
        report = {"command": arguments, "status": said.status, "out": said.out, "err": said.err}
        (project.base.parent / f"said{number}").write_text(json.dumps(report))

    children = [
        fork(lambda number=number, given=given: one(number, given))  # type: ignore[misc]
        for number, given in enumerate(commands)
    ]
    os.close(go)
    os.close(waiting)
    for number, child in enumerate(children):
        assert os.waitpid(child, 0)[1] == 0, commands[number]
        yield json.loads((project.base.parent / f"said{number}").read_text())


def together(folder: Path) -> Any:
    """Rounds of commands, and what is there at last."""
    project = RunProject(folder / "project", folder / "jobs")
    project.script(SCRIPT)
    said = []
    for number in range(ROUNDS):
        runs = [one.run_id for one in project.manifests()]
        cancelled = [["runs", "cancel", runs[-1]]] if runs and number % 2 else []
        wrong = "#!/bin/bash\n#SBATCH --no-such-option=1\n"
        project.script(wrong if number % 5 == 4 else SCRIPT)
        others = [["run"], ["runs", "monitor"], ["run"], ["runs", "sync"], ["runs", "extract"]]
        said += list(at_once(project, [["launch"], ["launch"], *cancelled, *others]))
    project.script(SCRIPT)
    until_ended(project)
    return {"said": said, **left(project)}


if __name__ == "__main__":
    import filelock  # noqa: F401  # once for all children

    at = Path(sys.argv[1])
    os.environ["HOME"] = str(at)
    try:
        sys.stdout.write(json.dumps(together(at)))
    finally:
        LocalBackend(state_dir=str(at / "jobs" / ".local")).shutdown(kill_jobs=True)
