"""Runtimes of containers: the command line of each, as its documentation has it, and which one is chosen.

Pyxis, Enroot, Apptainer and Singularity are in no Debian release that the cluster has: what is here is all that is tried of
them. Charliecloud, Podman and Slurm's own containers run on the cluster, see ``slurm/test_containers.py``.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, Programs, request_of

from slurm import Cluster, task
from slurm.errors import ConfigError, PackagingError, SerializationError
from slurm.packaging import strategy_of
from slurm.packaging.images.mounts import mount_of
from slurm.packaging.images.runtimes import TAKES, chosen, start
from slurm.packaging.images.runtimes.podman import FIRST
from slurm.packaging.images.runtimes.probe import FIND, LOOK, parse
from slurm.packaging.images.runtimes.start import Container

MOUNTS = [mount_of("/jobs"), mount_of("/data:/mnt")]
READ_ONLY = mount_of("/ref:/ref:ro")
SRUN = "srun --nodes=1 --ntasks=1 --relative=0 --overlap --cpu-bind=none --export=ALL "
FIRST_PROCESS = shlex.join(["sh", "-c", FIRST, "sh", "python3"])
FOLDER = "/jobs/.packages/0a1b"


def nothing() -> None:
    """A task's function."""


def container(image: str, kind: str, *, read_only: bool = True, **more: Any) -> Container:
    mounts = [*MOUNTS, READ_ONLY] if read_only else MOUNTS
    more = {"workdir": "/work", "env": ["TOKEN"], **more}
    return Container(image, kind, mounts, folder=FOLDER, base="/jobs/.packages", **more)


def command_of(runtime: str, about: Container) -> str:
    """The command, without the wrapper that looks at the job's variables."""
    words = list(start(runtime, about).command)
    return shlex.join(words[4:] if words[0] == "bash" else words)


@pytest.mark.parametrize(
    ("runtime", "image", "kind", "expected"),
    [
        (
            *("pyxis", "nvcr.io/nvidia/pytorch:24.05-py3", "registry"),
            SRUN + "'--container-image=nvcr.io#nvidia/pytorch:24.05-py3' "
            "--container-mounts=/jobs:/jobs,/data:/mnt,/ref:/ref:ro --container-workdir=/work "
            "--container-env=TOKEN python3",
        ),
        (
            *("enroot", "/images/train.sqsh", "sqsh"),
            "--mount /jobs:/jobs:x-create=auto,rbind --mount /data:/mnt:x-create=auto,rbind "
            "--mount /ref:/ref:x-create=auto,rbind,ro -- /images/train.sqsh "
            """sh -c 'cd "$0" && exec "$@"' /work python3""",
        ),
        (
            *("apptainer", "/images/train.sif", "sif"),
            "--bind /jobs:/jobs --bind /data:/mnt --bind /ref:/ref:ro --pwd /work /images/train.sif python3",
        ),
        (
            *("singularity", "python:3.12", "registry"),
            "--bind /jobs:/jobs --bind /data:/mnt --bind /ref:/ref:ro --pwd /work "
            f"{FOLDER}/image.sif python3",
        ),
        (
            *("podman", "docker.io/library/python:3.12", "registry"),
            "--rm --cgroups=disabled --network=host --ipc=host --userns=keep-id "
            "--security-opt=label=disable --log-driver=none --entrypoint= --volume /jobs:/jobs "
            "--volume /data:/mnt --volume /ref:/ref:ro --workdir /work docker.io/library/python:3.12 "
            + FIRST_PROCESS,
        ),
        (
            *("podman", "/images/train", "directory"),
            "--rm --cgroups=disabled --network=host --ipc=host --userns=keep-id "
            "--security-opt=label=disable --log-driver=none --entrypoint= --volume /jobs:/jobs "
            "--volume /data:/mnt --volume /ref:/ref:ro --workdir /work --rootfs /images/train "
            + FIRST_PROCESS,
        ),
        (
            *("podman", "/images/train.tar", "tar"),
            "--rm --cgroups=disabled --network=host --ipc=host --userns=keep-id "
            "--security-opt=label=disable --log-driver=none --entrypoint= --volume /jobs:/jobs "
            "--volume /data:/mnt --volume /ref:/ref:ro --workdir /work docker-archive:/images/train.tar "
            + FIRST_PROCESS,
        ),
    ],
)
def test_a_runtime_is_called_as_its_documentation_says(
    runtime: str, image: str, kind: str, expected: str
) -> None:
    assert command_of(runtime, container(image, kind)) == expected


def test_charliecloud_is_called_as_its_documentation_says() -> None:
    for image, kind, there in (
        ("/images/train", "directory", "/images/train"),
        ("/images/train.sqsh", "sqsh", "/images/train.sqsh"),
        ("python:3.12", "registry", f"{FOLDER}/image"),
    ):
        words = start("charliecloud", container(image, kind, read_only=False)).command
        assert words[3:] == [
            *("ch-run", there, "--bind=/jobs:/jobs", "--bind=/data:/mnt", "--cd=/work", there),
            *("--", "python3"),
        ]
    named = Container("/images/train", "directory", [mount_of("/etc/passwd")])
    assert "--no-passwd" in start("charliecloud", named).command
    with pytest.raises(ConfigError, match=r"'/ref:/ref:ro': charliecloud mounts nothing read only"):
        start("charliecloud", container("/images/train", "directory"))


@pytest.mark.parametrize(
    ("runtime", "image", "kind", "made"),
    [
        (
            "enroot",
            "quay.io/me/x",
            "registry",
            "enroot import --output \"$part\" -- 'docker://quay.io#me/x'",
        ),
        ("apptainer", "quay.io/me/x", "registry", 'apptainer build "$part" docker://quay.io/me/x'),
        ("apptainer", "docker://me/x", "registry", 'apptainer build "$part" docker://me/x'),
        ("apptainer", "/a b.tar", "tar", "apptainer build \"$part\" 'docker-archive:/a b.tar'"),
        ("singularity", "me/x", "registry", 'singularity build "$part" docker://me/x'),
        ("charliecloud", "me/x:1", "registry", 'ch-convert -i ch-image -o dir me/x:1 "$part"'),
        ("charliecloud", "/i/it's.tar", "tar", "-C \"$part\" -f '/i/it'\"'\"'s.tar'"),
    ],
)
def test_what_has_to_be_made_of_an_image_is_made_once(
    runtime: str, image: str, kind: str, made: str
) -> None:
    started = start(runtime, container(image, kind, read_only=False))
    assert started.makes
    assert made in "\n".join(started.setup)


# --- an OCI bundle -------------------------------------------------------------------------------


def bundle_of(about: Container) -> tuple[str, dict[str, Any]]:
    """The bundle's directory and configuration."""
    started = start("slurm-oci", about)
    [(path, content)] = started.files.items()
    folder = path.rpartition("/")[0]
    assert started.command == [*SRUN.split(), f"--container={folder}", "python3"]
    return folder, json.loads(content)


def test_slurm_is_given_a_bundle_with_what_a_job_has_to_see() -> None:
    about = container("/images/train", "directory", user=(1000, 100))
    folder, config = bundle_of(about)
    assert folder.startswith("/jobs/.packages/")
    assert config["root"] == {"path": "/images/train/.", "readonly": False}
    assert config["process"]["cwd"] == "/work"
    assert config["process"]["user"] == {"uid": 1000, "gid": 100}
    mounts = {mount["destination"]: mount for mount in config["mounts"]}
    assert (mounts["/mnt"]["source"], mounts["/mnt"]["options"]) == ("/data", ["rbind"])
    assert mounts["/ref"]["options"] == ["rbind", "ro"]
    assert {"/proc", "/dev", "/jobs"} <= set(mounts)
    kinds = {namespace["type"] for namespace in config["linux"]["namespaces"]}
    assert kinds == {"user", "mount"}
    assert bundle_of(about)[0] == folder
    assert bundle_of(container("/images/train", "directory", user=(1001, 100)))[0] != folder


def test_a_bundle_of_ones_own_keeps_what_it_says() -> None:
    given = {
        "ociVersion": "1.0.0",
        "root": {"path": "rootfs"},
        "process": {"env": ["A=1", "TOKEN=image"], "cwd": "/home"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": "pid"}]},
    }
    _, config = bundle_of(container("/images/b", "directory", bundle=given, workdir=None))
    assert config["root"]["path"] == "/images/b/rootfs"
    assert config["process"]["env"] == ["A=1"]
    assert config["process"]["cwd"] == "/home"
    assert config["linux"] == given["linux"]
    assert [mount["destination"] for mount in config["mounts"]] == [
        "/proc",
        "/jobs",
        "/mnt",
        "/ref",
    ]


@pytest.mark.parametrize("runtime", list(TAKES))
def test_the_command_stays_on_the_scripts_last_line(runtime: str) -> None:
    """By which it is known when a job could not start it."""
    about = container("/images/train", "directory", read_only=False)
    assert "\n" not in shlex.join(start(runtime, about).command)


# --- GPUs and variables --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runtime", "program"),
    [("apptainer", "apptainer"), ("singularity", "singularity")],
)
@pytest.mark.parametrize(
    ("variables", "flags"),
    [({}, []), ({"CUDA_VISIBLE_DEVICES": "0"}, ["--nv"]), ({"SLURM_JOB_GPUS": "1"}, ["--nv"])],
)
def test_gpus_are_handed_on_where_the_job_has_some(
    runtime: str, program: str, variables: dict[str, str], flags: list[str], programs: Programs
) -> None:
    programs.add(program, 'env | grep "ENV_TOKEN" > "$HERE/variables"; exit 0')
    started = start(runtime, container("/a.sif", "sif", python="it's"))
    path = f"{programs.folder}:/usr/bin:/bin"
    env = {"PATH": path, "TOKEN": "a, b", **variables}
    subprocess.run(started.command, env=env, check=True)
    [call] = programs.calls(program)
    assert call[: 1 + len(flags)] == ["exec", *flags]
    assert call[-2:] == ["/a.sif", "it's"]
    said = (programs.folder / "variables").read_text()
    assert said == f"{program.upper()}ENV_TOKEN=a, b\n"


def test_podman_is_told_which_variables_to_hand_on(programs: Programs) -> None:
    programs.add("podman", "exit 0")
    started = start("podman", container("/a", "directory"))
    path = f"{programs.folder}:/usr/bin:/bin"
    env = {"PATH": path, "TOKEN": "x", "SLURM_JOB_ID": "7", "JOB_DIR": "/j", "OTHER": "y"}
    subprocess.run(started.command, env=env, check=True)
    [call] = programs.calls("podman")
    assert call[0] == "run"
    taken = {call[i + 1] for i, word in enumerate(call) if word == "--env"}
    assert taken == {"TOKEN", "SLURM_JOB_ID", "JOB_DIR"}


@pytest.mark.parametrize("says", ["  -W, --write-fake  overlay", "  -w, --write"])
def test_charliecloud_gets_mount_points_where_it_can_make_them(
    says: str, programs: Programs, tmp_path: Path
) -> None:
    programs.add("ch-run", f'[ "$1" = --help ] && echo "{says}" >&2; exit 0')
    (tmp_path / "ch").mkdir()
    (tmp_path / "ch/environment").write_text("")
    started = start("charliecloud", container(str(tmp_path), "directory", read_only=False))
    env = {"PATH": f"{programs.folder}:/usr/bin:/bin", "TOKEN": "a $b", "HOME": "/home/me"}
    subprocess.run(started.command, env=env, check=True)
    call = programs.calls("ch-run")[-1]
    assert ("--write-fake" in call) == ("--write-fake" in says)
    given = [word for word in call if word.startswith("--set-env")]
    assert given == ["--set-env", "--set-env=TOKEN=a $b", "--set-env=HOME=/home/me"]


def test_a_node_without_the_runtime_ends_the_job_with_a_word(tmp_path: Path) -> None:
    for runtime, program in (
        ("apptainer", "apptainer"),
        ("podman", "podman"),
        ("charliecloud", "ch-run"),
    ):
        [line] = start(runtime, container("/a", "directory", read_only=False)).setup
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(f"slurm-tasks: there is no {program} on this node")


# --- which runtime -------------------------------------------------------------------------------


def test_the_login_node_says_what_it_has(programs: Programs, tmp_path: Path) -> None:
    programs.add("srun", "echo '      --container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH'")
    programs.add("podman", "exit 1")
    programs.add("ch-run", "exit 1")
    (tmp_path / "oci.conf").write_text("")
    env = {"PATH": f"{programs.folder}:/usr/bin:/bin", "SLURM_CONF": str(tmp_path / "slurm.conf")}
    done = subprocess.run(["sh", "-c", FIND], env=env, capture_output=True, text=True, check=True)
    found = parse(done.stdout)
    assert {"pyxis", "podman", "charliecloud", "slurm-oci"} <= set(found.runtimes)
    with pytest.raises(PackagingError, match="could not be asked for its runtimes"):
        parse("no such command\n")


def test_the_first_runtime_that_takes_the_image_is_chosen() -> None:
    every = list(TAKES)
    assert [
        chosen(every, "x", kind) for kind in ("registry", "sif", "sqsh", "tar", "directory")
    ] == [
        *("pyxis", "apptainer", "pyxis", "apptainer", "apptainer"),
    ]
    assert chosen(["slurm-oci", "podman"], "x", "registry") == "podman"


@pytest.fixture
def asked(backend: FakeBackend) -> FakeBackend:
    backend.program_answer = (0, b"user 1000 1000\nhas podman\nhas slurm-oci\n")
    return backend


def script_of(cluster: Cluster, packaging: Any) -> str:
    return request_of(cluster, task(packaging=packaging)(nothing)).files["job.sh"].decode()


def test_a_cluster_is_asked_once(fake_cluster: Cluster, asked: FakeBackend) -> None:
    for _ in range(2):
        assert " docker.io/me/x " in script_of(fake_cluster, "container:docker.io/me/x")
    assert len(asked.programs) == 1
    script_of(fake_cluster, {"type": "container", "image": "me/x", "runtime": "pyxis"})
    assert len(asked.programs) == 1


def test_a_cluster_without_a_runtime_is_one_line_before_anything_is_submitted(
    fake_cluster: Cluster, asked: FakeBackend
) -> None:
    some = task(packaging="container:/images/train.sif")(nothing)
    for answer, said in (
        (b"user 1 1\n", "no runtime of containers at all"),
        (b"user 1 1\nhas podman\n", "only podman"),
    ):
        asked.program_answer = (0, answer)
        with fake_cluster, pytest.raises(PackagingError) as caught:
            some()
        assert str(caught.value) == (
            f"the login node has {said}, and image '/images/train.sif' is a .sif file, which needs one of "
            "apptainer, singularity: if the nodes have one, name it with the packaging's runtime"
        )
    assert asked.requests == []


def test_metadata_say_in_which_image_a_job_runs(fake_cluster: Cluster, asked: FakeBackend) -> None:
    def image(name: str, runtime: str = "podman") -> Any:
        packaging = {"type": "container", "image": name, "runtime": runtime}
        request = request_of(fake_cluster, task(packaging=packaging)(nothing))
        return json.loads(request.files["metadata.json"])["image"]

    digest = "sha256:" + "0a" * 32
    assert image(f"me/x@{digest}") == {
        "name": f"me/x@{digest}",
        "runtime": "podman",
        "digest": digest,
    }
    assert image("me/x:1") == {"name": "me/x:1", "runtime": "podman"}
    asked.program_answer = (0, b"regular file 3 17\n")  # and, when it is asked for that, no digest
    assert image("/x.sif", "apptainer")["digest"].startswith("sha256:")


def test_a_function_by_value_is_refused_where_the_image_is_known_to_have_another_python(
    fake_cluster: Cluster, asked: FakeBackend
) -> None:
    def packaged(**settings: str) -> Any:
        settings = {"image": "/images/train", "runtime": "podman", **settings}
        return task(packaging={"type": "container", **settings})(lambda: 1)

    request_of(fake_cluster, packaged())
    asked.program_answer = (0, b"directory 3 17\npython3.7\n")
    for settings in ({}, {"image": "me/x", "python": "/opt/bin/python3.7"}):
        with pytest.raises(SerializationError, match=r"the image has 3\.7, this is 3\."):
            request_of(fake_cluster, packaged(**settings))


def test_which_python_an_unpacked_image_has_is_read_from_its_links(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/python3").symlink_to("python3.12")
    for python in ("python3", "/usr/bin/python3"):
        command = ["sh", "-c", LOOK, "sh", str(tmp_path), python]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert said.splitlines()[1:] == ["python3.12"]
        assert said.startswith("directory ")


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (
            {"runtime": "pyxis", "image": "/x.sif"},
            ["is a .sif file", "pyxis takes an image in a registry or"],
        ),
        ({"runtime": "slurm-oci", "image": "me/x"}, ["slurm-oci takes a directory"]),
        ({"image": "x.sif"}, ["begins with / or ~/"]),
        ({"image": "--privileged"}, ["no name of an image"]),
    ],
)
def test_an_image_that_a_runtime_does_not_take_is_one_line(
    settings: dict[str, str], parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        strategy_of({"type": "container", **settings})
    assert all(part in str(caught.value) for part in parts), caught.value
    assert "\n" not in str(caught.value)
