"""A run whose artifacts are on a "cluster" that is a directory of this machine, and backends that count what they are asked."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.helpers.far import Far
from tests.helpers.run_manifests import written

from slurm.runs import store
from slurm.runs.arrival import Arrived, design_of
from slurm.runs.fetch import Told
from slurm.runs.manifest import Manifest
from slurm.runs.sync import bring_home

PLENTY = 1 << 40
STEPS = ("open", "os.mkdir", "os.rename", "os.utime", "os.remove", "os.truncate", "os.scandir")
COMPLETED = {"state": "COMPLETED", "ended": True}


class Distant(Far):
    """One with pieces of a size that suits files of some megabytes. `read` counts the bytes that came."""

    piece, in_flight, together, large_from = 1 << 18, 1, 1 << 22, 1 << 20

    def __init__(self) -> None:
        super().__init__(object())
        self.read = 0

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        answer, out = super().request(op, params, blob)
        self.read += len(out)
        return answer, out


class Run:
    """A run of a project at `root`, whose job has completed; its artifacts are in `there`."""

    def __init__(self, root: Path, design: str = "", **changes: Any) -> None:
        self.root = root
        self.there = root / "cluster" / "artifacts"
        self.there.mkdir(parents=True)
        known = {
            "status": "running",
            "scheduler": COMPLETED,
            "artifacts": {"remote": str(self.there)},
        }
        self.path = written(root / "project", **{**known, **changes})
        (root / "project" / ".slurm").mkdir()
        self.home = self.path.parent / "outputs"
        if design:
            self.design(design)

    @property
    def manifest(self) -> Manifest:
        return store.read(self.path)

    def design(self, text: str) -> None:
        (self.path.parents[2] / "design.yaml").write_text(text)

    def put(self, name: str, content: bytes | str = b"x") -> Path:
        """A file among the artifacts on the cluster."""
        path = self.there / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def bring(
        self, backend: Any, most_bytes: int = PLENTY, progress: Told | None = None
    ) -> Arrived:
        manifest = self.manifest
        return bring_home(
            manifest, design_of(manifest), backend, most_bytes=most_bytes, progress=progress
        )

    def here(self) -> dict[str, bytes]:
        """What is in ``outputs/``, links and all."""
        return {
            str(path.relative_to(self.home)): path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_file()
        }


def killed_at_every_step(folder: Path) -> int:
    """Bring run after run home in a child that is killed at its first, second, third ... step; how many there are.

    A step is a request, or what changes a file or a name. After each, the next one brings what did not come.
    """
    content = random.Random(1).randbytes((1 << 20) + 100)
    for number in itertools.count():
        run = Run(folder / str(number))
        for name in ("a", "deep/b"):
            run.put(name, name)
        run.put("large", content)
        child = os.fork()
        if not child:
            steps = itertools.count()

            def hook(
                event: str, arguments: Any, steps: Iterator[int] = steps, last: int = number
            ) -> None:
                if event in STEPS and next(steps) == last:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            run.bring(Distant())
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        kept = [*(run.path.parent / ".sync").glob("*.part"), *run.home.rglob("*")]
        there = sum(path.stat().st_size for path in kept if path.is_file())
        far = Distant()
        found = run.bring(far)
        assert found.complete, found
        assert run.here() == {"a": b"a", "deep/b": b"deep/b", "large": content}
        assert far.read == found.bytes - there, (number, far.read, there)
        if status == 0:
            return number
    return 0


def main(manifest: str, after: int) -> None:
    """Bring a run home, and be killed at the request with this number."""
    backend = Distant()

    def between(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if len(backend.asked) > after:
            os.kill(os.getpid(), 9)
        return blob

    backend.between = between
    found = store.read(Path(manifest))
    bring_home(found, design_of(found), backend, most_bytes=PLENTY)


if __name__ == "__main__":
    if sys.argv[1] == "every":
        print(killed_at_every_step(Path(sys.argv[2])))
    else:
        main(sys.argv[1], int(sys.argv[2]))
