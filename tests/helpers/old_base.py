"""A ``job_base_dir`` with jobs and packages, all of them old, and a scheduler that knows which jobs have not ended."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slurm.agent.agent import Agent
from slurm.agent.errors import AgentError
from slurm.api.base import CleanedUp
from slurm.api.slurm_cli import InProcessBackend
from slurm.api.stored_packages import RemovedPackages, StoredPackage

DAY = 86400.0
BLOCK = b"x" * 8192


class Queue:
    """A scheduler that knows which jobs have not ended, and which have. It is a fake."""

    def __init__(self) -> None:
        self.live: list[str] = []
        self.comments: dict[str, str] = {}  # of the live ones, with their scripts behind
        self.accounts: dict[str, str] = {}  # id -> its token
        self.ended_at: dict[str, float] = {}
        self.asked: list[str] = []
        self.problem = ""
        self.meanwhile: Callable[[], object] = lambda: None

    def unended(self) -> list[dict[str, Any]]:
        self.asked.append("unended")
        self.meanwhile()
        if self.problem:
            raise AgentError("unreachable", self.problem)
        return [
            {"job_id": one, "state": "PENDING", "comment": self.comments.get(one, "")}
            for one in self.live
        ]

    def ended(self, jobs: dict[str, list[str]]) -> dict[str, float]:
        self.asked.append("ended")
        known = [one for one, words in jobs.items() if self.accounts.get(one) in words]
        return {one: self.ended_at.get(one, 0.0) for one in known}


class Base:
    """A ``job_base_dir`` with packages and jobs, all of them old."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700)
        self.queue = Queue()
        self.backend = InProcessBackend(Agent(self.queue))

    @classmethod
    def at(cls, path: Path) -> Base:
        """One that is there."""
        made = cls.__new__(cls)
        made.path = path
        return made

    def package(self, name: str, **files: bytes) -> Path:
        folder = self.path / name
        folder.mkdir(parents=True, mode=0o700)
        for file, content in files.items():
            (folder / file.replace("_dot_", ".")).write_bytes(content)
        return self.old(folder)

    def environment(self, key: str) -> Path:
        folder = self.package(f".packages/env/{key}", pip=BLOCK)
        (folder / ".ready").write_text(json.dumps({"origin": "/home/me/mine/uv.lock"}))
        (folder.parent / f"{key}.lock").touch()
        self.old(folder / ".ready")
        return folder

    def copy(self, name: str, content: str = "a" * 64) -> Path:
        """A copy of one file, which is another name for what is in the contents."""
        contents = self.path / ".packages/contents"
        contents.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (contents / content).exists():
            (contents / content).write_bytes(BLOCK)
        folder = self.package(f".packages/source/{name}")
        os.link(contents / content, folder / "tasks.py")
        self.old(contents / content)
        return self.old(folder)

    def old(self, path: Path, days: float = 40) -> Path:
        at = path.lstat().st_ctime - days * DAY
        os.utime(path, (at, at), follow_symlinks=False)
        return path

    def job(self, name: str, script: str = "", *, age: float = 1, **metadata: Any) -> Path:
        folder = self.path / name
        folder.mkdir(parents=True, mode=0o700)
        (folder / "job.sh").write_text(script)
        file = "array_metadata.json" if "count" in metadata else "metadata.json"
        (folder / file).write_text(json.dumps({"status": "submitted", "token": name, **metadata}))
        self.old(folder / file, age)
        if metadata.get("job_id"):
            receipts = self.path / ".receipts"
            receipts.mkdir(exist_ok=True, mode=0o700)
            (receipts / f"job-{metadata['job_id']}.json").write_text(
                json.dumps({"job_dir": str(folder)})
            )
        return folder

    def listed(self) -> dict[str, StoredPackage]:
        return {one.name: one for one in self.backend.list_packages(str(self.path)).packages}

    def gc(self, older_than: float = 30 * DAY, *, dry_run: bool = False) -> RemovedPackages:
        return self.backend.remove_packages(str(self.path), older_than=older_than, dry_run=dry_run)

    def removed(self, **options: Any) -> list[str]:
        return sorted(os.path.basename(one.name) for one in self.gc(**options).removed)

    # Jobs as the SDK leaves them, with receipts

    def left(self, place: str, job_id: str = "7", *, days: float = 40, **noted: Any) -> Path:
        """The directory of a job that has ended, so many days ago; its token is ``t<id>``."""
        folder = self.path / place
        folder.mkdir(parents=True, mode=0o700)
        for above in (folder.parent, folder.parent.parent):
            above.chmod(0o700)
        about = {
            "job_id": job_id,
            "token": f"t{job_id}",
            "pre_submission_id": folder.name,
            "status": "completed",
            "is_workflow": False,
            "dependencies": [],
            **noted,
        }
        name = "array_metadata.json" if "count" in noted else "metadata.json"
        (folder / name).write_text(json.dumps(about))
        (folder / "job.sh").write_text(f"export SLURM_SDK_EVENT_DIR={self.path}/.events/me\n")
        (folder / "result.pkl").write_bytes(BLOCK)
        self.receipt(f"t{job_id}", {"job_dir": str(folder), "job_id": job_id, "asked_at": 0.0})
        if job_id:
            self.receipt(f"job-{job_id}", {"job_dir": str(folder), "token": f"t{job_id}"})
        self.all_old(folder, days)
        return folder

    def receipt(self, name: str, content: dict[str, Any], days: float = 40) -> Path:
        """The receipt of this name."""
        folder = self.path / ".receipts"
        folder.mkdir(exist_ok=True, mode=0o700)
        (folder / f"{name}.json").write_text(json.dumps(content))
        return self.old(folder / f"{name}.json", days)

    def all_old(self, folder: Path, days: float = 40) -> Path:
        """Have nothing been done there for so many days, nor to what is in it, or above it."""
        for path in [folder, *folder.rglob("*")]:
            self.old(path, days)
        for above in folder.relative_to(self.path).parents:
            self.old(self.path / above, days)
        return folder

    def clean_up(self, older_than: float = 30 * DAY, *, dry_run: bool = False) -> CleanedUp:
        """Clean up, or say what that would do."""
        return self.backend.clean_up(str(self.path), older_than=older_than, dry_run=dry_run)

    def receipts(self) -> set[str]:
        """The names of those that are there."""
        return {path.stem for path in (self.path / ".receipts").glob("*.json")}
