"""A dashboard over answers that a test gives, and what can be seen of it. The source is a fake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from textual.pilot import Pilot

from slurm.api.requests import FilePlace
from slurm.dash.app import Dash
from slurm.dash.source import Answer, LogPart
from slurm.errors import SlurmError
from slurm.job_list import ListedJob

DEADLINE = 120.0
NEVER = (100_000.0, 100_000.0)  # seconds between two questions: a test asks with the key for that
SIZE = (110, 40)
OpenPilot = Pilot[None]


class FakeSource:
    """Answers what it was given; remembers what was done."""

    def __init__(self, *jobs: ListedJob, now: float = 1000.0) -> None:
        self.name = "test"
        self.pauses, self.log_pause = NEVER, NEVER[0]
        self.jobs: Sequence[ListedJob] = jobs
        self.elements: Sequence[ListedJob] = ()
        self.now = now
        self.lost = ""
        self.logs = {False: "", True: ""}
        self.done: list[tuple[str, list[str]]] = []
        self.refused = ""
        self.questions: list[str] = []

    def rows(self, *, elements: bool) -> Answer:
        self._asked("rows")
        return Answer(self.now, self.elements if elements else self.jobs)

    def log(self, job: ListedJob, *, stderr: bool, place: FilePlace | None) -> LogPart:
        self._asked("log")
        text = self.logs[stderr]
        start = 0 if place is None or place.offset > len(text) else place.offset
        anew = place is not None and place.offset > len(text)
        return LogPart(text[start:], FilePlace(len(text)), anew)

    def error(self, job: ListedJob) -> str:
        self._asked("error")
        return "ValueError: unlucky\nin train.py"

    def tree(self, job: ListedJob) -> str:
        self._asked("tree")
        return f"sweep\n└── {job.name}\n"

    def cancel(self, jobs: Sequence[ListedJob]) -> None:
        self._do("cancel", [job.job_id for job in jobs])

    def rerun(self, job: ListedJob) -> str:
        self._do("rerun", [job.job_id])
        return "4712"

    def _asked(self, question: str) -> None:
        self.questions.append(question)
        if self.lost:
            raise SlurmError(self.lost)

    def _do(self, what: str, ids: list[str]) -> None:
        if self.refused:
            raise SlurmError(self.refused)
        self.done.append((what, ids))


def drive(
    app: Dash, steps: Callable[[OpenPilot], Coroutine[Any, Any, None]], size: tuple[int, int] = SIZE
) -> None:
    """Run a dashboard without a terminal, once it has its first answer, and do these steps."""

    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: app.answers > 0)
            await pilot.pause()
            await steps(pilot)

    asyncio.run(run())


async def until(pilot: OpenPilot, holds: Callable[[], object]) -> None:
    """Wait for something to hold in the dashboard."""
    give_up = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < give_up, seen(pilot.app)
        await pilot.pause(0.01)


async def press(pilot: OpenPilot, *keys: str) -> None:
    """Press keys, and have done what they do."""
    await pilot.press(*keys)
    await pilot.pause()


async def refresh(pilot: OpenPilot) -> None:
    """Have the cluster asked for its jobs, and what it says shown."""
    app = pilot.app
    assert isinstance(app, Dash)
    before = app.answers
    await pilot.press("u")
    await until(pilot, lambda: app.answers > before)
    await pilot.pause()


def seen(app: Any) -> str:
    """The text that is on the screen."""
    width, height = app.size
    strips = app.screen._compositor.render_strips(app.size)
    lines = ["".join(segment.text for segment in strip)[:width].rstrip() for strip in strips]
    return "\n".join(lines[:height])
