"""Run ids, of which no two runs of a project have the same, and the directories that are named by them."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path

from slurm.agent.files import sync_folder, write_atomic
from slurm.runs import locked_files
from slurm.runs.manifest import NotWritten
from slurm.runs.moments import run_id_at
from slurm.runs.project import FOLDER, RUNS
from slurm.runs.sharing import group_rights, make_directory

LAST = "last_run_id"
IGNORED = ".gitignore"
NOT_COMMITTED = (
    b"# Which run id was given last, and locks: of one working copy.\n/last_run_id\n.*.lock\n"
)
FORM = re.compile(r"(\d{8}T\d{6}Z)(?:-(\d+))?\s*\Z")


def new_run_directory(iteration: Path, root: Path, at: datetime.datetime) -> tuple[str, Path]:
    """A new run's id, and its directory in `iteration`, which is made. Raises `NotWritten`, of one line.

    The id says when the run began, to the second; the later ones of a second end with ``-2``, ``-3``. Each is later than
    the one that the project `root` gave before, which is written down in ``.slurm/last_run_id``: so an id is the run's
    in all of the project, whatever iterations, processes and machines there are, and whichever way a clock was set.
    With the first one, a ``.slurm/.gitignore`` is written that keeps that file out of Git, unless there is one.

    >>> moment = datetime.datetime(2026, 2, 18, 16, 0, 45, tzinfo=datetime.timezone.utc)
    >>> Path("plan/iter1").mkdir(parents=True)
    >>> [new_run_directory(Path("plan/iter1"), Path("."), moment)[0] for _ in range(2)]
    ['20260218T160045Z', '20260218T160045Z-2']
    """
    runs, last = iteration / RUNS, root / FOLDER / LAST
    with locked_files.said(runs, NotWritten):
        for folder in (runs, last.parent):
            if make_directory(folder):
                sync_folder(str(folder.parent))
        with locked_files.locked(last, NotWritten):
            second, number = _after(last, run_id_at(at))
            while not make_directory(runs / _id(second, number)):
                number += 1  # it is in no list: the run came with a copy of the project
            run_id = _id(second, number)
            mode = 0o600 | group_rights(last.parent) & 0o060
            if not last.exists():
                _write_ignored(last.parent / IGNORED, mode)
            write_atomic(str(last), f"{run_id}\n".encode(), mode, sync=False)
        sync_folder(str(runs))
    return run_id, runs / run_id


def _write_ignored(path: Path, mode: int) -> None:
    if not os.path.lexists(path):
        write_atomic(str(path), NOT_COMMITTED, mode, sync=False)


def _id(second: str, number: int) -> str:
    return second if number == 1 else f"{second}-{number}"


def _after(last: Path, second: str) -> tuple[str, int]:
    """The next id, in two parts, of a run that begins in this `second`."""
    found = FORM.match((locked_files.read_bytes(last) or b"").decode("ascii", "replace"))
    if found is None or found[1] < second:
        return second, 1
    return found[1], int(found[2] or 1) + 1
