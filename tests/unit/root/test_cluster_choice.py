"""Choosing a cluster: by arguments, by a Slurmfile, or on a command line."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import DEADLINE, FakeBackend

from slurm import Cluster, task
from slurm.errors import ConfigError


@task
def double(number: int) -> int:
    return 2 * number


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with no Slurmfile above it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="program")
    Cluster.add_argparse_args(made)
    return made


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        Cluster(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- making one ----------------------------------------------------------------------------------


def test_a_backend_that_does_not_exist_has_a_near_match() -> None:
    assert "did you mean 'slurm'?" in refusal("slrum")
    assert "local, slurm, ssh" in refusal("kubernetes")


@pytest.mark.parametrize(
    ("backend", "options", "parts"),
    [
        ("ssh", {"hostname": "h", "usrname": "me"}, ["'usrname'", "did you mean 'username'?"]),
        ("slurm", {"hostname": "h"}, ["'hostname'"]),
        ("local", {"max_cpu": 1}, ["'max_cpu'", "did you mean 'max_cpus'?"]),
        ("ssh", {}, ["hostname"]),
        ("ssh", {"hostname": "-oProxyCommand=x"}, ["-oProxyCommand=x"]),
        ("ssh", {"hostname": "two words"}, ["two words"]),
        ("local", {"packaging": "wheeel"}, ["wheeel", "none"]),
        ("local", {"packaging": {"type": "none", "pythonpth": []}}, ["pythonpth"]),
        ("local", {"packaging": {"type": "none", "pythonpath": "/a:/b"}}, ["pythonpath", "list"]),
        ("local", {"submit": {"memm": "1G"}}, ["memm"]),
    ],
)
def test_what_a_cluster_does_not_understand_is_one_line(
    backend: str, options: dict[str, Any], parts: list[str]
) -> None:
    message = refusal(backend, **options)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("backend", "options", "name"),
    [
        ("ssh", {"hostname": "h", "port": "ssh"}, "port"),
        ("ssh", {"hostname": "h", "connect_timeout": "soon"}, "connect_timeout"),
        ("slurm", {"poll_interval_min": "fast"}, "poll_interval_min"),
        ("slurm", {"poll_interval_max": -1}, "poll_interval_max"),
        ("local", {"result_grace": -1}, "result_grace"),
        ("local", {"result_grace": "long"}, "result_grace"),
        ("local", {"result_grace": float("inf")}, "result_grace"),
        (5, {}, "5"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_before_anything_is_submitted(
    backend: Any, options: dict[str, Any], name: str
) -> None:
    """As a Slurmfile may hold it: what is accepted here fails after the first job was submitted."""
    assert name in refusal(backend, **options)


def test_a_secret_among_the_arguments_is_refused_and_not_repeated() -> None:
    assert "hunter2" not in refusal("ssh", hostname="h", password="hunter2")


def test_a_base_directory_is_absolute_or_at_home(folder: Path, backend: FakeBackend) -> None:
    for given, expected in {
        "~": "/home/me",
        "~/jobs/": "/home/me/jobs",
        "/jobs//": "/jobs",
        "here": f"{folder}/here",
    }.items():
        cluster = Cluster(backend, job_base_dir=given)
        assert cluster.job_base_dir == expected
        cluster.close()


def test_by_default_jobs_lie_in_slurm_jobs_at_home(backend: FakeBackend) -> None:
    with closing(Cluster(backend)) as cluster:
        assert cluster.job_base_dir == "/home/me/slurm_jobs"


def test_a_relative_base_directory_on_another_machine_is_refused() -> None:
    cluster = Cluster("ssh", hostname="h", job_base_dir="jobs")
    with pytest.raises(ConfigError, match=r"'jobs' must be absolute, or start with ~/"):
        _ = cluster.job_base_dir
    cluster.close()


# --- from a file or a command line ---------------------------------------------------------------


def test_a_cluster_from_a_slurmfile(folder: Path) -> None:
    (folder / "Slurmfile.toml").write_text(
        '[default.cluster]\nbackend = "slurm"\njob_base_dir = "/jobs"\n[default.submit]\nqos = "low"\n'
        '[fast.submit]\nqos = "high"\n'
    )
    cluster = Cluster.from_env("fast", overrides={"job_base_dir": "/other"})
    assert (cluster.backend_type, cluster.job_base_dir) == ("slurm", "/other")
    assert cluster.submit_defaults == {"qos": "high"}
    cluster.close()


def test_the_cluster_of_a_slurmfile_runs_what_is_called_in_its_block(
    folder: Path, local_base: Path
) -> None:
    base = json.dumps(str(local_base))
    (folder / "Slurmfile.toml").write_text(
        f'[default.cluster]\nbackend = "local"\njob_base_dir = {base}\n'
    )
    with Cluster.from_env() as cluster:
        assert cluster.job_base_dir == str(local_base)
        job = double(21)
    assert job.cluster is cluster
    assert job.get_result(DEADLINE) == 42
    cluster.close()


def test_an_unknown_backend_option_in_a_slurmfile_has_a_near_match(folder: Path) -> None:
    (folder / "Slurmfile.toml").write_text(
        '[default.cluster]\nbackend = "ssh"\n[default.cluster.backend_config]\nhostnam = "h"'
    )
    with pytest.raises(ConfigError, match=r"did you mean 'hostname'\?"):
        Cluster.from_env()


def test_a_command_line_chooses_a_backend_outright(
    folder: Path, parser: argparse.ArgumentParser
) -> None:
    (folder / "Slurmfile.toml").write_text('[default.cluster]\nbackend = "slurm"')
    words = "--backend ssh --hostname h --username me --port 2222 --job-base-dir /j --python /p"
    cluster = Cluster.from_args(parser.parse_args([*words.split(), "--account", "mine"]))
    assert (cluster.backend_type, cluster.python) == ("ssh", "/p")
    assert cluster.submit_defaults == {"account": "mine"}
    assert cluster.job_base_dir == "/j"
    cluster.close()


def test_a_command_line_without_a_backend_reads_the_slurmfile(
    folder: Path, parser: argparse.ArgumentParser
) -> None:
    (folder / "mine.toml").write_text('[gpu.cluster]\nbackend = "slurm"\njob_base_dir = "/jobs"')
    args = ["--slurmfile", "mine.toml", "--env", "gpu", "--python", "/opt/python"]
    cluster = Cluster.from_args(parser.parse_args(args))
    assert (cluster.backend_type, cluster.python) == ("slurm", "/opt/python")
    assert cluster.job_base_dir == "/jobs"
    cluster.close()
    with pytest.raises(ConfigError, match="--backend local"):
        Cluster.from_args(parser.parse_args([]))


def test_an_account_on_the_command_line_leaves_the_sites_other_options(
    folder: Path, parser: argparse.ArgumentParser
) -> None:
    (folder / "Slurmfile.toml").write_text(
        '[default.cluster]\nbackend = "slurm"\n[default.submit]\npartition = "long"\naccount = "a"'
    )
    cluster = Cluster.from_args(parser.parse_args(["--account", "b"]))
    assert cluster.submit_defaults == {"partition": "long", "account": "b"}
    cluster.close()


@pytest.mark.parametrize("args", [["--port", "0"], ["--max-cpus", "many"], ["--backend", "pbs"]])
def test_a_bad_argument_ends_the_program(args: list[str], parser: argparse.ArgumentParser) -> None:
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(args)
    assert caught.value.code == 2


@pytest.mark.parametrize("option", ["job_base_dir", "python", "username", "hostname"])
def test_text_of_several_lines_is_refused_at_once(option: str) -> None:
    arguments: dict[str, str] = {"hostname": "login", option: "/a\nb"}
    with pytest.raises(ConfigError, match=rf"^{option} '/a\\nb' has a line break"):
        Cluster("ssh", **arguments)  # type: ignore[arg-type]
