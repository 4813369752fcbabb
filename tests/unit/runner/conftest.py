"""Shared by the tests of the runner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.arrays_on_disk import ArrayOnDisk
from tests.helpers.fakes import FakeBackend
from tests.helpers.prepared import PreparedPython

from slurm import Cluster
from slurm.job_dir.paths import SDK

MapOnDisk = Callable[..., ArrayOnDisk]


@pytest.fixture
def map_on_disk(
    fake_cluster: Cluster,
    backend: FakeBackend,
    sdk_directory: Path,
    prepared_python: PreparedPython,
) -> MapOnDisk:
    """Submit an array, of which tasks are then run one by one: ``map_on_disk(task, items, pack=2)``."""
    base = Path(fake_cluster.job_base_dir)
    base.mkdir(parents=True)
    (base / SDK).symlink_to(sdk_directory)

    def submit(task: Any, *args: Any, **options: Any) -> ArrayOnDisk:
        fake_cluster.map(task, *args, **options).submit()
        request = next(one for one in reversed(backend.requests) if not one.continues)
        return ArrayOnDisk(request, prepared_python)

    return submit
