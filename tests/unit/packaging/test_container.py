"""Packaging as a container: what is started how, quoted, and built by whom.

No container is started here: the programs on the PATH are fakes that say so, and run the command they
are given on this machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fake_docker import DOCKER
from tests.helpers.fakes import DEADLINE, FakeBackend, Programs, request_of
from tests.helpers.processes import RunJob, environment_of_a_job, result_of

from slurm import Cluster, task
from slurm.config.slurmfile import cluster_settings
from slurm.errors import ConfigError
from slurm.packaging import strategy_of
from slurm.packaging.images.image_names import enroot_reference

SRUN = """\
# A fake srun: it starts no container, and runs the command that is given here.
while [ "${1#--}" != "$1" ]; do shift; done
exec "$@"
"""
ENROOT = """\
# A fake enroot: it imports an empty file, and starts no container: the command is run here.
if [ "$1" = import ]; then
  while [ "$1" != --output ]; do shift; done
  touch "$2"; exit
fi
while [ "$1" != -- ]; do shift; done
shift 2
exec "$@"
"""
HOSTILE = "/it's;$(touch pwned)&|<>*#~(`touch pwned`)"


@pytest.fixture
def container(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """The fakes, and no real docker or podman on the PATH."""
    for name, script in {"srun": SRUN, "enroot": ENROOT, "docker": DOCKER}.items():
        programs.add(name, script)
    monkeypatch.setenv("PATH", f"{programs.folder}:/usr/bin:/bin")
    return programs


def packaging(**settings: Any) -> dict[str, Any]:
    known = {"image": "python:3.12", "runtime": "pyxis", "python": sys.executable}
    return {"type": "container", **known, **settings}


def in_container(some: Any, **settings: Any) -> Any:
    return task(packaging=packaging(**settings))(some.unwrapped)


def options(call: list[str], name: str) -> list[str]:
    return [word.partition("=")[2] for word in call if word.startswith(f"--{name}=")]


# --- pyxis ---------------------------------------------------------------------------------------


def test_pyxis_runs_python_in_the_image(
    container: Programs, run_job: RunJob, tasks: Any, fake_cluster: Cluster
) -> None:
    some = in_container(
        tasks.echo,
        image="nvcr.io/nvidia/pytorch:24.05-py3",
        mounts=["/data", "/scratch:/mnt:ro"],
        workdir="/work",
        env=["MY_TOKEN", "LANG"],
    )
    run = run_job(some, 1, two=2)
    assert result_of(run) == ((1,), {"two": 2})
    [call] = container.calls("srun")
    base = fake_cluster.job_base_dir
    assert call[:4] == ["--nodes=1", "--ntasks=1", "--relative=0", "--overlap"]
    assert options(call, "export") == ["ALL"]
    assert options(call, "container-image") == ["nvcr.io#nvidia/pytorch:24.05-py3"]
    assert options(call, "container-mounts") == [f"{base}:{base},/data:/data,/scratch:/mnt:ro"]
    assert options(call, "container-workdir") == ["/work"]
    assert options(call, "container-env") == ["MY_TOKEN,LANG"]
    python = call.index(sys.executable)
    sdk, directory = call[python + 2 :]
    assert (call[python + 1], directory) == ("-u", str(run.directory))
    assert sdk.startswith(f"{base}/.sdk/")
    assert run.request.files["job.sh"].decode().splitlines()[-1].startswith("exec srun ")


def test_only_what_is_asked_for_is_asked_of_srun(
    container: Programs, run_job: RunJob, tasks: Any
) -> None:
    run = run_job(in_container(tasks.fails), "on purpose")
    assert run.code == 1
    [call] = container.calls("srun")
    assert not [word for word in call if "workdir" in word or "container-env" in word]


# --- enroot --------------------------------------------------------------------------------------


def test_enroot_runs_python_in_an_image_file_with_the_jobs_variables(
    container: Programs, run_job: RunJob, tasks: Any, tmp_path: Path, fake_cluster: Cluster
) -> None:
    some = in_container(
        tasks.reads,
        image="/images/my own.sqsh",
        runtime="enroot",
        mounts=["/data:/d:ro"],
        workdir=str(tmp_path),
        env=["GIVEN", "NOT_SET"],
    )
    run = run_job(some, "PWD", env={"GIVEN": "a b", "CUDA_VISIBLE_DEVICES": "0"})
    assert result_of(run) == str(tmp_path)
    [call] = container.calls("enroot")
    start, separator = call[0], call.index("--")
    assert (start, call[1]) == ("start", "--rw")
    assert call[separator + 1] == "/images/my own.sqsh"
    taken = [call[i + 1] for i, word in enumerate(call[:separator]) if word == "--env"]
    wanted = {"JOB_DIR", "SLURM_JOB_ID", "SLURM_SDK_TOKEN", "CUDA_VISIBLE_DEVICES", "GIVEN"}
    assert wanted <= set(taken)
    assert not {"PATH", "HOME", "NOT_SET"} & set(taken)
    mounted = [call[i + 1] for i, word in enumerate(call[:separator]) if word == "--mount"]
    base = fake_cluster.job_base_dir
    assert mounted == [f"{base}:{base}:x-create=auto,rbind", "/data:/d:x-create=auto,rbind,ro"]


def test_an_image_of_a_registry_is_imported_once_for_all_jobs(
    container: Programs, run_job: RunJob, tasks: Any, fake_cluster: Cluster
) -> None:
    some = in_container(tasks.echo, image="quay.io/me/tools", runtime="enroot")
    folder = Path(fake_cluster.job_base_dir) / ".packages"
    folder.mkdir()
    script = request_of(fake_cluster, some).files["job.sh"].decode()
    [place] = [line for line in script.splitlines() if "image.sqsh ] || (" in line]
    Path(place.split()[2]).parent.mkdir()  # as the agent does
    for number in range(2):
        assert result_of(run_job(some, number)) == ((number,), {})
    imported, *started = container.calls("enroot")
    assert imported[:2] == ["import", "--output"]
    assert imported[3:] == ["--", "docker://quay.io#me/tools"]
    assert [call[0] for call in started] == ["start", "start"]
    assert {call[call.index("--") + 1] for call in started} == {place.split()[2]}


def test_an_import_that_fails_ends_the_job_with_a_word(
    container: Programs, run_job: RunJob, tasks: Any, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    container.add("enroot", "echo no network >&2; exit 1")
    some = in_container(tasks.echo, runtime="enroot")
    script = request_of(fake_cluster, some).files["job.sh"].decode()
    [image] = [line.split()[2] for line in script.splitlines() if "image.sqsh ] || (" in line]
    Path(image).parent.mkdir(parents=True)
    run = run_job(some)
    assert run.code == 1
    assert run.stderr == "no network\nslurm-tasks: enroot could not import python:3.12\n"
    assert len(container.calls("enroot")) == 1


# --- signals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["pyxis", "enroot"])
def test_the_warning_signal_to_the_script_reaches_python(
    runtime: str,
    container: Programs,
    run_job: RunJob,
    tasks: Any,
    tmp_path: Path,
    fake_cluster: Cluster,
) -> None:
    """No shell stays in between; from srun on it is srun that forwards signals."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    some = in_container(tasks.waits_for_a_signal, runtime=runtime, image="/images/a.sqsh")
    request = request_of(fake_cluster, some, str(pipe))
    directory = Path(request.job_dir)
    directory.mkdir(parents=True)
    for name, content in request.files.items():
        (directory / name).write_bytes(content)
    process = subprocess.Popen(["bash", str(directory / "job.sh")], env=environment_of_a_job({}))
    try:
        assert pipe.read_text() == "ready"
        process.send_signal(signal.SIGUSR1)
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()


# --- quoting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["pyxis", "enroot"])
def test_odd_names_reach_the_program_as_they_are(
    runtime: str, container: Programs, run_job: RunJob, tasks: Any, tmp_path: Path
) -> None:
    python = tmp_path / "odd 'python' $(touch pwned)"
    python.symlink_to(sys.executable)
    odd = "/it's;&|<>*#~(){}[]!"
    run = run_job(
        in_container(
            tasks.reads,
            runtime=runtime,
            image=f"{HOSTILE} x.sqsh",
            mounts=[f"{odd}:/mnt"],
            python=str(python),
        ),
        "JOB_DIR",
    )
    assert result_of(run) == str(run.directory)
    assert not list(run.directory.glob("**/pwned"))
    [call] = container.calls("srun" if runtime == "pyxis" else "enroot")
    assert any(f"{HOSTILE} x.sqsh" in word for word in call)
    assert any(f"{odd}:/mnt" in word for word in call)


def test_an_odd_reference_is_imported_under_its_own_name(
    container: Programs, run_job: RunJob, tasks: Any, fake_cluster: Cluster
) -> None:
    some = in_container(tasks.echo, runtime="enroot", image="a'; touch pwned; echo $(id)")
    script = request_of(fake_cluster, some).files["job.sh"].decode()
    [image] = [line.split()[2] for line in script.splitlines() if "image.sqsh ] || (" in line]
    Path(image).parent.mkdir(parents=True)
    run = run_job(some)
    assert result_of(run) == ((), {})
    assert container.calls("enroot")[0][-1] == "docker://a'; touch pwned; echo $(id)"
    assert not list(run.directory.glob("**/pwned"))


@pytest.mark.parametrize(
    "mount",
    [
        *("", "data", "a b", "/a:b", "/a:/b:rx", "/a:/b:ro:x", "/a,/b", "/a b", "/a\nb"),
        *("/a$(touch pwned)", "/a`x`", '/a"b', "/a\\b", "/a:/b,c"),
    ],
)
def test_a_mount_that_cannot_be_made_is_one_line(mount: str) -> None:
    """Pyxis writes them into a bash script, in double quotes."""
    with pytest.raises(ConfigError, match="mount") as caught:
        strategy_of(packaging(mounts=[mount]))
    assert "\n" not in str(caught.value)


def test_a_base_directory_that_cannot_be_mounted_is_refused(tmp_path: Path) -> None:
    cluster = Cluster("slurm", job_base_dir=tmp_path / "a b", packaging=packaging())
    with pytest.raises(ConfigError, match=r"job_base_dir: .*a b' cannot be mounted"):
        cluster.dry_run(task(lambda: None))
    cluster.close()


def test_home_directories_are_those_of_the_cluster(fake_cluster: Cluster, tasks: Any) -> None:
    some = in_container(tasks.echo, image="~/image.sqsh", mounts=["~/data", "~/a:/b", "/c:~/c"])
    script = request_of(fake_cluster, some).files["job.sh"].decode()
    assert "--container-image=/home/me/image.sqsh" in script
    assert "/home/me/data:/home/me/data,/home/me/a:/b,/c:/home/me/c" in script


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("python", "python"),
        ("me/tools:1", "me/tools:1"),
        ("docker.io/me/tools", "me/tools"),
        ("nvcr.io/nvidia/pytorch:24.05", "nvcr.io#nvidia/pytorch:24.05"),
        ("localhost:5000/x", "localhost:5000#x"),
        ("$oauthtoken@nvcr.io#nvidia/x", "$oauthtoken@nvcr.io#nvidia/x"),
        ("docker://ghcr.io/a/b", "ghcr.io#a/b"),
    ],
)
def test_a_registry_stands_before_a_hash(image: str, expected: str) -> None:
    assert enroot_reference(image) == expected


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"image": None}, ["image None is not text"]),
        ({"image": ""}, ["image"]),
        ({"image": "a\nb"}, ["control character"]),
        ({"image": "tools.sqsh"}, ["'tools.sqsh'", "begins with / or ~/"]),
        ({"image": "./x"}, ["'./x'"]),
        ({"runtime": "pixys"}, ["'pixys'", "did you mean 'pyxis'?"]),
        ({"mounts": "/data"}, ["mounts '/data' is no list"]),
        ({"mounts": [3]}, ["mounts 3"]),
        ({"env": ["A B"]}, ["'A B'"]),
        ({"env": ["$(touch pwned)"]}, ["env"]),
        ({"workdir": "here"}, ["workdir 'here'", "absolute"]),
        ({"mount": []}, ["'mount'", "did you mean 'mounts'?"]),
        ({"dockerfile": "D", "image": "me/tools:1"}, ["'me/tools:1'", "leave out the tag"]),
        ({"context": ".", "image": "/a.sqsh"}, ["repository"]),
    ],
)
def test_settings_that_make_no_sense_are_one_line(settings: Any, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        strategy_of(packaging(**settings))
    assert all(part in str(caught.value) for part in parts), caught.value
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="needs the key 'image'"):
        strategy_of("container")


def test_python_in_the_image_may_be_another_than_the_hosts(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    backend.python = (3, 6, 8)
    request_of(fake_cluster, task(packaging=packaging())(lambda: 1))


# --- the Slurmfile -------------------------------------------------------------------------------


def test_paths_in_a_slurmfile_are_relative_to_it(tmp_path: Path) -> None:
    path = tmp_path / "Slurmfile.toml"
    path.write_text(
        '[default.packaging]\ntype = "container"\nimage = "me/tools"\ncontext = "docker"\n'
    )
    assert cluster_settings(path).arguments["packaging"]["context"] == str(tmp_path / "docker")
