"""Strategies of other distributions, and the types of their options. The example is `tests/scratch_packaging`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import pytest
from tests.conformance.waiting import wait_until
from tests.helpers.distributions import install

from slurm import Cluster, task, workflow
from slurm.errors import ConfigError
from slurm.packaging import (
    PackagingStrategy,
    SourcePackagingStrategy,
    name_of_strategy,
    strategy_of,
)

if TYPE_CHECKING:
    from fractions import Fraction

EXAMPLE = Path(__file__).parents[2] / "scratch_packaging"
CLASS = "scratch_packaging:ScratchPackaging"


class Typed(PackagingStrategy):
    """Has options of all the types that a file can have."""

    def __init__(
        self,
        *,
        text: str = "",
        number: float = 1.0,
        count: int = 1,
        flag: bool = False,
        names: Sequence[str] = (),
        pair: tuple[str, int] = ("", 0),
        table: Optional[dict[str, int]] = None,  # noqa: UP045 - as somebody may write it
        either: int | str | None = None,
        level: Literal["low", "high"] = "low",
        path: str | os.PathLike[str] | None = None,
        anything: Any = None,
    ) -> None:
        self.given = (text, number, count, flag, names, pair, table, either, level, path, anything)


class Untyped(PackagingStrategy):
    """Names a type that is there for type checkers alone."""

    def __init__(self, *, share: Fraction | None = None) -> None:
        self.share = share


HERE = __name__


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    install(EXAMPLE, tmp_path / "installed", monkeypatch)
    yield tmp_path / "installed"
    sys.modules.pop("scratch_packaging", None)


def refusal(config: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        strategy_of(config)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_registered_strategy_is_named_as_those_of_the_sdk_are(installed: Path) -> None:
    strategy = strategy_of({"type": "scratch", "root": "/local", "exclude": ["data/"]})
    assert isinstance(strategy, SourcePackagingStrategy)
    assert (vars(strategy)["root"], strategy.exclude) == ("/local", ["data/"])
    assert name_of_strategy(strategy) == CLASS
    again = strategy_of(strategy.inherited())
    assert type(again) is type(strategy)
    assert again.inherited() == strategy.inherited()


def test_what_is_not_registered_does_not_exist(installed: Path) -> None:
    assert "(did you mean 'scratch'?)" in refusal("scrach")
    assert "'scratch'" in refusal("nothing-like-it")


def test_options_of_a_derived_class_are_its_own_and_those_that_it_hands_on(installed: Path) -> None:
    assert "has no key 'rot' (did you mean 'root'?)" in refusal({"type": "scratch", "rot": "/x"})
    assert "has no key 'exclud' (did you mean 'exclude'?)" in refusal(
        {"type": "scratch", "exclud": []}
    )
    wrong = {"type": "scratch", "keep": "yes"}
    assert refusal(wrong) == "packaging 'scratch': keep is true or false, not 'yes'"
    assert "root 'tmp' is not an absolute path" in refusal({"type": "scratch", "root": "tmp"})


def test_a_name_that_two_distributions_register_is_refused(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    text = (EXAMPLE / "pyproject.toml").read_text().replace(CLASS, "elsewhere:Scratch")
    (other / "pyproject.toml").write_text(text)
    install(other, tmp_path / "more", monkeypatch, name="elsewhere")
    message = refusal("scratch")
    assert f"elsewhere:Scratch and {CLASS}: name the class itself" in message
    assert name_of_strategy(strategy_of(CLASS)) == CLASS


def test_the_names_of_the_sdk_are_not_taken_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    text = (EXAMPLE / "pyproject.toml").read_text().replace("scratch =", "source =")
    (other / "pyproject.toml").write_text(text)
    install(other, tmp_path / "more", monkeypatch)
    assert type(strategy_of("source")) is SourcePackagingStrategy


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"text": 3}, "text is text, not 3"),
        ({"number": "1"}, "number is a number, not '1'"),
        ({"number": True}, "number is a number, not True"),
        ({"count": 1.5}, "count is a whole number, not 1.5"),
        ({"count": True}, "count is a whole number, not True"),
        ({"flag": 1}, "flag is true or false, not 1"),
        ({"names": "cuda"}, "names is a list of text, not 'cuda'"),
        ({"names": ["cuda", 12]}, "names is a list of text, not ['cuda', 12]"),
        ({"pair": ["a", "b"]}, "pair is a list of text and a whole number, not ['a', 'b']"),
        ({"table": {"a": "b"}}, "table is a table of a whole number, not {'a': 'b'}"),
        ({"either": 1.5}, "either is a whole number or text, not 1.5"),
        ({"level": "medium"}, "level is 'low' or 'high', not 'medium'"),
        ({"path": 3}, "path is text or a path, not 3"),
    ],
)
def test_an_option_of_another_type_is_one_line(options: dict[str, Any], expected: str) -> None:
    message = refusal({"type": f"{HERE}:Typed", **options})
    assert message == f"packaging '{HERE}:Typed': {expected}"


def test_options_of_the_types_that_are_said_are_taken() -> None:
    values = {
        "text": "t",
        "number": 2,
        "count": 3,
        "flag": True,
        "names": ["a"],
        "pair": ["a", 1],
        "table": {"a": 1},
        "either": None,
        "level": "high",
        "path": Path("x"),
        "anything": object(),
    }
    strategy = strategy_of({"type": f"{HERE}:Typed", **values})
    assert vars(strategy)["given"] == tuple(values.values())
    assert vars(strategy_of({"type": f"{HERE}:Untyped", "share": "1/2"}))["share"] == "1/2"


@task
def temporary() -> tuple[str, bool]:
    import tempfile

    folder = os.environ["TMPDIR"]
    return folder, os.path.isdir(folder) and tempfile.gettempdir() == folder


@workflow
def flow() -> list[str]:
    return [os.environ["TMPDIR"], temporary().get_result(60)[0]]


@pytest.mark.local
def test_a_job_and_a_workflows_jobs_run_with_it(
    installed: Path, tmp_path: Path, lend_sdk: Callable[[Path], None]
) -> None:
    """On this machine, where the strategy brings frozen copies as well as a directory for each job."""
    lend_sdk(tmp_path / "jobs")
    root = tmp_path / "node"
    root.mkdir()
    packaging: dict[str, Any] = {
        "type": "scratch",
        "root": str(root),
        "project": str(Path(__file__).parents[3]),
    }
    packaging["include"] = ["tests/unit/packaging/", "tests/helpers/", "tests/conformance/*.py"]
    with Cluster("local", job_base_dir=str(tmp_path / "jobs"), packaging=packaging) as cluster:
        folder, was_there = temporary().get_result(60)
        assert (os.path.dirname(folder), was_there) == (str(root), True)
        first, second = flow().get_result(120)
        assert first != second
        assert {os.path.dirname(one) for one in (first, second)} == {str(root)}
    cluster.close()
    # A result is known before the last lines of its job.
    wait_until(lambda: not list(root.iterdir()), "the jobs have cleaned up", every=0.02)
