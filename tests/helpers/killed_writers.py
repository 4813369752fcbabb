"""Writers of ledgers and manifests that are killed: run as a program, for it forks. Prints one JSON value.

``python killed_writers.py MODE FOLDER``; the modes are the functions of `MODES`.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from slurm.agent import files
from slurm.runs import ledger_file, locked_files, store
from slurm.runs.ledger_lines import LedgerError
from slurm.runs.manifest import Manifest

WRITERS, KILLED = 50, 20
LONGEST = 100  # seconds
# What the system sees of a write, beside the writing of bytes.
STEPS = ("open", "close", "fchmod", "ftruncate", "listdir", "fsync", "replace", "unlink", "mkdir")


def manifest(number: int, path: str = "run_manifest.json") -> Manifest:
    """One of many manifests."""
    content = {
        "schema_version": "1.0",
        "run_id": f"run{number}",
        "iteration_id": "iter1",
        "host_mode": "slurm",
        "status": "submitted",
        "command": "true",
        "resource_request": {},
        "job_id": str(1000 + number),
        "timestamps": {"started_at": "2026-02-18T16:00:45Z"},
        "artifact_sync_to_local": {"status": "pending"},
    }
    return Manifest.checked(content, path)


def noted(path: Path, number: int) -> None:
    """Add a key of one's own to a manifest."""
    store.change(path, lambda found: found.with_keys(**{f"writer{number}": number}))


def fork(body: Callable[[], object]) -> int:
    """Run `body` in a child; its exit status is 0 when it returns."""
    child = os.fork()
    if child:
        return child
    signal.alarm(LONGEST)  # should its parent be killed
    try:
        body()
    except BaseException as error:  # noqa: BLE001  # a child must not go on with what its parent does
        sys.stderr.write(f"{error!r}\n")
        os._exit(1)
    os._exit(0)


def racing(write: Callable[[int], object]) -> dict[str, list[int]]:
    """Have many processes write at once and kill some of them; the numbers of those that returned, and that failed."""
    chance = random.Random(7)  # the same moments in every run
    waiting, go = os.pipe()

    def one(number: int) -> None:
        os.close(go)
        os.read(waiting, 1)
        write(number)

    write_to = {fork(lambda number=number: one(number)): number for number in range(WRITERS)}  # type: ignore[misc]
    doomed = chance.sample(sorted(write_to), KILLED)
    os.close(go)
    for child in doomed:
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
    ended = {write_to[child]: os.waitpid(child, 0)[1] for child in write_to}
    return {
        "returned": [number for number, status in ended.items() if status == 0],
        "failed": [number for number, status in ended.items() if status not in (0, signal.SIGKILL)],
    }


def appends(folder: Path) -> Any:
    """Fifty processes append to one ledger."""
    doc = folder / "slurm_job_list.md"
    return racing(lambda number: ledger_file.append(doc, manifest(number)))


def changes(folder: Path) -> Any:
    """Fifty processes change one manifest."""
    path = folder / "run_manifest.json"
    store.write(manifest(0, str(path)))
    return racing(lambda number: noted(path, number))


class InHalves:
    """A file whose bytes are written in two steps."""

    def __init__(self, file: Any, passed: Callable[[], None]) -> None:
        self.file = file
        self.passed = passed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: bytes) -> None:
        """Write them."""
        for part in (data[: len(data) // 2], data[len(data) // 2 :]):
            self.passed()
            self.file.write(part)
            self.file.flush()


def die_at(step: int) -> None:
    """Have this process die at that step of what it does to files, counted from now on."""
    steps = itertools.count()

    def passed() -> None:
        if next(steps) >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            passed()
            return function(*args, **options)

        return call

    for name in STEPS:
        setattr(os, name, dying(getattr(os, name)))

    @contextlib.contextmanager
    def in_halves(*args: Any, **options: Any) -> Iterator[Any]:
        with files.replacing(*args, **options) as file:
            yield InHalves(file, passed)

    vars(locked_files)["replacing"] = in_halves


def at_every_step(
    prepare: Callable[[Path], object], write: Callable[[Path], object], folder: Path
) -> Any:
    """For each step: what was there when the process had died at it, and after the next one's write."""
    seen = []
    for step in range(100):
        place = folder / str(step)
        place.mkdir()
        prepare(place)

        def one(step: int = step, place: Path = place) -> None:
            die_at(step)
            write(place)

        status = os.waitpid(fork(one), 0)[1]
        died = contents(place)
        write(place)
        seen.append([died, contents(place)])
        if status != signal.SIGKILL:
            return {"status": status, "seen": seen}
    return {"status": None, "seen": seen}


def contents(place: Path) -> dict[str, str]:
    """The files somewhere, without locks."""
    found = [path for path in sorted(place.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(place)): path.read_text() for path in found if path.suffix != ".lock"
    }


def append_steps(folder: Path) -> Any:
    """A ledger with one entry gets another one."""
    return at_every_step(
        lambda place: ledger_file.append(place / "docs/list.md", manifest(1)),
        lambda place: ledger_file.append(place / "docs/list.md", manifest(2)),
        folder,
    )


def first_steps(folder: Path) -> Any:
    """A ledger is begun."""
    return at_every_step(
        lambda place: None,
        lambda place: ledger_file.append(place / "docs/list.md", manifest(2)),
        folder,
    )


def change_steps(folder: Path) -> Any:
    """A manifest is changed."""
    return at_every_step(
        lambda place: store.write(manifest(1, str(place / "run_manifest.json"))),
        lambda place: noted(place / "run_manifest.json", 1),
        folder,
    )


def size_limit(folder: Path) -> Any:
    """The system takes a part of what is written only, as a full disk does."""
    doc = folder / "list.md"
    ledger_file.append(doc, manifest(1))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (120, 120))
    try:
        ledger_file.append(doc, manifest(2))
    except LedgerError as error:
        return {"error": str(error), "files": contents(folder)}
    return None


def read_only_directory(folder: Path) -> Any:
    """Nothing can be made in the ledger's directory."""
    doc = folder / "list.md"
    ledger_file.append(doc, manifest(1))
    (folder / ".list.md.lock").unlink()
    folder.chmod(0o500)
    same = str(ledger_file.append(doc, manifest(1)))
    try:
        ledger_file.append(doc, manifest(2))
    except LedgerError as error:
        return {"same": same, "error": str(error), "files": contents(folder)}
    return None


MODES = (appends, changes, append_steps, first_steps, change_steps, size_limit, read_only_directory)

if __name__ == "__main__":
    import filelock  # noqa: F401  # once for all children, as the schema is compiled once

    manifest(0)
    [mode] = [function for function in MODES if function.__name__ == sys.argv[1]]
    sys.stdout.write(json.dumps(mode(Path(sys.argv[2]))))
