"""The options of the local backend, checked where they come in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from slurm.api.local import LocalBackend
from slurm.errors import ConfigError
from slurm.local.arrays import LARGEST_SIZE, MAX_ARRAY_SIZE
from slurm.local.scheduler import LocalScheduler
from slurm.local.service import Service, Settings
from slurm.local.state import StateDirectory


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("max_mem", "lots", "such as 512M, 4G or 4GB"),
        ("max_mem", 0, "no room for a job"),
        ("max_mem", "1.5G", "such as 512M"),
        ("max_mem", True, "such as 512M"),
        ("max_cpus", 0, "at least 1"),
        ("max_array_size", 0, "at least 1"),
        ("max_array_size", LARGEST_SIZE + 1, str(LARGEST_SIZE)),
        ("max_array_size", "10", "at least 1"),
    ],
)
def test_an_odd_bound_is_refused_in_one_line(
    tmp_path: Path, option: str, value: object, advice: str
) -> None:
    options: dict[str, Any] = {option: value}
    with pytest.raises(ConfigError, match=f"^{option} .*{advice}") as caught:
        LocalBackend(state_dir=str(tmp_path), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("option", ["max_cpus", "max_mem", "max_array_size"])
def test_the_scheduler_refuses_a_bound_below_one(tmp_path: Path, option: str) -> None:
    with pytest.raises(ValueError, match=f"^{option}=0"):
        LocalScheduler(str(tmp_path), **{option: 0})


@pytest.mark.local
def test_bounds_reach_the_daemon(tmp_path: Path) -> None:
    backend = LocalBackend(state_dir=str(tmp_path / "state"), max_cpus=3, max_mem="2G")
    try:
        info = backend.info()
        assert (info["max_cpus"], info["max_mem"]) == (3, 2048)
    finally:
        backend.shutdown()


def test_an_array_may_be_as_large_as_slurm_allows_unless_the_backend_says_otherwise(
    tmp_path: Path,
) -> None:
    state_dir = str(tmp_path / "state")
    assert LocalBackend(state_dir=state_dir).scheduler.limits() == {
        "max_array_size": MAX_ARRAY_SIZE
    }
    limited = LocalBackend(state_dir=state_dir, max_array_size=10)
    assert limited.scheduler.limits() == {"max_array_size": 10}


def test_without_bounds_jobs_get_what_the_machine_has(tmp_path: Path) -> None:
    state = StateDirectory(str(tmp_path / "state"))
    state.prepare()
    room = Service(state, Settings(), print).room
    assert 1 <= room.cpus <= (os.cpu_count() or 1)
    assert room.mem > 64
