"""A site of its own for every test of a fault; the cluster behind it is the plugin's, healed after each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from faults.site import Site, connect
from slurm.testing import DockerCluster


@pytest.fixture
def site(disturbed_cluster: DockerCluster) -> Iterator[Site]:
    """A client of the cluster to disturb, active."""
    client = connect(disturbed_cluster)
    folder = client.backend.make_directory(f"/shared/work/{secrets.token_hex(6)}")
    site = Site(disturbed_cluster, client, folder)
    try:
        with client:
            yield replace(site, before=site.jobs_by_token())
    finally:
        client.close()
