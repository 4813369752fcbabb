"""hello_world and map_reduce on the local backend, and the tree of what the second one did."""

from __future__ import annotations

import collections
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurm import JobTree
from slurm.api.local import LocalBackend
from slurm.examples import hello_world, map_reduce

HOW_TO = Path(__file__).parents[1] / "docs/how-to/see-what-a-workflow-did.md"
TEXTS = 3


@pytest.fixture(scope="module")
def base(
    tmp_path_factory: pytest.TempPathFactory, lend_sdk: Callable[[Path], None]
) -> Iterator[Path]:
    """A directory for jobs, whose scheduler is ended afterwards."""
    folder = tmp_path_factory.mktemp("examples") / "jobs"
    lend_sdk(folder)
    yield folder
    LocalBackend(state_dir=str(folder / ".local")).shutdown(kill_jobs=True)


@pytest.fixture
def local(base: Path) -> list[str]:
    """The options that choose that directory."""
    return ["--backend", "local", "--job-base-dir", str(base), "--max-cpus", "4"]


@pytest.mark.local
def test_hello_world_greets_and_says_where_it_ran(
    local: list[str], base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hello_world.main([*local, "--name", "Ada"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Hello, Ada!\n  job       ")
    assert f"  directory {base}/hello/" in printed
    assert "  printed   about to greet Ada" in printed


# --- map_reduce ----------------------------------------------------------------------------------


@pytest.mark.local
def test_map_reduce_counts_words_in_one_array(
    local: list[str], base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workdir = base.parent / "run"
    assert map_reduce.main([*local, "--workdir", str(workdir), "--texts", str(TEXTS)]) == 0
    [jobs] = (base / "count_words").iterdir()
    printed = capsys.readouterr().out
    assert f"  jobs    {jobs}" in printed
    assert_counted(workdir, printed)
    tree = JobTree.from_dir(jobs)
    assert_one_array(tree)
    assert timeless(tree.to_text()) in map(timeless, shown("text"))
    assert timeless(tree.to_mermaid()) in map(timeless, shown("mermaid"))


def assert_counted(workdir: Path, printed: str) -> None:
    """Every word of the texts is in the result, which is the only file beside them."""
    texts = [path.read_text() for path in sorted((workdir / "texts").iterdir())]
    assert texts == [map_reduce.sample(number) for number in range(TEXTS)]
    words = re.sub(r"[^\w\s]", " ", " ".join(texts).lower()).split()
    counts = json.loads((workdir / map_reduce.RESULT).read_text())
    assert counts == dict(collections.Counter(words))
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert f"counted {len(words)} words, {len(counts)} different, in {TEXTS} texts" in printed
    assert [path.name for path in workdir.iterdir() if path.is_file()] == [map_reduce.RESULT]


def assert_one_array(tree: JobTree) -> None:
    """The texts were counted by one array, for which the other job waited."""
    [workflow] = tree.nodes
    array, merge = workflow.children
    assert (workflow.kind, array.kind, array.count) == ("workflow", "array", TEXTS)
    ids = [child.job_id for child in array.children]
    assert ids == [f"{array.job_id}_{index}" for index in range(TEXTS)]
    assert [wait.path for wait in merge.waits_for] == [array.path]
    assert merge.started is not None
    assert array.ended is not None
    assert merge.started >= array.ended


def shown(language: str) -> list[str]:
    """The blocks of the how-to in a language."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", HOW_TO.read_text(), re.M | re.S)
    return [str(block) for block in blocks]


def timeless(drawing: str) -> str:
    """A drawing without what is another in each run."""
    drawing = re.sub(r"\d+\.\d s", "TIME", drawing)
    return re.sub(r" +", " ", re.sub(r"\b(?:after )?\d+(?=  |<br| ·|\n|$)", "ID", drawing))


def test_texts_that_are_there_are_counted_and_none_is_written(tmp_path: Path) -> None:
    from slurm import Cluster

    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "mine.txt").write_text("a b a")
    (tmp_path / "texts" / "other.md").write_text("c")
    cluster = Cluster("local", job_base_dir=tmp_path / "jobs")
    found = map_reduce.texts_in(str(tmp_path), cluster, 5)
    cluster.close()
    assert found == [str(tmp_path / "texts" / "mine.txt")]
    assert map_reduce.count.unwrapped(found[0]) == {"a": 2, "b": 1}


def test_a_result_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    map_reduce.merge.unwrapped([{"b": 1}, {"a": 1, "b": 2}], str(path))
    assert path.read_text() == '{\n  "b": 3,\n  "a": 1\n}\n'
    unwritable: Any = {"a": object()}
    with pytest.raises(TypeError):
        map_reduce.write_json(path, unwritable)
    assert json.loads(path.read_text()) == {"b": 3, "a": 1}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["--pack", "0"], "--pack"),
        (["--max-concurrent", "none"], "--max-concurrent"),
        (["--texts", "-1"], "--texts"),
        (["--workdir", "/dev/null/run"], "--workdir"),
        (["--workdir", ""], "--workdir"),
    ],
)
def test_bad_arguments_get_one_line_before_anything_is_submitted(
    wrong: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--backend", "local", "--job-base-dir", str(tmp_path / "jobs")]
    with pytest.raises(SystemExit) as left:
        sys.exit(map_reduce.main([*options, "--workdir", str(tmp_path / "run"), *wrong]))
    assert left.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert named in line
    assert not (tmp_path / "jobs").exists()
