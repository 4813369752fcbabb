"""A folder of its own for each test of what a submission may meet."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from at_most_once.bench import Bench
from slurm.testing import DockerCluster


@pytest.fixture
def bench(slurm_cluster: DockerCluster) -> Iterator[Bench]:
    made = Bench(slurm_cluster, f"/shared/work/{secrets.token_hex(6)}")
    yield made
    made.close()


@pytest.fixture
def key() -> str:
    """A key that no other test has."""
    return secrets.token_hex(8)
