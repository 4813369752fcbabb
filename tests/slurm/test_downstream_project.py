"""Somebody else's project and its tests: `tests/downstream`, with the SDK installed from its wheel, outside of this checkout."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.helpers.installed_wheel import InstalledWheel, copy_of_the_sample

from slurm.testing.image import DIGEST_LABEL, ClusterImage
from slurm.testing.sharing import family_of

pytestmark = pytest.mark.slurm

LABEL = "label=com.docker.compose.project"
REQUIREMENTS = ["numpy>=1.26", "tabulate>=0.9"]
KINDS = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
PLAIN = ("-p", "no:cacheprovider", "-p", "no:xdist")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> InstalledWheel:
    """The SDK and what the sample depends on, in an environment that no other test has."""
    made = InstalledWheel(tmp_path_factory.mktemp("installed"))
    made.make(REQUIREMENTS)
    return made


@pytest.fixture
def release(pytestconfig: pytest.Config) -> str:
    """The option that has the sample's tests run on the release of these ones."""
    return f"--slurm-release={pytestconfig.getoption('--slurm-release')}"


@pytest.fixture
def project(tmp_path: Path, installed: InstalledWheel, release: str) -> Iterator[Path]:
    """A copy of the sample. What its tests have kept goes down, however they end."""
    folder = copy_of_the_sample(tmp_path / "curves")
    yield folder
    installed.pytest(folder, release, *PLAIN, "--slurm-down")


def listed(kind: Sequence[str], *filters: str) -> set[str]:
    """The ids of what the engine has of a kind."""
    argv = ["docker", *kind, "--quiet", *(word for one in filters for word in ("--filter", one))]
    return set(subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split())


def containers(name: str) -> set[str]:
    return listed(KINDS[0], f"{LABEL}={name}")


def what_there_is(project: Path, release: str) -> dict[str, set[str]]:
    """What runs of the project's tests can have left, by its kind."""
    image = ClusterImage(release.partition("=")[2], rest=True).name
    found = {kind[0]: listed(kind, f"name={family_of(project)}") for kind in KINDS}
    found["image without a name"] = listed(
        ("image", "ls"), "dangling=true", f"label={DIGEST_LABEL}={image.rpartition('-')[2]}"
    )
    files = (path for path in project.rglob("*") if "__pycache__" not in path.parts)
    return {**found, "files": {str(path) for path in files}}


def test_its_tests_pass(installed: InstalledWheel, project: Path, release: str) -> None:
    where = "import slurm; print(slurm.__file__)"
    used = installed.run([str(installed.python), "-c", where], project).strip()
    assert used.startswith(str(installed.folder))
    before = what_there_is(project, release)
    assert " passed" in installed.pytest(project, release, *PLAIN)
    assert what_there_is(project, release) == before


@pytest.mark.matrix
def test_three_runs_leave_no_image_volume_network_or_file_behind(
    installed: InstalledWheel, project: Path, release: str
) -> None:
    """But for the one image that is named by its content: each run has a cluster of another name, and all have that one."""
    before = what_there_is(project, release)
    for options in (["-x"], ["-k", "every_python or accounts"], ["-k", "slurm_ssh or fails"]):
        assert " passed" in installed.pytest(project, release, *PLAIN, *options)
        assert what_there_is(project, release) == before
    assert {key for key, value in before.items() if value} == {"files"}
    named = listed(
        ("image", "ls"), f"reference={ClusterImage(release.partition('=')[2], rest=True).name}"
    )
    assert len(named) == 1


@pytest.mark.matrix
def test_its_cluster_is_kept_used_again_made_anew_and_taken_down(
    installed: InstalledWheel, project: Path, release: str
) -> None:
    def run_tests(*options: str) -> str:
        return installed.pytest(project, release, *PLAIN, *options)

    first = run_tests("--slurm-keep")
    assert "was started. It stays: pytest --slurm-down ends it." in first
    folder, disturbed = sorted(
        (project / ".slurm-cluster").iterdir(), key=lambda one: len(one.name)
    )
    running = containers(folder.name)
    assert len(running) == 6
    # The next run finds it, is of the same shape, and leaves it.
    again = run_tests("-k", "every_python")
    assert (
        "ran already, in the same shape: it is used again. It stays: pytest --slurm-down ends it."
        in again
    )
    assert containers(folder.name) == running
    changed = run_tests("-k", "every_python", "--slurm-node", "c[1-2] gpus=0")
    assert "was made anew, for its shape has changed (nodes)." in changed
    assert containers(folder.name).isdisjoint(running)
    said = run_tests("--slurm-down")
    for one in (folder, disturbed):
        assert f"The cluster {one.name} is gone." in said
        assert containers(one.name) == set()
    assert not (project / ".slurm-cluster").exists()
    assert "No cluster was kept for the tests in" in run_tests("--slurm-down")
