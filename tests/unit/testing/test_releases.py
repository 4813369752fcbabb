"""The releases that the cluster can be: the module, the files of each, and the script that makes base images."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.helpers.fakes import Programs

from slurm.testing import ClusterError, DockerCluster
from slurm.testing.commands import cluster_files
from slurm.testing.releases import DEFAULT, RELEASES, Release

DOCKER = cluster_files() / "docker"
PAGE = Path("docs/reference/slurm-releases.md")


def test_each_release_has_its_files() -> None:
    assert {path.name for path in (DOCKER / "releases").iterdir()} == set(RELEASES)
    for name in RELEASES:
        files = {path.name for path in (DOCKER / "releases" / name).iterdir()}
        assert files - {"rest.yml"} == {"cgroup.conf", "release.conf"}


@pytest.mark.parametrize("name", RELEASES)
def test_a_cluster_can_be_any_of_them(name: str) -> None:
    compose = DockerCluster(release=name).compose
    assert compose.image.name.startswith(f"slurm-tasks-cluster:{name}-")
    assert DockerCluster().compose.release == DEFAULT


def test_a_release_that_there_is_not_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"'woody' must be one of bullseye \(Slurm 20\.11\), "):
        DockerCluster(release="woody")


def row(release: Release) -> str:
    python = ".".join(map(str, release.python))
    parsers = ", ".join(f"`{name}`" for name in release.data_parsers)
    return f"| `{release.name}` | {release.debian} | {release.slurm} | {python} | {parsers} |"


@pytest.mark.parametrize("name", RELEASES)
def test_the_page_has_each_of_them(name: str, pytestconfig: pytest.Config) -> None:
    assert row(RELEASES[name]) in (pytestconfig.rootpath / PAGE).read_text()


# ----------------------------------------------------------------------------------------------- base images


@pytest.fixture
def no_registry(programs: Programs) -> Programs:
    """A fake engine with no image, whose registry does not answer; and apt's mirror, which has what a test says."""
    programs.add(
        "docker",
        """case "$1 $2" in
          "image inspect") [ -e $HERE/imported ] ;;
          pull*) echo "no such host" >&2; exit 1 ;;
          "compose version") echo 2.26.1 ;;
          import*) for last; do :; done; echo "$last" > $HERE/imported ;;
        esac""",
    )
    programs.add("apt-get", 'case "$1" in indextargets) echo http://mirror.invalid/debian/ ;; esac')
    programs.add("mmdebstrap", "")
    programs.add("sudo", 'while [ "$1" = -n ]; do shift; done; exec "$@"')
    return programs


def ensure_docker(release: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(DOCKER / "ensure-docker.sh")],
        env={**os.environ, "DEBIAN_RELEASE": release, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_archive_that_has_dropped_a_release_is_said_in_a_line(
    no_registry: Programs, tmp_path: Path
) -> None:
    no_registry.add("apt-helper", "echo '404 Not Found' >&2; exit 100")
    done = ensure_docker("bullseye", tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert (
        "mirror does not answer for bullseye, or has it no more: let apt use one that has" in last
    )
    assert "take another of: bookworm bullseye forky trixie" in last
    assert no_registry.calls("mmdebstrap") == []


@pytest.mark.parametrize(
    ("until", "checked"),
    [("Fri, 06 Nov 2020 08:08:01 UTC", False), ("1 Jan 2999", True), ("", True)],
)
def test_a_base_image_is_made_of_what_the_mirror_has(
    until: str, checked: bool, no_registry: Programs, tmp_path: Path
) -> None:
    """Of a mirror that stands still, too; only there apt is not to look at the date."""
    says = f"Valid-Until: {until}\\n" if until else ""
    no_registry.add(
        "apt-helper", f'for last; do :; done; printf "Codename: forky\\n{says}" > "$last"'
    )
    done = ensure_docker("forky", tmp_path)
    assert done.returncode == 0, done.stderr
    [call] = no_registry.calls("mmdebstrap")
    assert call[-3] == "forky"
    assert call[-1] == "http://mirror.invalid/debian/"
    assert ('--aptopt=Acquire::Check-Valid-Until "false"' in call) is not checked
    assert (no_registry.folder / "imported").read_text() == "debian:forky-slim\n"
    assert not list(tmp_path.glob("tmp.*")), "where it was made"


@pytest.mark.parametrize("name", ["woody", "trixie bookworm", "*", "../etc"])
def test_the_script_knows_the_same_releases(name: str, programs: Programs, tmp_path: Path) -> None:
    programs.add("docker", "")
    done = ensure_docker(name, tmp_path)
    assert done.returncode == 1
    assert re.search(rf"={re.escape(name)} is no release of the cluster; there are: ", done.stderr)
