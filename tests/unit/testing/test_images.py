"""What the image of the dockerised cluster is called, and when it is built. Docker is a fake that keeps names."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import threading
from pathlib import Path

import pytest
from tests.helpers.fakes import Programs

from slurm.testing import ClusterError, DockerCluster, commands, image
from slurm.testing.image import ClusterImage

# It has the images that it has built, as files, and takes a while to build one.
ENGINE = r"""
for last; do :; done
case "$1 $2" in
  "image inspect") [ -e "$HERE/$last" ] && echo sha256:1 || { echo "No such image: $last" >&2; exit 1; } ;;
  "buildx build")
    read -r line < "$HERE/gate"
    for tag; do case $tag in slurm-tasks-cluster:*) : > "$HERE/$tag" ;; esac; done ;;
esac
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the image is made from, to change."""
    root = tmp_path / "cluster"
    shutil.copytree(commands.cluster_files() / "docker", root / "docker")
    monkeypatch.setattr(image, "cluster_files", lambda: root)
    return root / "docker"


def test_a_name_stands_for_what_is_in_the_image(files: Path) -> None:
    first = ClusterImage("trixie").name
    assert first == ClusterImage("trixie").name
    (files / "ensure-docker.sh").write_text("another")
    (files / "containers.yml").write_text("another")
    (files / "entrypoint.sh").touch()
    assert ClusterImage("trixie").name == first, "none of this is in it"
    (files / "entrypoint.sh").write_text("another")
    second = ClusterImage("trixie").name
    assert second != first
    (files / "fault.sh").rename(files / "default.sh")
    assert ClusterImage("trixie").name not in (first, second)


def test_every_choice_is_an_image_of_its_own() -> None:
    plain = ClusterImage("trixie")
    names = [
        plain.name,
        ClusterImage("bookworm").name,
        dataclasses.replace(plain, containers=True).name,
        dataclasses.replace(plain, rest=True).name,
        dataclasses.replace(plain, rest=True, containers=True).name,
        *(ClusterImage("trixie", packages=p).name for p in (("lmod",), ("lmod", "tini"))),
    ]
    assert len(set(names)) == len(names)
    both = [ClusterImage("trixie", packages=p).name for p in (("lmod", "tini"), ("tini", "lmod"))]
    assert both == [names[-1]] * 2


def test_clusters_of_any_name_share_one_image() -> None:
    one, other = (DockerCluster(name).compose for name in ("one", "other"))
    assert one.image == other.image
    assert f"CLUSTER_IMAGE={one.image.name}" in one.command


@pytest.fixture
def engine(tmp_path: Path, programs: Programs) -> Path:
    """A fake engine; what is written to ``gate`` in the folder has one build go on."""
    programs.add("docker", ENGINE)
    return programs.folder


def test_an_image_that_is_there_is_not_built_again(
    files: Path, engine: Path, programs: Programs
) -> None:
    (engine / "gate").write_text("go\n")
    for _ in range(2):
        ClusterImage("trixie", packages=("lmod",)).build()
    [build] = [call for call in programs.calls("docker") if call[0] == "buildx"]
    assert "DEBIAN_RELEASE=trixie" in build
    assert "PACKAGES=lmod" in build
    assert build[-1] == str(files)
    assert not [word for word in build if word.startswith("com.docker.compose")]


def test_podman_is_asked_as_before_buildkit(files: Path, engine: Path, programs: Programs) -> None:
    """It answers to the docker command as well, and has nothing of what buildx calls."""
    podman = 'if [ "$1" = version ]; then printf "Podman Engine\\nConmon\\n"; exit; fi\n'
    programs.add("docker", podman + ENGINE.replace('"buildx build"', '"build --label="*'))
    (engine / "gate").write_text("go\n")
    made = ClusterImage("trixie")
    made.build()
    assert made.exists()
    assert not [call for call in programs.calls("docker") if call[0] == "buildx"]


def test_two_that_want_the_same_image_build_it_once(
    files: Path, engine: Path, programs: Programs
) -> None:
    os.mkfifo(engine / "gate")
    both = [threading.Thread(target=ClusterImage("trixie").build) for _ in range(2)]
    for one in both:
        one.start()
    with open(engine / "gate", "w") as gate:  # opens when one of them reads it
        gate.write("go\n")
    for one in both:
        one.join(60)
        assert not one.is_alive()
    assert len([call for call in programs.calls("docker") if call[0] == "buildx"]) == 1


def test_older_images_of_the_kind_go_when_a_new_one_is_there(
    files: Path, engine: Path, programs: Programs
) -> None:
    (engine / "gate").write_text("go\n")
    made = ClusterImage("bookworm")
    made.build()
    [prune] = [call for call in programs.calls("docker") if call[:2] == ["image", "prune"]]
    assert f"label={image.LABEL}=bookworm" in prune
    assert f"until={image.OLD}" in prune
    assert f"label!={image.DIGEST_LABEL}={made.name.rpartition('-')[2]}" in prune, (
        "its layers may be old"
    )


@pytest.mark.parametrize(
    ("release", "told"),
    [
        (
            "trixie",
            "no packages of trixie could be had. see that containers reach Debian's archive",
        ),
        ("bullseye", r"no packages of bullseye .* keeps bullseye \(11\) in its archive of old"),
    ],
)
def test_an_archive_that_does_not_answer_is_said_first(
    release: str, told: str, files: Path, engine: Path, programs: Programs
) -> None:
    says = f"E: The repository 'http://mirror {release} Release' does not have a Release file."
    programs.add(
        "docker", f'[ "$1" = buildx ] || exit 1; echo "{says}"; echo "ERROR: failed"; exit 1'
    )
    with pytest.raises(ClusterError, match=f"^{told}") as raised:
        ClusterImage(release).build()
    assert says in str(raised.value)


def test_without_docker_that_is_what_is_said(
    files: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "env").symlink_to(shutil.which("env") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="there is no docker command here"):
        ClusterImage("trixie").build()


def test_nothing_that_it_is_made_from_names_an_architecture() -> None:
    words = re.compile(r"amd64|arm64|x86|aarch64|--platform")
    folder = commands.cluster_files()
    files = [folder / "docker-compose.yml", *(folder / "docker").rglob("*")]
    assert not [path for path in files if path.is_file() and words.search(path.read_text("utf-8"))]
