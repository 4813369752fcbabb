"""A loss of power, as the disk remembers it: a scheduler is started on images of a file system in use."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers.local_site import ENDED, Gate, Site, kill_daemon

SIZE = "48M"
IMAGES = 8


def _run(*command: object) -> None:
    words = list(map(str, command))
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        pytest.fail(
            f"{' '.join(map(str, command))}: {done.stderr.strip()}: this test mounts images of ext4, for which it "
            "needs Linux, root (CAP_SYS_ADMIN), a free loop device and mkfs.ext4",
            pytrace=False,
        )


@contextlib.contextmanager
def mounted(image: Path, where: Path, kind: str = "ext4") -> Iterator[None]:
    where.mkdir(exist_ok=True)
    what = ["-o", "loop", image] if kind == "ext4" else ["-t", "tmpfs", "-o", "size=8m", "tmpfs"]
    _run("mount", *what, where)
    try:
        yield
    finally:  # lazily: a process that has just ended may hold it for a moment
        _run("umount", "-l", where)


@pytest.mark.story
def test_a_scheduler_starts_on_every_image_of_a_crash_and_tells_the_truth(tmp_path: Path) -> None:
    """What the disk holds at a moment is all that is left when the power fails then."""
    assert sys.platform == "linux", "it needs ext4"
    image, disk, images = tmp_path / "disk.img", tmp_path / "disk", tmp_path / "images"
    images.mkdir()
    _run("truncate", "-s", SIZE, image)
    _run("mkfs.ext4", "-q", "-F", image)
    told: list[dict[str, str]] = []
    with mounted(image, disk):
        site = Site(disk, max_cpus=4)
        try:
            waits = [site.submit("sleep 600", requeue="") for _ in range(2)]
            once = site.submit("sleep 600")
            ids = [*waits, once]
            for number in range(IMAGES):
                ids += [site.submit(f"echo >> ran.$SLURM_JOB_ID; exit {n}") for n in range(3)]
                site.end_of(ids[-3])
                rows = {row["job_id"]: row for row in site.scheduler.query(ids)}
                told.append({one: _said(row) for one, row in rows.items()})
                shutil.copyfile(image, images / str(number))  # nobody is told to sync anything
        finally:
            site.close()
    for number, before in enumerate(told):
        with mounted(images / str(number), tmp_path / "again"):
            _check(Site(tmp_path / "again", max_cpus=4), before, waits, once)


def _said(row: dict[str, object]) -> str:
    return f"{row['state']} {row['exit_code']}" if row["state"] in ENDED else ""


def _check(site: Site, before: dict[str, str], requeued: list[str], once: str) -> None:
    try:
        for job_id, said in before.items():
            if said:
                assert _said(site.row(job_id)) == said, "what was told once stays true"
        assert site.end_of(once)["state"] == "NODE_FAIL"
        for job_id in requeued:
            site.running(job_id)
            assert site.row(job_id)["restarts"] == 1
        for job_id in set(before) - {once, *requeued}:
            assert site.end_of(job_id)["state"] in ("COMPLETED", "FAILED", "NODE_FAIL")
            ran = site.base / f"ran.{job_id}"
            assert not ran.exists() or len(ran.read_text()) <= 1, "at most once"
        assert int(site.submit("true")) not in map(int, before), "no id is given twice"
    finally:
        site.close()


@pytest.mark.story
@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
def test_a_full_disk_loses_no_end_of_a_job_and_runs_none_again(tmp_path: Path, kind: str) -> None:
    disk, image = tmp_path / "disk", tmp_path / "disk.img"
    if kind == "ext4":
        _run("truncate", "-s", SIZE, image)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", image)
    with mounted(image, disk, kind):
        site = Site(disk, max_cpus=100)
        gates = [Gate(tmp_path / f"gate{n}") for n in range(12)]
        try:
            ids = [
                site.submit(f"{one.wait}; exit {n % 2}", requeue="") for n, one in enumerate(gates)
            ]
            for job_id in ids:
                site.running(job_id)
            waiting = site.submit("true", after=f"afterany:{ids[0]}")
            _fill(disk / "filler")
            for gate in gates[:6]:
                gate.open()
            expected = [("COMPLETED", "0:0", 0), ("FAILED", "1:0", 0)] * 6
            assert [_end(site, one) for one in ids[:6]] == expected[:6]
            kill_daemon(site)
            for gate in gates[6:]:
                gate.open()
            assert [_end(site, one) for one in ids] == expected
            assert site.end_of(waiting)["state"] in ("COMPLETED", "FAILED")
            (disk / "filler").unlink()
            assert site.end_of(site.submit("true"))["state"] == "COMPLETED"
        finally:
            (disk / "filler").unlink(missing_ok=True)
            site.close()
            for gate in gates:
                os.close(gate.handle)


def _end(site: Site, job_id: str) -> tuple[str, str, int]:
    row = site.end_of(job_id)
    return row["state"], row["exit_code"], row["restarts"]


def _fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
