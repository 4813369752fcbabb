"""What a workflow in a container hands to its jobs, and what is made for its tasks before it runs."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fake_docker import DOCKER
from tests.helpers.fakes import Programs, request_of

from slurm import Cluster, task, workflow
from slurm.agent.agent import Agent
from slurm.api.slurm_cli import InProcessBackend
from slurm.errors import ConfigError, PackagingError
from slurm.job_dir.payload import load_payload
from slurm.packaging import source, strategy_of
from slurm.packaging.images.prebuilding import tasks_named_in
from slurm.packaging.inherit import VARIABLE

TRAIN = """\
from pathlib import Path
from slurm import task, workflow

HERE = Path(__file__).parent
IMAGE = {"type": "container", "image": "me/train", "runtime": "pyxis", "context": str(HERE)}

@task(packaging=IMAGE)
def train(): ...

@task(packaging={**IMAGE, "image": "me/evaluate"})
def evaluate(): ...

@task(packaging={**IMAGE, "image": "me/never"})
def never_named(): ...

@task
def plain(): ...

STEPS = [evaluate]

@workflow
def inner():
    for step in STEPS:
        step()

@workflow
def flow():
    plain()
    return [number for number in range(2) if train()] + [inner()]
"""


@pytest.fixture
def docker(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """A fake docker, and no real docker or podman on the PATH."""
    programs.add("docker", DOCKER)
    monkeypatch.setenv("PATH", f"{programs.folder}:/usr/bin:/bin")
    return programs


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project with the module `training`, in a directory that its images are built in."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text("[project]\nname = 'training'\nversion = '1'\n")
    (folder / "training.py").write_text(TRAIN)
    (folder / "Dockerfile").write_text("FROM python:3.12\n")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    del sys.modules["training"]


@pytest.fixture
def training(project: Path) -> Any:
    return importlib.import_module("training")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose files are real."""
    cluster = Cluster(InProcessBackend(Agent(scheduler=object())), job_base_dir=tmp_path / "jobs")
    yield cluster
    cluster.close()


def nothing() -> None:
    """A task's function."""


def inherited_by(cluster: Cluster, flow: Any) -> Any:
    """The packaging of the jobs that a workflow submits."""
    payload = load_payload(request_of(cluster, flow).files["payload.pkl"])
    return payload.children["packaging"]


def image_of(cluster: Cluster, some: Any) -> str:
    """The image that Pyxis is to start a task in."""
    script = request_of(cluster, some).files["job.sh"].decode()
    [word] = [word for word in script.split() if word.startswith("--container-image=")]
    return word.partition("=")[2]


def test_a_workflow_hands_its_built_image_on_and_its_job_builds_none(
    docker: Programs, project: Path, fake_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"type": "container", "image": "me/tools", "context": str(project)}
    settings["runtime"] = "pyxis"

    def image(packaged: Any) -> str:
        return image_of(fake_cluster, task(packaging=packaged)(nothing))

    sys.modules["training"] = sys.modules[__name__]
    inherited = inherited_by(fake_cluster, workflow(packaging=settings)(nothing))
    assert inherited["built"].startswith("me/tools:sdk-")
    (docker.folder / "docker").unlink()
    monkeypatch.setenv(VARIABLE, json.dumps(inherited))
    (project / "Dockerfile").write_text("changed meanwhile\n")
    for same in ("inherit", inherited, settings, {**settings, "mounts": ["/more"]}):
        assert image(same) == inherited["built"]
    assert image({**settings, "image": "other", "context": None}) == "other"
    with pytest.raises(ConfigError, match=r"nothing is to run in an image built from") as caught:
        image({**settings, "image": "me/others"})
    assert "name the task in the workflow's function" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_images_of_a_workflows_tasks_are_built_when_it_is_submitted(
    docker: Programs,
    training: Any,
    project: Path,
    fake_cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inherited = inherited_by(fake_cluster, training.flow)
    assert inherited["type"] == "none"
    pushed = {call[1] for call in docker.calls("docker") if call[0] == "push"}
    assert {name.partition(":")[0] for name in pushed} == {"me/train", "me/evaluate"}
    (docker.folder / "docker").unlink()
    monkeypatch.setenv(VARIABLE, json.dumps(inherited))
    # On a node the module is in the job's directory, and its Dockerfile is not there.
    elsewhere = project / "job"
    elsewhere.mkdir()
    os.rename(project / "training.py", elsewhere / "training.py")
    del sys.modules["training"]
    monkeypatch.syspath_prepend(str(elsewhere))
    there = importlib.import_module("training")
    assert {image_of(fake_cluster, one) for one in (there.train, there.evaluate)} == pushed
    assert strategy_of(inherited).inherited()["type"] == "none"
    nested = inherited_by(fake_cluster, there.inner)
    assert nested["prebuilt"] == inherited["prebuilt"]
    with pytest.raises(ConfigError, match="name the task in the workflow's function"):
        request_of(fake_cluster, there.never_named)
    other = there.train.with_options(mem="2G")
    assert image_of(fake_cluster, other) in pushed


def test_a_workflow_whose_tasks_have_no_images_hands_on_no_more_than_before(
    fake_cluster: Cluster,
) -> None:
    assert "prebuilt" not in inherited_by(fake_cluster, workflow(nothing))


def test_an_image_that_cannot_be_built_stops_the_workflow(
    docker: Programs, training: Any, fake_cluster: Cluster
) -> None:
    docker.add("docker", f'[ "$1" = build ] && {{ echo "error: no"; exit 1; }}\n{DOCKER}')
    with pytest.raises(PackagingError, match="could not be built from"):
        request_of(fake_cluster, training.flow)


def test_a_dry_run_of_a_workflow_builds_nothing(
    docker: Programs, training: Any, fake_cluster: Cluster
) -> None:
    fake_cluster.dry_run(training.flow)
    assert docker.calls("docker") == []


def test_a_workflows_tasks_are_those_that_its_function_names(training: Any) -> None:
    named = {one.name for one in tasks_named_in(training.flow)}
    assert named == {"plain", "train", "inner", "evaluate"}

    @task
    def around() -> None: ...

    def later() -> None:
        around()
        training.train()
        _ = [training.inner() for _ in range(1)]

    found = [one.name for one in tasks_named_in(workflow(later))]
    assert sorted(found) == ["around", "evaluate", "inner", "train"]
    assert tasks_named_in(workflow(print)) == []


# --- the project's code in an image --------------------------------------------------------------


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else that this process imports from is taken for the user's: not the tests themselves."""
    monkeypatch.setattr(source, "own_roots", list)


def in_image(**settings: Any) -> Any:
    return {"type": "container", "image": "python:3.12", "runtime": "podman", **settings}


@pytest.mark.usefixtures("alone")
def test_a_projects_code_travels_beside_the_image(
    training: Any, project: Path, there: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "late.py").write_text("")
    (project / "notes.txt").write_text("")
    plain = task(packaging=in_image(source={"exclude": ["notes.txt"]}))(training.plain.unwrapped)
    request = request_of(there, plain)
    [code] = json.loads(request.files["metadata.json"])["code"]
    copy = Path(code["copy"])
    assert copy.is_relative_to(there.job_base_dir)
    assert sorted(one.name for one in copy.iterdir()) == [
        *("late.py", "pyproject.toml", "training.py"),
    ]
    payload = load_payload(request.files["payload.pkl"])
    assert str(copy) in payload.sys_path
    assert "training.py" not in request.files
    inherited = inherited_by(
        there, workflow(packaging=in_image(source=True))(training.plain.unwrapped)
    )
    monkeypatch.setenv(VARIABLE, json.dumps(inherited))
    (project / "late.py").write_text("changed = 1\n")
    for same in ("inherit", in_image(source=True), in_image(source=True, mounts=["/data"])):
        child = task(packaging=same)(training.plain.unwrapped)
        again = json.loads(request_of(there, child).files["metadata.json"])["code"]
        assert again == list(inherited["copies"].values())


@pytest.mark.usefixtures("alone")
def test_a_task_of_a_workflow_has_the_code_that_was_there_at_its_submission(
    training: Any, project: Path, there: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.train = task(packaging=in_image(source=True))(training.plain.unwrapped)
    monkeypatch.setattr(training, "STEPS", [])
    inherited = inherited_by(there, training.flow)
    monkeypatch.setenv(VARIABLE, json.dumps(inherited))
    (project / "training.py").write_text(f"{TRAIN}\n# changed\n")
    [code] = json.loads(request_of(there, training.train).files["metadata.json"])["code"]
    assert (Path(code["copy"]) / "training.py").read_text() == TRAIN


@pytest.mark.usefixtures("alone")
def test_a_dry_run_shows_where_the_code_would_be(training: Any, there: Cluster) -> None:
    plain = task(packaging=in_image(source=True))(training.plain.unwrapped)
    payload = load_payload(there.dry_run(plain).files["payload.pkl"])
    shown = f"{there.job_base_dir}/.packages/source/<project>"
    assert shown in payload.sys_path
    assert not Path(there.job_base_dir, ".packages").exists()


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("src", "source 'src' is neither true or false nor a table"),
        ({"exclud": []}, "source has no key 'exclud' (did you mean 'exclude'?)"),
        ({"exclude": "data"}, "exclude is a list of patterns"),
        ({"max_size": "much"}, "max_size 'much'"),
    ],
)
def test_code_that_cannot_travel_is_one_line(given: Any, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        strategy_of(in_image(source=given))
    assert part in str(caught.value)
