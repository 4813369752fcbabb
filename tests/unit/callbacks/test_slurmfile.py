"""Callbacks that a Slurmfile names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from slurm import Cluster
from slurm.callbacks import BenchmarkCallback, LoggerCallback
from slurm.errors import ConfigError
from slurm.runs import RunTracker

Make = Callable[..., Cluster]
MODULE = """
from slurm.callbacks import BaseCallback

class Mine(BaseCallback):
    pass

class Picky(BaseCallback):
    def __init__(self, url):
        pass

class Other:
    pass
"""


@pytest.fixture
def cluster_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make the cluster of a Slurmfile with this text; a module `hooks` can be imported."""
    (tmp_path / "hooks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(text: str, **how: Any) -> Cluster:
        path = tmp_path / "Slurmfile.toml"
        path.write_text(text)
        return Cluster.from_env(path, **how)

    return make


def kinds(cluster: Cluster) -> list[str]:
    return [type(one).__name__ for one in cluster.callbacks]


def test_a_slurmfile_names_callbacks(cluster_of: Make) -> None:
    text = '[default]\ncallbacks = ["slurm.callbacks:LoggerCallback", "hooks:Mine"]'
    assert kinds(cluster_of(text)) == ["LoggerCallback", "Mine"]


def test_an_environment_has_its_own_callbacks_or_the_defaults(cluster_of: Make) -> None:
    text = (
        '[default]\ncallbacks = ["hooks:Mine"]\n[gpu.submit]\npartition = "gpu"\n'
        "[quiet]\ncallbacks = []\n"
        '[other]\ncallbacks = ["slurm.callbacks:BenchmarkCallback"]\n[other.cluster]\nbackend = "slurm"'
    )
    assert kinds(cluster_of(text, env="gpu")) == ["Mine"]
    assert kinds(cluster_of(text, env="quiet")) == []
    assert kinds(cluster_of(text, env="other")) == ["BenchmarkCallback"]


def test_callbacks_that_are_given_win_over_the_file(cluster_of: Make) -> None:
    text = '[default]\ncallbacks = ["no_such_module:Mine"]'
    given = BenchmarkCallback()
    assert cluster_of(text, callbacks=[given]).callbacks == (given,)
    assert cluster_of(text, callbacks=[]).callbacks == ()
    with pytest.raises(ConfigError, match="write LoggerCallback"):
        cluster_of(text, callbacks=[LoggerCallback])


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ('"hooks:Mine"', r'\[default\] callbacks must be a list of names: \["module:Class"\]'),
        ("[1]", "must be a list of names"),
        ('["hooks.Mine"]', r"'hooks\.Mine' is not of the form 'module:Class'"),
        ('["hooks:"]', "'hooks:' is not of the form 'module:Class'"),
        (
            '["hoks:Mine"]',
            "'hoks:Mine' cannot be imported: ModuleNotFoundError: No module named 'hoks'",
        ),
        ('["hooks:Mien"]', r"hooks has no 'Mien' \(did you mean 'Mine'\?\)"),
        ('["hooks:Other"]', "'hooks:Other' is no class derived from BaseCallback"),
        ('["hooks:Picky"]', "'hooks:Picky' cannot be made: TypeError: .*url"),
    ],
)
def test_what_names_no_callback_is_refused_in_one_line(
    value: str, complaint: str, cluster_of: Make, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=complaint) as raised:
        cluster_of(f"[default]\ncallbacks = {value}")
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'Slurmfile.toml'}: ")
    assert "\n" not in message


def test_a_misspelt_key_is_refused(cluster_of: Make) -> None:
    with pytest.raises(ConfigError, match=r"no key 'calbacks' \(did you mean 'callbacks'\?\)"):
        cluster_of('[default]\ncalbacks = ["hooks:Mine"]')


def tracker_of(cluster: Cluster) -> RunTracker:
    [tracker] = [one for one in cluster.callbacks if isinstance(one, RunTracker)]
    return tracker


@pytest.fixture
def iteration(tmp_path: Path) -> Path:
    """An iteration beside the Slurmfile."""
    folder = tmp_path / "plan/iter1"
    folder.mkdir(parents=True)
    (folder / "design.yaml").touch()
    (tmp_path / ".slurm").mkdir()
    return folder


def test_a_slurmfile_says_where_submissions_are_recorded(cluster_of: Make, iteration: Path) -> None:
    assert tracker_of(cluster_of('[default]\ntrack = "plan/iter1"')).iteration == iteration


def test_they_are_recorded_in_the_iteration_of_the_working_directory(
    cluster_of: Make, iteration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(iteration)
    assert tracker_of(cluster_of("[default]\ntrack = true")).iteration == iteration


@pytest.mark.usefixtures("iteration")
def test_an_environment_need_not_record_what_default_does(cluster_of: Make) -> None:
    text = '[default]\ntrack = "plan/iter1"\n[quiet]\ntrack = false'
    assert kinds(cluster_of(text)) == ["RunTracker"]
    assert kinds(cluster_of(text, env="quiet")) == []


@pytest.mark.usefixtures("iteration")
def test_callbacks_of_a_program_take_no_record_away(cluster_of: Make, tmp_path: Path) -> None:
    text = '[default]\ntrack = "plan/iter1"\ncallbacks = ["hooks:Mine"]'
    assert kinds(cluster_of(text)) == ["Mine", "RunTracker"]
    assert kinds(cluster_of(text, callbacks=[BenchmarkCallback()])) == [
        "BenchmarkCallback",
        "RunTracker",
    ]
    own = RunTracker(tmp_path / "plan")
    assert cluster_of(text, callbacks=[own]).callbacks == (own,)
    with pytest.raises(ConfigError, match="callbacks is a list of callbacks"):
        cluster_of(text, callbacks=BenchmarkCallback())


@pytest.mark.usefixtures("iteration")
@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (
            "1",
            r"\[default\] track must be an iteration's directory, such as \"plan/iter1\", or true",
        ),
        ('""', "track must be an iteration's directory"),
        ("[]", "track must be an iteration's directory"),
        (
            '"plan/itr1"',
            r"track: RunTracker: there is no directory .*/plan/itr1 \(did you mean 'iter1'\?\)",
        ),
    ],
)
def test_what_is_no_place_for_a_record_is_refused_in_one_line(
    value: str, complaint: str, cluster_of: Make, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=complaint) as raised:
        cluster_of(f"[default]\ntrack = {value}")
    message = str(raised.value)
    assert message.startswith(f"{tmp_path / 'Slurmfile.toml'}: ")
    assert "\n" not in message
