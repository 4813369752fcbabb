"""Bytes that are no text, as Python has them from file names and arguments: refused before anything is submitted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, task
from slurm.errors import ConfigError
from slurm.packaging.base import PackagingStrategy
from slurm.rendering import Environment

BAD = "a\udcffb"


class Packaged(PackagingStrategy):
    """A strategy of a user's own, with whatever environment."""

    def __init__(self, *interpreter: str, **more: Any) -> None:
        self.environment = Environment(list(interpreter) or [sys.executable], **more)

    def prepare(self, task: Any, cluster: Any) -> Environment:
        return self.environment

    def inherited(self) -> dict[str, Any]:
        return {"type": "none"}


@task
def plain(number: int) -> int:
    return number


def packaged(*interpreter: str, **more: Any) -> Callable[[Cluster], Any]:
    strategy = Packaged(*interpreter, **more)
    return lambda cluster: task(packaging=strategy)(plain.unwrapped).submit(cluster)(1)


def named(cluster: Cluster) -> Any:
    def function() -> None:
        pass

    function.__name__ = BAD
    return task(function).submit(cluster)()


WAYS: dict[str, Callable[[Cluster], Any]] = {
    "option": lambda cluster: plain.submit(cluster, comment=BAD),
    "name of an option": lambda cluster: plain.submit(cluster, **{BAD: "1"}),
    "key": lambda cluster: plain.submit(cluster, key=BAD)(1),
    "name": named,
    "interpreter": packaged(BAD),
    "setup": packaged(setup=[f"export A={BAD}"]),
    "cleanup": packaged(cleanup=[f"rm {BAD}"]),
    "job_base_dir": lambda cluster: Cluster("local", job_base_dir=f"/{BAD}"),
    "python": lambda cluster: Cluster("local", python=BAD),
    "state_dir": lambda cluster: Cluster("local", state_dir=f"/{BAD}"),
    "hostname": lambda cluster: Cluster("ssh", hostname=BAD),
    "packaging": lambda cluster: Cluster("local", packaging={"type": "none", "python": BAD}),
    "env": lambda cluster: Cluster(
        "local", packaging={"type": "container", "image": "i", "env": [BAD]}
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_no_text_is_refused_in_one_line(
    way: str, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with pytest.raises(ConfigError) as caught:
        WAYS[way](fake_cluster)
    message = str(caught.value)
    assert "\n" not in message
    assert "udcff" in message.encode().decode(), "it can be printed, and shows the bytes"
    assert not backend.requests
