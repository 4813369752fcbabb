"""Packaging strategies: how they are named and made, what they add to a job, what its jobs inherit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend, request_of
from tests.helpers.processes import RunJob, result_of

from slurm import Cluster, task, workflow
from slurm.config.slurmfile import cluster_settings
from slurm.errors import ConfigError, SlurmError
from slurm.job_dir.main_module import MainModule
from slurm.job_dir.payload import load_payload
from slurm.packaging import (
    Environment,
    NonePackagingStrategy,
    PackagingStrategy,
    environment_for,
    name_of_strategy,
    strategy_of,
)
from slurm.submit import packing

VARIABLE = "SLURM_SDK_PACKAGING_CONFIG"


class Greeting(PackagingStrategy):
    """A strategy of a user's own: only the three methods of the seed."""

    def __init__(self, *, words: str = "hello", folder: Path | None = None) -> None:
        self.words = words
        self.folder = folder

    def prepare(self, task: Any, cluster: Cluster) -> Environment:
        made = super().prepare(task, cluster)
        return Environment(made.interpreter, files={"words.txt": self.words.encode()})

    def generate_setup_commands(self, task: Any, environment: Environment) -> list[str]:
        return ['export GREETING=$(cat "$JOB_DIR/words.txt")', "false"]

    def generate_cleanup_commands(self, task: Any, environment: Environment) -> list[str]:
        return ["echo 'cleaned up'", "true"]


class Closed(PackagingStrategy):
    def __init__(self, *, secret: Any = None, needed: int) -> None:
        self._secret = secret

    def prepare(self, task: Any, cluster: Cluster) -> Environment:
        raise SlurmError("no images today")


class Odd(PackagingStrategy):
    """Returns whatever it was made with."""

    def __init__(self, made: Any = None, lines: Any = ()) -> None:
        self.made = made
        self.lines = lines

    def prepare(self, task: Any, cluster: Cluster) -> Environment:
        made: Environment = self.made
        return made

    def generate_setup_commands(self, task: Any, environment: Environment) -> Any:
        return self.lines


class Plain(PackagingStrategy):
    """Does nothing of its own."""


class Open(PackagingStrategy):
    def __init__(self, **settings: Any) -> None:
        self.settings = settings


class Broken(PackagingStrategy):
    def __init__(self) -> None:
        raise OSError("the disk\nis full")


HERE = __name__


@task
def plain() -> None:
    pass


@workflow
def flow() -> None:
    pass


def refusal(config: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        strategy_of(config)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- none ----------------------------------------------------------------------------------------


def test_none_does_nothing(fake_cluster: Cluster, backend: FakeBackend, tasks: Any) -> None:
    made = environment_for(NonePackagingStrategy(), tasks.echo, fake_cluster)
    assert made == Environment([fake_cluster.python], setup=[], cleanup=[], pythonpath=[])
    assert (backend.files, backend.programs) == ({}, [])


# --- a strategy of one's own ---------------------------------------------------------------------


def test_its_lines_stand_around_python_and_its_files_in_the_job_directory(
    run_job: RunJob, tasks: Any
) -> None:
    run = run_job(task(packaging=Greeting(words="good morning"))(tasks.reads.unwrapped), "GREETING")
    assert result_of(run) == "good morning"
    assert run.stdout.splitlines() == ["cleaned up"]
    assert run.code == 0
    assert (run.directory / "words.txt").read_text() == "good morning"


def test_the_exit_status_stays_pythons(run_job: RunJob, tasks: Any) -> None:
    run = run_job(task(packaging=Greeting())(tasks.fails.unwrapped), "on purpose")
    assert run.code == 1
    assert run.stdout.splitlines() == ["cleaned up"]


def test_what_it_cannot_prepare_is_not_submitted(
    fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with fake_cluster, pytest.raises(SlurmError, match="no images today"):
        task(packaging=Closed(needed=1))(plain.unwrapped)()
    assert backend.requests == []


@pytest.mark.parametrize(
    ("strategy", "parts"),
    [
        (Odd(), ["Odd.prepare()", "None", "return super().prepare"]),
        (Odd(Environment(["p"]), "module load x"), ["generate_setup_commands", "list of lines"]),
        (Odd(Environment(["p"]), [b"x"]), ["generate_setup_commands", "list of lines"]),
        (Odd(Environment(["p"], files={"job.sh": b""})), ["'job.sh'", "plain name"]),
        (Odd(Environment(["p"], files={"../x": b""})), ["'../x'", "plain name"]),
        (Odd(Environment(["p"], files={".lock": b""})), ["'.lock'", "plain name"]),
    ],
)
def test_what_makes_no_sense_is_one_line(
    strategy: Odd, parts: list[str], fake_cluster: Cluster
) -> None:
    with pytest.raises(ConfigError) as caught:
        request_of(fake_cluster, task(packaging=strategy)(plain.unwrapped))
    assert all(part in str(caught.value) for part in parts), caught.value
    assert "\n" not in str(caught.value)


# --- by name -------------------------------------------------------------------------------------


def test_a_class_is_named_by_its_module() -> None:
    strategy = strategy_of({"type": f"{HERE}:Greeting", "words": "hi"})
    assert isinstance(strategy, Greeting)
    assert strategy.words == "hi"
    assert name_of_strategy(strategy) == f"{HERE}:Greeting"
    assert isinstance(strategy_of(f"{HERE}:Greeting"), Greeting)
    assert name_of_strategy(NonePackagingStrategy()) == "none"
    assert isinstance(strategy_of({"type": f"{HERE}:Open", "any": "key"}), Open)


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ("nonne", ["'nonne'", "did you mean 'none'?", "module:Class"]),
        ({"type": "none", "pythn": "p"}, ["'none'", "'pythn'", "did you mean 'python'?"]),
        ({"type": "none", "python": 3}, ["'none'", "python", "3"]),
        ({"type": f"{HERE}:Greting"}, [HERE, "'Greting'", "did you mean 'Greeting'?"]),
        ({"type": f"{HERE}:Greeting", "word": "x"}, ["'word'", "did you mean 'words'?"]),
        ({"type": f"{HERE}:Plain", "word": "x"}, ["has no key 'word'"]),
        ({"type": f"{HERE}:Closed"}, ["needs the key 'needed'"]),
        ({"type": f"{HERE}:Broken"}, ["Broken", "cannot be made", "OSError: the disk"]),
        ({"type": f"{HERE}:plain"}, ["no class derived from PackagingStrategy"]),
        ("slurm.no_such_module:Class", ["cannot be imported", "no_such_module"]),
        (":Class", ["':Class'", "does not exist"]),
        (Greeting, ["Greeting", "a strategy"]),
        (["none"], ["['none']", "a mapping with 'type'"]),
    ],
)
def test_what_names_no_strategy_is_one_line(config: Any, parts: list[str]) -> None:
    message = refusal(config)
    assert all(part in message for part in parts), message


# --- what a workflow's own jobs inherit ----------------------------------------------------------


def test_by_default_the_same_class_with_the_same_arguments(tmp_path: Path) -> None:
    config = Greeting(words="hi", folder=tmp_path).inherited()
    assert json.loads(json.dumps(config)) == config
    again = strategy_of(config)
    assert isinstance(again, Greeting)
    assert again.inherited() == config
    assert again.words == "hi"
    assert Plain().inherited() == {"type": f"{HERE}:Plain"}


def test_a_class_of_the_script_takes_the_script_along(
    fake_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = MainModule(module="program")
    monkeypatch.setattr(packing, "main_module", lambda: script)

    def main_of(packaging: Any) -> Any:
        request = request_of(fake_cluster, workflow(packaging=packaging)(flow.unwrapped))
        return load_payload(request.files["payload.pkl"]).main

    assert main_of(Odd(Environment(["p"], inherited={"type": "__main__:Mine"}))) == script
    assert main_of(Odd(Environment(["p"], inherited={"type": "my_main:Mine"}))) is None


class Local:
    """Makes a class where none can be found again."""

    @staticmethod
    def strategy() -> PackagingStrategy:
        class Inner(PackagingStrategy):
            pass

        return Inner()


@pytest.mark.parametrize(
    ("strategy", "part"),
    [
        (Closed(needed=1), "'secret'"),
        (Greeting(words=b"bytes"), "bytes"),  # type: ignore[arg-type]
        (Local.strategy(), "defined in a function"),
    ],
)
def test_what_cannot_be_made_again_is_refused_where_it_would_have_to_be(
    strategy: PackagingStrategy, part: str, fake_cluster: Cluster, backend: FakeBackend
) -> None:
    with pytest.raises(ConfigError, match=r"override inherited\(\)") as caught:
        strategy.inherited()
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_jobs_of_a_workflow_inherit_what_the_workflow_runs_with(fake_cluster: Cluster) -> None:
    def children(some: Any) -> Any:
        request = request_of(fake_cluster, some)
        return load_payload(request.files["payload.pkl"]).children["packaging"]

    assert children(flow) == NonePackagingStrategy().inherited()
    own = Greeting(words="hi")
    assert children(workflow(packaging=own)(flow.unwrapped)) == own.inherited()
    handed = Odd(Environment(["p"], inherited={"type": "none", "python": "/opt/python"}))
    assert children(workflow(packaging=handed)(flow.unwrapped)) == handed.made.inherited
    fake_cluster.packaging = own
    assert children(flow) == own.inherited()


def test_inherit_is_the_packaging_of_the_workflow_around(
    fake_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dry_run(some: Any) -> Any:
        return request_of(fake_cluster, some(packaging="inherit")(plain.unwrapped)).files

    for value in (None, "", '{"type": "inherit"}'):
        if value is not None:
            monkeypatch.setenv(VARIABLE, value)
        with pytest.raises(
            ConfigError, match=r"^plain has the packaging 'inherit', .* none"
        ) as caught:
            dry_run(task)
        assert "\n" not in str(caught.value)
    given = Greeting(words="from the workflow").inherited()
    monkeypatch.setenv(VARIABLE, json.dumps(given))
    files = dry_run(workflow)
    assert files["words.txt"] == b"from the workflow"
    assert b"export GREETING" in files["job.sh"]
    assert load_payload(files["payload.pkl"]).children["packaging"] == given


@pytest.mark.parametrize("value", ["{", "[]", "null"])
def test_a_variable_that_holds_no_packaging_is_one_line(
    value: str, fake_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ConfigError, match=f"^{VARIABLE} is set to .*: unset it"):
        request_of(fake_cluster, task(packaging="inherit")(plain.unwrapped))


# --- in a Slurmfile ------------------------------------------------------------------------------


def slurmfile(folder: Path, text: str) -> Path:
    path = folder / "Slurmfile.toml"
    path.write_text(text)
    return path


def test_a_key_that_does_not_exist_names_the_file_and_the_nearest(tmp_path: Path) -> None:
    path = slurmfile(tmp_path, "[default.packaging]\npythonpth = []")
    with pytest.raises(ConfigError) as caught:
        Cluster.from_env(path)
    assert str(path) in str(caught.value)
    assert "did you mean 'pythonpath'?" in str(caught.value)


def test_an_environment_with_another_type_takes_nothing_from_the_default(tmp_path: Path) -> None:
    path = slurmfile(
        tmp_path,
        '[default.packaging]\npython = "/p"\n[more.packaging]\npythonpath = ["/a"]\n'
        f'[own.packaging]\ntype = "{HERE}:Greeting"\n[same.packaging]\ntype = "none"\n',
    )
    assert cluster_settings(path).arguments["packaging"] == {"python": "/p"}
    more = cluster_settings(path, env="more").arguments["packaging"]
    assert more == {"python": "/p", "pythonpath": ["/a"]}
    assert cluster_settings(path, env="own").arguments["packaging"] == {"type": f"{HERE}:Greeting"}
    assert cluster_settings(path, env="same").arguments["packaging"] == {
        "type": "none",
        "python": "/p",
    }
