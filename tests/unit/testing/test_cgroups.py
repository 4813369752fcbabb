"""What a node makes of the cgroups that its engine gives it, with fakes of the commands that need a kernel's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slurm.testing.commands import cluster_files
from slurm.testing.features import features_of
from slurm.testing.releases import RELEASES
from slurm.testing.shape import Shape

HYBRID = "9:name=systemd:/\n4:memory:/\n0::/\n"
TOGETHER = "3:cpu,memory,pids:/\n"
UNIFIED = "0::/\n"
MACHINES_OWN, OWN = "cgroup:[4026531835]", "cgroup:[4026532200]"
# What the kernel would do by itself: a file system is there after it was mounted, and a cgroup goes with its files.
FAKES = {"mount": "exit 0", "mountpoint": "exit 1", "rmdir": 'exec rm -r "$1"'}


class FakeNode:
    """A node's files, and what `cluster-cgroups` finds in them; a fake."""

    def __init__(self, folder: Path) -> None:
        self.place, self.proc = folder / "cgroups", folder / "proc"
        self.conf, self.programs = folder / "cgroup.conf", folder / "bin"
        for made in (self.place, self.proc / "self/ns", self.programs):
            made.mkdir(parents=True)
        self.conf.write_text("CgroupPlugin=disabled\n")
        (self.place / "cgroup.procs").write_text("")
        self.be(UNIFIED)
        for name, does in FAKES.items():
            self.fake(name, does)

    def be(self, cgroups: str, namespace: str = OWN, controllers: str = "cpu memory pids") -> None:
        """Be on a machine with these."""
        (self.proc / "self/cgroup").write_text(cgroups)
        (self.proc / "self/ns/cgroup").unlink(missing_ok=True)
        (self.proc / "self/ns/cgroup").symlink_to(namespace)
        (self.place / "cgroup.controllers").write_text(f"{controllers}\n")

    def fake(self, name: str, does: str) -> None:
        """Let a command do this."""
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)

    def find_out(self) -> subprocess.CompletedProcess[str]:
        """What the script says."""
        script = cluster_files() / "docker/cgroups.sh"
        return subprocess.run(
            ["bash", str(script), str(self.place), str(self.proc), str(self.conf)],
            env={"PATH": f"{self.programs}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


@pytest.mark.parametrize("cgroups", [HYBRID, TOGETHER])
def test_memory_of_version_1_is_limited_by_that_plugin(node: FakeNode, cgroups: str) -> None:
    node.be(cgroups)
    said = node.find_out()
    assert said.stdout.splitlines() == [
        "CgroupPlugin=cgroup/v1",
        f"CgroupMountpoint={node.place}",
        "ConstrainRAMSpace=yes",
        "ConstrainSwapSpace=no",
    ]
    assert node.find_out().stdout == said.stdout  # as after a restart


def test_memory_of_version_2_is_limited_by_that_plugin_without_systemd(node: FakeNode) -> None:
    (node.place / "trial").mkdir()
    (node.place / "trial/memory.swap.max").touch()
    said = node.find_out()
    assert said.stdout.splitlines() == [
        "CgroupPlugin=cgroup/v2",
        "IgnoreSystemd=yes",
        f"CgroupMountpoint={node.place}",
        "ConstrainRAMSpace=yes",
        "ConstrainSwapSpace=yes",
    ]
    assert (node.place / "cgroup.subtree_control").read_text() == "+memory\n"
    assert (node.place / "init").is_dir()


def test_where_it_cannot_be_one_line_says_why(node: FakeNode) -> None:
    def why() -> str:
        said = node.find_out()
        assert (said.returncode, said.stdout) == (1, "")
        return said.stderr

    node.be(UNIFIED, controllers="cpu pids")
    assert why() == "the engine hands on no controller of memory\n"
    node.be(HYBRID, namespace=MACHINES_OWN)
    assert why() == "the engine gives containers no cgroup namespace\n"
    node.be(HYBRID)
    node.fake("mount", "echo denied >&2; exit 32")
    assert why() == "a file system of the type cgroup may not be mounted\n"
    node.be(UNIFIED)
    assert why() == "a file system of the type cgroup2 may not be mounted\n"
    node.fake("mount", "exit 0")
    (node.place / "memory/trial/memory.limit_in_bytes").mkdir(parents=True)
    node.be(HYBRID)
    assert why() == "no memory limit can be set\n"


def test_the_oldest_slurm_is_told_of_no_version_and_knows_the_first_alone(node: FakeNode) -> None:
    node.conf.write_text("# nothing\n")
    assert node.find_out().stderr == "this release of Slurm knows cgroups of version 1 alone\n"
    node.be(HYBRID)
    assert node.find_out().stdout.splitlines()[0] == f"CgroupMountpoint={node.place}"


def test_slurm_22_which_does_not_start_with_the_second_is_not_told_of_it(node: FakeNode) -> None:
    node.conf.write_text((cluster_files() / "docker/releases/bookworm/cgroup.conf").read_text())
    assert (
        node.find_out().stderr
        == "slurmd of this release does not start with cgroups of version 2\n"
    )
    node.be(HYBRID)
    assert node.find_out().stdout.splitlines()[0] == "CgroupPlugin=cgroup/v1"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("TaskPlugin = task/none\nCgroupPlugin = disabled", (False, None)),
        ("TaskPlugin = task/none\nCgroupPlugin = cgroup/v1", (False, None)),
        ("TaskPlugin = task/affinity,task/cgroup\nCgroupPlugin = cgroup/v2", (True, "v2")),
        ("TaskPlugin              = task/cgroup\n", (True, "v1")),  # Slurm 20.11
    ],
)
def test_what_limits_memory_is_read_from_slurms_configuration(
    config: str, expected: tuple[bool, str | None]
) -> None:
    found = features_of(Shape(containers=True), RELEASES["trixie"], config)
    assert (found.memory_limits, found.cgroups) == expected
    assert (found.containers, found.mpi, found.gpus) == (True, None, False)
