"""What packaging costs: a further job, an edit, a large project's first job, fifty programs that start together.

Jobs are queued and do not run, but for one that shows what its environment has.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.driver import BenchmarkError, Driver
from benchmarks.measure import Bar, Line, interleave
from benchmarks.project import Project
from benchmarks.remote import SHARED
from benchmarks.session import Session

ROUNDS, EDITS, COPIES = 25, 6, 3
PROGRAMS = 50
FILES, SIZE = 2_000, 50_000_000
FURTHER_BAR, EDIT_BAR, COPY_BAR = 50.0, 0.5, 3.0
ONCE_TIMEOUT = 500.0
NONE: dict[str, Any] = {"type": "none"}
SOURCE: dict[str, Any] = {"type": "source"}
SENT: dict[str, Any] = {"type": "source", "dependencies": "send"}
WHEEL: dict[str, Any] = {"type": "wheel", "dependencies": "send", "build_isolation": False}
RSYNC, TAR = "rsync -a", "tar | ssh tar -x"


def run(session: Session) -> None:
    """All of it, each with projects of its own."""
    with tempfile.TemporaryDirectory(prefix="slurm-bench-") as folder:
        _Measured(session, Path(folder)).all()


class _Measured:
    def __init__(self, session: Session, folder: Path) -> None:
        self.session = session
        self.folder = folder

    def all(self) -> None:
        small = Project(self.folder / "small")
        files, size = (FILES, SIZE) if not self.session.quick else (FILES // 20, SIZE // 20)
        large = Project(self.folder / "large", files=files, size=size)
        self.further_jobs(small)
        with self.session.queue_only():
            self.edits(small, "a small project")
            self.first_copy(large, files, size)
            self.edits(large, f"a project of {files} files")
            self.together()

    def program(self, project: Project, base: str, name: str = "program") -> Driver:
        """A program of the project whose jobs are in the directory `base`."""
        return self.session.project_program(project, f"{SHARED}/{base}", name)

    def further_jobs(self, project: Project) -> None:
        """The second and later jobs with a packaging, beside those with none."""
        program = self.program(project, "jobs-further")
        ways = {
            "none": NONE,
            "source": SOURCE,
            "source, numpy sent": SENT,
            "wheel, numpy sent": WHEEL,
        }
        for packaging in ways.values():
            program.ask("run" if packaging in (SENT, WHEEL) else "connect", packaging=packaging)
        prefix, numpy = program.ask("run", packaging=SENT)
        if not numpy or not prefix.startswith(f"{SHARED}/jobs-further/.packages/"):
            raise BenchmarkError(
                f"the job ran in {prefix} with numpy {numpy!r}, not in what was sent"
            )
        program.close()
        with self.session.queue_only():
            program = self.program(project, "jobs-further")
            for packaging in ways.values():
                program.ask("submit", packaging=packaging)
            found = interleave(
                {
                    name: partial(program.seconds, "submit", packaging=one)
                    for name, one in ways.items()
                },
                self.session.rounds(ROUNDS),
                warm_up=2,
            )
        series = {
            name: self.session.record(f"further job: {name}", "ms", [1000 * one for one in values])
            for name, values in found.items()
        }
        for name in ways:
            if name != "none":
                more = max(0.0, series[name].median - series["none"].median)
                what = f"further job, packaging {name}, over packaging none"
                self.session.note(Line(what, "ms", more, bar=Bar(FURTHER_BAR)))

    def edits(self, project: Project, which: str) -> None:
        """The first submission of a new program, after an edit; the connection is there."""
        base = f"jobs-edit-{project.folder.name}"
        values = []
        for number in range(self.session.rounds(EDITS) + 1):
            project.edit()
            program = self.program(project, base)
            program.ask("connect", packaging=SOURCE)
            took = program.seconds("submit", packaging=SOURCE)
            program.close()
            values += [took] if number else []
        name = f"first job after an edit, {which}"
        found = self.session.record(name, "s", values)
        self.session.note(Line(name, "s", found.median, bar=Bar(EDIT_BAR)))

    def first_copy(self, project: Project, files: int, size: int) -> None:
        """A project's first job in a new place, beside the tools that copy directories."""

        def ours() -> float:
            program = self.program(project, f"jobs-first-{secrets.token_hex(4)}")
            program.ask("connect", packaging=SOURCE)
            took = program.seconds("submit", packaging=SOURCE)
            program.close()
            return took

        name = "this SDK, with the submission"
        ways: dict[str, Callable[[], float]] = {
            name: ours,
            TAR: partial(self._tar, project),
        }
        if shutil.which("rsync"):
            ways[RSYNC] = partial(self._rsync, project)
        found = interleave(ways, self.session.rounds(COPIES), warm_up=0)
        what = f"first copy of {files} files, {size / 1e6:.0f} MB"
        series = {
            way: self.session.record(f"{what}: {way}", "s", values) for way, values in found.items()
        }
        bar, mine = Bar(COPY_BAR, of_ratio=True), series[name].median
        other = series[RSYNC].median if RSYNC in series else None
        note = "" if RSYNC in series else "there is no rsync on this machine"
        self.session.note(
            Line(what, "s", mine, RSYNC, other, bar if RSYNC in series else None, note=note),
            Line(what, "s", mine, TAR, series[TAR].median),
        )

    def _tar(self, project: Project) -> float:
        target = f"{SHARED}/copy-{secrets.token_hex(4)}"
        there = self.session.login.ssh(f"mkdir {target} && tar -x -C {target}")
        pack = ["tar", "-c", "-C", str(project.folder), "."]
        return self.session.login.piped(pack, there)

    def _rsync(self, project: Project) -> float:
        login = self.session.login
        target = f"{login.cluster.project}:{SHARED}/copy-{secrets.token_hex(4)}/"
        shell = f"ssh -F {login.cluster.ssh_config}"
        return login.run(["rsync", "-a", "-e", shell, f"{project.folder}/", target])[0]

    def together(self) -> None:
        """Programs that start together, each with a job: their wheel and its environment are made once."""
        project = Project(self.folder / "together")
        before = project.builds()
        count = 4 if self.session.quick else PROGRAMS
        names = [f"program-{number}" for number in range(count)]
        with ThreadPoolExecutor(count) as pool:
            programs = list(
                pool.map(lambda name: self.program(project, "jobs-together", name), names)
            )
            took = list(pool.map(self._first_job, programs))
        self.session.release()
        self.session.record(f"first job of {count} programs at once", "s", took)
        made = _environments(self.session, f"{SHARED}/jobs-together")
        what = f"{count} programs at once with packaging wheel"
        self.session.note(
            Line(f"{what}: wheels built", "", float(project.builds() - before), bar=Bar(1)),
            Line(f"{what}: environments made", "", float(len(made)), bar=Bar(2)),
            Line(f"{what}: the last job is submitted", "s", max(took)),
        )

    @staticmethod
    def _first_job(program: Driver) -> float:
        return float(program.ask("submit", packaging=WHEEL, timeout=ONCE_TIMEOUT))


def _environments(session: Session, base: str) -> Sequence[str]:
    """The environments that are there: of what is required, and of the wheel on top of it."""
    command = f"cd {base}/.packages/env && ls -d */"
    return session.login.run(session.login.ssh(command))[1].decode().split()
