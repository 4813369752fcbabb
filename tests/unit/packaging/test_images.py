"""Images that are built here: once per content, and pushed or copied to where jobs find them.

Nothing is built: docker is a fake, which says what it was asked.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fake_docker import DOCKER, ENROOT
from tests.helpers.fakes import DEADLINE, FakeBackend, Programs, request_of
from tests.helpers.far import Far

import slurm
from slurm import Cluster, task
from slurm.agent.agent import Agent
from slurm.api.base import BackendBase
from slurm.api.slurm_cli import InProcessBackend
from slurm.errors import ConfigError, PackagingError, RemoteFileError
from slurm.packaging import strategy_of
from slurm.packaging.images.image_context import Ignored, context_state

SDK = Path(slurm.__file__).parents[1]
REPOSITORY = "registry.example.org:5000/me/tools"
BUILD = """\
import sys
from pathlib import Path
from slurm.packaging.images.image_building import build
context = Path(sys.argv[1])
print(build("train", context / "Dockerfile", context).reference)
"""


@pytest.fixture
def docker(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """A fake docker, and no real docker or podman on the PATH."""
    programs.add("docker", DOCKER)
    monkeypatch.setenv("PATH", f"{programs.folder}:/usr/bin:/bin")
    return programs


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "it's a context"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM python:3.12\n")
    return folder


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose files are real."""
    cluster = Cluster(InProcessBackend(Agent(scheduler=object())), job_base_dir=tmp_path / "jobs")
    yield cluster
    cluster.close()


def nothing() -> None:
    """A task's function."""


def packaged(image: str, runtime: str | None = "pyxis", **settings: Any) -> Any:
    given = {"type": "container", "image": image, "runtime": runtime, **settings}
    return task(packaging=given)(nothing)


def script_of(cluster: Cluster, some: Any) -> str:
    return request_of(cluster, some).files["job.sh"].decode()


def image_in(cluster: Cluster, **settings: Any) -> str:
    """The image that Pyxis is to start."""
    script = script_of(cluster, packaged(REPOSITORY, **settings))
    [word] = [word for word in script.split() if "container-image" in word]
    return word.partition("=")[2].strip("'")


def asked(docker: Programs) -> list[str]:
    """What docker was asked to do."""
    return [call[0] for call in docker.calls("docker")]


# --- built and pushed ----------------------------------------------------------------------------


@pytest.mark.local
def test_an_image_is_built_and_pushed_once_until_it_changes(
    docker: Programs, context: Path, fake_cluster: Cluster
) -> None:
    first = image_in(fake_cluster, context=str(context))
    assert image_in(fake_cluster, context=str(context)) == first
    assert first.startswith("registry.example.org:5000#me/tools:sdk-")
    _, build, by_state, tag, push, _inspect = docker.calls("docker")
    pushed = first.replace("#", "/")
    assert build[0] == "build"
    assert build[-3:] == ["--file", str(context / "Dockerfile"), str(context)]
    assert by_state[2].startswith(f"{REPOSITORY}:sdk-src-")
    assert (tag[0], tag[2]) == ("tag", pushed)
    assert push == ["push", pushed]
    (context / "Dockerfile").write_text("FROM python:3.13\n")
    assert image_in(fake_cluster, dockerfile=str(context / "Dockerfile")) != first
    assert asked(docker).count("build") == asked(docker).count("push") == 2


@pytest.mark.local
def test_a_change_of_any_file_that_the_build_sees_builds_anew(
    docker: Programs, context: Path, fake_cluster: Cluster
) -> None:
    (context / ".dockerignore").write_text("runs\n")
    (context / "runs").mkdir()
    (context / "data.bin").write_text("a table")
    image_in(fake_cluster, context=str(context))
    (context / "runs" / "log").write_text("of a job")
    image_in(fake_cluster, context=str(context))
    assert asked(docker).count("build") == 1
    (context / "data.bin").write_text("another table")
    image_in(fake_cluster, context=str(context))
    assert asked(docker).count("build") == 2


@pytest.mark.local
def test_podman_builds_where_there_is_no_docker(
    docker: Programs, context: Path, fake_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docker.folder / "docker").rename(docker.folder / "podman")
    monkeypatch.setenv("PATH", str(docker.folder))
    request_of(fake_cluster, packaged("me/tools", context=str(context)))
    assert asked(docker) == ["image", "build", "tag", "tag", "push", "image"]
    (docker.folder / "podman").unlink()
    (context / "Dockerfile").write_text("changed\n")
    with pytest.raises(PackagingError, match="neither docker nor podman is on the PATH"):
        request_of(fake_cluster, packaged("me/tools", context=str(context)))


@pytest.mark.local
def test_a_push_that_fails_is_not_remembered_as_done(
    docker: Programs, context: Path, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    docker.add("docker", f'[ "$1" = push ] && {{ echo "error: denied"; exit 1; }}\n{DOCKER}')
    some = packaged("me/tools", context=str(context))
    for _ in range(2):
        with fake_cluster, pytest.raises(PackagingError) as caught:
            some()
        program = docker.folder / "docker"
        assert str(caught.value).startswith(
            f"the image me/tools could not be pushed: {program} exited with 1: error: denied"
        )
    assert backend.requests == []


def test_a_context_without_dockerfile_is_one_line(
    docker: Programs, tmp_path: Path, fake_cluster: Cluster
) -> None:
    with pytest.raises(ConfigError, match=r"there is no .*/Dockerfile to build me/tools from"):
        request_of(fake_cluster, packaged("me/tools", context=str(tmp_path)))


def processes(context: Path, count: int) -> list[subprocess.Popen[str]]:
    """Programs that build the same image, begun together."""
    return [
        subprocess.Popen(
            [sys.executable, "-c", BUILD, str(context)],
            env={**os.environ, "PYTHONPATH": str(SDK)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]


@pytest.mark.local
def test_processes_that_start_together_build_once_and_the_next_builds_nothing(
    docker: Programs, context: Path
) -> None:
    together = [process.communicate(timeout=DEADLINE)[0] for process in processes(context, 3)]
    [later] = processes(context, 1)
    together.append(later.communicate(timeout=DEADLINE)[0])
    assert together == [together[0]] * 4
    assert together[0].startswith("train:sdk-")
    assert asked(docker).count("build") == 1


@pytest.mark.local
def test_a_process_that_is_killed_while_it_builds_keeps_nobody_waiting(
    docker: Programs, context: Path
) -> None:
    gate = docker.folder / "gate"
    os.mkfifo(gate)
    [killed] = processes(context, 1)
    opened = os.open(gate, os.O_WRONLY)  # as soon as docker waits there
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=DEADLINE)
    gate.unlink()
    [other] = processes(context, 1)
    assert other.communicate(timeout=DEADLINE)[0].startswith("train:sdk-")
    os.close(opened)
    assert asked(docker).count("build") == 2


# --- what the build sees -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "path", "ignored"),
    [
        (["runs"], "runs/1/log", True),
        (["runs/"], "runs/1", True),
        (["/runs"], "runs", True),
        (["runs"], "deep/runs", False),
        (["*.csv"], "a.csv", True),
        (["*.csv"], "deep/a.csv", False),
        (["**/*.csv"], "a.csv", True),
        (["**/*.csv"], "deep/deeper/a.csv", True),
        (["*/a"], "deep/a", True),
        (["./a/../b"], "b", True),
        (["# a"], "a", False),
        (["", "  a  "], "a", True),
        (["*", "!src"], "src/a.py", False),
        (["*", "!src", "src/big"], "src/big/1", True),
        (["a?", "!a1"], "a1", False),
        (["*", "!**.py"], "a.txt", False),  # not understood: it counts
    ],
)
def test_ignored_files_are_those_that_docker_ignores(
    lines: list[str], path: str, ignored: bool
) -> None:
    assert Ignored.read(lines).has(path) is ignored


def test_what_an_image_is_built_from_is_told_by_all_that_docker_sees(
    context: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dockerfile = context / "Dockerfile"
    (context / "run.sh").write_text("")
    states = [context_state(context, dockerfile)]
    (context / "run.sh").chmod(0o755)
    states.append(context_state(context, dockerfile))
    (context / "latest").symlink_to("run.sh")
    states.append(context_state(context, dockerfile))
    monkeypatch.setenv("DOCKER_DEFAULT_PLATFORM", "linux/arm64")
    states.append(context_state(context, dockerfile))
    (context / "Dockerfile.dockerignore").write_text("run.sh\n")
    states.append(context_state(context, dockerfile))
    assert len(set(states)) == 5
    (context / "run.sh").unlink()
    assert context_state(context, dockerfile) == states[-1]
    with pytest.raises(ConfigError, match=r"an image cannot be built: .*: No such file"):
        context_state(tmp_path / "nowhere", dockerfile)


# --- copied --------------------------------------------------------------------------------------


def copied_in(script: str) -> Path:
    """The image that a job starts, or unpacks."""
    words = script.replace("'", " ").replace("docker-archive:", "").replace("=", " ").split()
    [path] = {word for word in words if "/.packages/images/" in word}
    return Path(path)


@pytest.mark.local
def test_an_image_without_a_registry_is_copied_once(
    docker: Programs, context: Path, there: Cluster
) -> None:
    some = packaged("train", "podman", dockerfile=str(context / "Dockerfile"))
    image = copied_in(script_of(there, some))
    [name] = [call[2] for call in docker.calls("docker") if call[2].startswith("train:sdk-")][-1:]
    assert image.read_text() == f"saved {name}\n"
    identity = (docker.folder / "names" / name).read_text()
    assert image.parts[-2:] == (f"train-{identity[:16]}-image-tar", "image.tar")
    assert image.parent.stat().st_mode & 0o777 == 0o700
    request = request_of(there, some)
    assert json.loads(request.files["metadata.json"])["image"] == {
        "name": str(image),
        "runtime": "podman",
        "digest": f"sha256:{identity}",
    }
    assert asked(docker).count("save") == 1
    assert "push" not in asked(docker)


@pytest.mark.local
def test_a_root_file_system_is_copied_for_what_takes_no_archive_of_dockers(
    docker: Programs, context: Path, there: Cluster
) -> None:
    images = set()
    for runtime in ("charliecloud", "slurm-oci"):
        settings = {"transfer": "copy", "env": ["GREETING"], "context": str(context)}
        script = script_of(there, packaged("me/train", runtime, **settings))
        image = copied_in(script)
        images.add(image)
        assert ("--set-env=PATH=/opt/bin:/bin" in script) is (runtime == "charliecloud")
        assert "--set-env=GREETING=hello" not in script
        assert "HOME=/root" not in script
    [image] = images
    assert image.name == "root.tar"
    assert image.is_file()
    config = next((image.parents[2]).glob("*/config.json")).read_bytes()
    process = json.loads(config)["process"]
    assert process["cwd"] == "/work"
    assert process["env"] == ["PATH=/opt/bin:/bin", "HOME=/root"]
    assert asked(docker).count("export") == asked(docker).count("rm") == 1


@pytest.mark.local
def test_an_image_that_is_here_is_copied_without_a_build(docker: Programs, there: Cluster) -> None:
    names = docker.folder / "names"
    names.mkdir()
    (names / "train:latest").write_text("7" * 64)
    some = packaged("train:latest", "apptainer", transfer="copy")
    image = copied_in(script_of(there, some))
    assert image.read_text() == "saved train:latest\n"
    assert "build" not in asked(docker)
    with pytest.raises(PackagingError) as caught:
        request_of(there, packaged("other", "apptainer", transfer="copy"))
    assert "other is not here to be copied, build it first" in str(caught.value)
    assert "No such image: other" in str(caught.value)


@pytest.mark.local
def test_enroot_makes_here_what_enroot_and_pyxis_take(
    docker: Programs, context: Path, there: Cluster
) -> None:
    some = packaged("train", context=str(context))
    with pytest.raises(PackagingError, match="there is no enroot on the PATH here: install it"):
        request_of(there, some)
    assert docker.calls("docker") == []
    docker.add("enroot", ENROOT)
    image = copied_in(script_of(there, some))
    assert image.name == "image.sqsh"
    assert image.read_text().startswith("imported dockerd://train:sdk-")


@pytest.mark.local
def test_the_log_says_how_far_a_large_image_is_on_its_way(
    docker: Programs, context: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    far = Far(object())  # all that is over 10 bytes goes in pieces
    waits: list[Any] = []

    def between(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        waits.append(op == "copy" and params.get("timeout"))
        return blob

    far.between = between
    with Cluster(far, job_base_dir=tmp_path / "jobs") as cluster, caplog.at_level("INFO"):
        request_of(cluster, packaged("train", "podman", context=str(context)))
    said = [one.getMessage() for one in caplog.records if one.name.startswith("slurm.packaging")]
    assert [line.partition(" ")[0] for line in said] == ["building", "saving", "sending", "sending"]
    assert said[-1].endswith(", compressed")
    assert any(waits)


def test_the_runtime_is_one_for_which_it_can_be_copied(
    docker: Programs, context: Path, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    some = packaged("train", None, context=str(context))
    backend.program_answer = (0, b"user 1000 1000\nhas pyxis\nhas enroot\n")
    with pytest.raises(PackagingError) as caught:
        request_of(fake_cluster, some)
    assert "cannot be copied to a cluster with pyxis, enroot" in str(caught.value)


@pytest.mark.local
def test_a_backend_that_copies_nothing_says_so(
    docker: Programs, context: Path, fake_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeBackend, "copy_files", BackendBase.copy_files)
    with pytest.raises(RemoteFileError, match="FakeBackend has no copy_files"):
        request_of(fake_cluster, packaged("train", "podman", context=str(context)))


def test_a_dry_run_shows_where_it_would_be_and_does_nothing(
    docker: Programs, context: Path, there: Cluster
) -> None:
    request = there.dry_run(packaged("train", "podman", context=str(context)))
    shown = f"docker-archive:{there.job_base_dir}/.packages/images/<train>/image.tar"
    assert shown in request.files["job.sh"].decode()
    assert docker.calls("docker") == []


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"transfer": "pull"}, "transfer 'pull' is no way"),
        ({"transfer": "puhs"}, "did you mean 'push'?"),
        ({"transfer": "push"}, "name its dockerfile, or leave out the transfer"),
        ({"transfer": "copy", "image": "/a.sif"}, "is on the cluster already"),
        ({"transfer": "push", "context": "."}, "registry.example.org/me/train"),
        ({"transfer": "push", "context": ".", "image": "localhost/train"}, "names no registry"),
    ],
)
def test_ways_that_cannot_be_are_one_line(settings: Any, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        strategy_of({"type": "container", "image": "train", **settings})
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
