"""Slurmfile.toml: where it is found, what it says, and how it says what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slurm.config.slurmfile import cluster_settings, find_slurmfile, load
from slurm.errors import ConfigError

TWO = """
[default.cluster]
backend = "ssh"
job_base_dir = "/jobs"
[default.cluster.backend_config]
hostname = "login"
port = 22
[default.submit]
account = "mine"
time = 10
[gpu.submit]
partition = "gpu"
time = 60
[gpu.cluster.backend_config]
port = 2222
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a Slurmfile; the working directory is a folder deep in it."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    (tmp_path / "Slurmfile.toml").write_text(TWO)
    return tmp_path


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        cluster_settings(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def refused(folder: Path, text: str, **kwargs: Any) -> str:
    path = folder / "bad.toml"
    path.write_text(text)
    message = refusal(path, **kwargs)
    assert str(path) in message
    return message


# --- which file, which environment ---------------------------------------------------------------


def test_the_file_is_found_upwards(project: Path) -> None:
    assert find_slurmfile() == project / "Slurmfile.toml"
    nearer = project / "a" / "Slurmfile.toml"
    nearer.touch()
    assert find_slurmfile() == nearer
    assert find_slurmfile(project) == project / "Slurmfile.toml"


def test_the_variable_wins_over_the_search(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = project / "other.toml"
    other.write_text('[default.cluster]\nbackend = "local"')
    monkeypatch.setenv("SLURMFILE", str(other))
    assert cluster_settings().arguments == {"backend_type": "local"}


def test_the_variable_may_start_at_home_or_name_a_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project))
    for named in ("~/Slurmfile.toml", str(project)):
        monkeypatch.setenv("SLURMFILE", named)
        assert cluster_settings().arguments["hostname"] == "login"


def test_a_variable_that_names_no_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMFILE", "/nowhere/Slurmfile.toml")
    assert "SLURMFILE names /nowhere/Slurmfile.toml" in refusal()


def test_no_file_anywhere_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = refusal()
    assert str(tmp_path) in message
    assert "--backend local" in message


def test_a_file_or_its_folder_may_be_named(project: Path) -> None:
    assert (
        cluster_settings(project / "Slurmfile.toml").arguments
        == cluster_settings(project).arguments
    )
    assert "no Slurmfile at" in refusal(project / "none.toml")
    assert "no Slurmfile at" in refusal("./nothing/here")


def test_default_lies_under_every_environment(project: Path) -> None:
    assert cluster_settings().arguments["submit"] == {"account": "mine", "time": 10}
    assert cluster_settings("gpu").arguments == {
        "backend_type": "ssh",
        "job_base_dir": "/jobs",
        "hostname": "login",
        "port": 2222,
        "submit": {"account": "mine", "time": 60, "partition": "gpu"},
    }


def test_the_environment_is_an_argument_a_name_or_a_variable(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = cluster_settings(env="gpu").arguments
    assert gpu["port"] == 2222
    assert cluster_settings("gpu").arguments == gpu
    monkeypatch.setenv("SLURM_ENV", "gpu")
    assert cluster_settings().arguments == gpu
    assert cluster_settings(env="default").arguments["port"] == 22


def test_a_folder_with_the_name_of_an_environment_does_not_hide_it(project: Path) -> None:
    Path("gpu").mkdir()
    assert cluster_settings("gpu").arguments["port"] == 2222


def test_an_environment_that_is_not_there_has_a_near_match(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = refusal(env="gpus")
    assert "did you mean 'gpu'?" in message
    assert "['default', 'gpu']" in message
    monkeypatch.setenv("SLURM_ENV", "gup")
    assert "'gup'" in refusal()


def test_a_file_without_a_default_has_one(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('[gpu.cluster]\nbackend = "slurm"')
    assert load(path, "default") == {"cluster": {}, "packaging": {}, "submit": {}}
    assert cluster_settings(path).arguments == {"backend_type": "local"}


def test_an_environment_may_choose_another_backend_than_the_default(project: Path) -> None:
    with (project / "Slurmfile.toml").open("a") as file:
        file.write('[laptop.cluster]\nbackend = "local"\njob_base_dir = "~/jobs"\n')
    laptop = cluster_settings("laptop").arguments
    assert laptop["backend_type"] == "local"
    assert "hostname" not in laptop


# --- overrides -----------------------------------------------------------------------------------


def test_overrides_win_over_the_file(project: Path) -> None:
    arguments = cluster_settings(overrides={"hostname": "other", "python": "/opt/python"}).arguments
    assert (arguments["hostname"], arguments["python"]) == ("other", "/opt/python")
    assert arguments["port"] == 22


def test_another_backend_leaves_the_files_settings_behind(project: Path) -> None:
    assert cluster_settings(overrides={"backend_type": "local"}).arguments == {
        "backend_type": "local"
    }
    assert cluster_settings(overrides={"backend_type": "ssh"}).arguments["hostname"] == "login"


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[default.clutser]\n", ["[default]", "'clutser'", "did you mean 'cluster'?"]),
        ("[default.cluster]\nbackened = 1", ["[default.cluster]", "did you mean 'backend'?"]),
        ("[gpu.cluster]\njob_basedir = ''", ["[gpu.cluster]", "did you mean 'job_base_dir'?"]),
        ("backend = 'ssh'", ["'backend'", "[backend.cluster]"]),
        ("[default]\ncluster = 'ssh'", ["default.cluster", "[default.cluster]"]),
        ("[default.cluster]\nbackend_config = 1", ["backend_config", "table"]),
        ("[default.cluster\n", ["line 1"]),
        ("a = 1\na = 2\nb = 3", ["line 2"]),
    ],
)
def test_mistakes_are_one_line_that_says_where(tmp_path: Path, text: str, parts: list[str]) -> None:
    message = refused(tmp_path, text)
    assert all(part in message for part in parts), message


def test_a_mistake_in_an_environment_that_is_not_used_is_found(tmp_path: Path) -> None:
    assert "[gpu]" in refused(tmp_path, "[gpu.submitt]", env="default")


@pytest.mark.parametrize("key", ["password", "ssh_password", "Passphrase", "client_secret"])
def test_secrets_are_refused_and_not_repeated(tmp_path: Path, key: str) -> None:
    message = refused(tmp_path, f'[default.cluster.backend_config]\n{key} = "hunter2"')
    assert key in message
    assert "ssh key" in message
    assert "hunter2" not in message


def test_a_secret_in_the_wrong_place_is_not_repeated_either(tmp_path: Path) -> None:
    assert "hunter2" not in refused(tmp_path, '[default.cluster]\npassword = "hunter2"')


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "Slurmfile.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert str(path) in refusal(path)


# --- paths in it ---------------------------------------------------------------------------------


def test_key_files_are_relative_to_the_slurmfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "x.toml").write_text(
        '[default.cluster.backend_config]\nidentity_file = "keys/id"\n'
        'known_hosts_file = "/etc/hosts.pinned"\nconfig_file = "~/.ssh/other"\n'
    )
    arguments = cluster_settings(tmp_path / "x.toml").arguments
    assert arguments["identity_file"] == str(tmp_path / "keys" / "id")
    assert arguments["known_hosts_file"] == "/etc/hosts.pinned"
    assert arguments["config_file"] == "/home/me/.ssh/other"


def test_the_example_of_the_documentation_is_a_valid_file(tmp_path: Path) -> None:
    import slurm.config.slurmfile

    _, _, example = (slurm.config.slurmfile.__doc__ or "").partition("::\n")
    assert example
    (tmp_path / "Slurmfile.toml").write_text(example)
    assert cluster_settings(tmp_path).arguments["hostname"] == "login.example.org"
    assert cluster_settings(tmp_path, env="gpu").arguments["submit"]["partition"] == "gpu"
