"""What the specification of the example and its tutorial says of their files: which there are, and what is in them."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slurm import Cluster, SlurmTask
from slurm.examples import hello_world, map_reduce
from slurm.examples.parallel_train_eval import eval_task, train_task, workflow

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "src/slurm/examples/parallel_train_eval"
TUTORIAL = ROOT / "docs/tutorials/parallel-train-eval-workflow.md"
TESTS = ROOT / "tests/test_parallel_train_eval_example.py"
MODULE = "slurm.examples.parallel_train_eval.workflow"


def commands_in(page: Path) -> list[str]:
    """The blocks that a reader types into a shell."""
    return re.findall(r"^```bash\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


# --- the example ---------------------------------------------------------------------------------


def test_the_orchestrator_is_a_workflow_and_train_and_eval_are_tasks() -> None:
    orchestrator = workflow.train_and_evaluate
    tasks = [train_task.train_epoch, eval_task.evaluate_epoch]
    assert all(isinstance(one, SlurmTask) for one in [orchestrator, *tasks])
    assert orchestrator.is_workflow
    assert not any(one.is_workflow for one in tasks)
    for module, one in ((workflow, orchestrator), (train_task, tasks[0]), (eval_task, tasks[1])):
        assert one.unwrapped.__module__ == module.__name__
        assert Path(str(module.__file__)).parent == EXAMPLE


def test_the_readme_of_the_example_says_how_to_run_it() -> None:
    commands = commands_in(EXAMPLE / "README.md")
    assert commands
    for command in commands:
        assert f"python -m {MODULE} " in command
        assert " --workdir " in command


def test_the_command_line_is_argparses() -> None:
    assert isinstance(workflow.arguments(), argparse.ArgumentParser)


@pytest.mark.parametrize(
    ("flag", "kind", "default"),
    [
        ("--epochs", int, 3),
        ("--epoch-steps", int, 10),
        ("--steps-per-job-cap", int, 4),
        ("--partition-workflow", str, "cpu"),
        ("--partition-train", str, "gpu"),
        ("--partition-eval", str, "cpu"),
    ],
)
def test_the_command_line_has_the_flag(flag: str, kind: type, default: object) -> None:
    name = flag[2:].replace("-", "_")
    parser = workflow.arguments()
    assert getattr(parser.parse_args(["--workdir", "run"]), name) == default
    given = parser.parse_args(["--workdir", "run", flag, "7"])
    assert getattr(given, name) == kind("7")


def test_who_starts_it_names_the_workdir(capsys: pytest.CaptureFixture[str]) -> None:
    assert workflow.arguments().parse_args(["--workdir", "/shared/run"]).workdir == "/shared/run"
    with pytest.raises(SystemExit):
        workflow.arguments().parse_args([])
    assert "--workdir" in capsys.readouterr().err


def test_its_default_partitions_are_those_of_the_test_cluster() -> None:
    configuration = (ROOT / "docker/etc/slurm.conf").read_text("utf-8")
    there = set(re.findall(r"^PartitionName=(\w+)", configuration, re.MULTILINE))
    args = workflow.arguments().parse_args(["--workdir", "run"])
    assert {args.partition_workflow, args.partition_train, args.partition_eval} <= there


def test_it_chooses_a_cluster_as_the_other_examples_do() -> None:
    shared = argparse.ArgumentParser()
    Cluster.add_argparse_args(shared)
    options = options_of(shared)
    assert {"--backend", "--slurmfile", "--job-base-dir"} <= options
    for example in (workflow, hello_world, map_reduce):
        assert options | {"--verbose"} <= options_of(example.arguments())
    for example in (workflow, map_reduce):
        assert "--workdir" in options_of(example.arguments())


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return set(re.findall(r"(?<=[\s[])--[a-z-]+", parser.format_help()))


@pytest.mark.local
@pytest.mark.parametrize("rule", [["format", "--check"], ["check"]], ids=" ".join)
def test_ruff_is_content_with_the_example_and_its_tests(rule: list[str]) -> None:
    pytest.importorskip("ruff")
    command = [sys.executable, "-m", "ruff", *rule, "--no-cache", str(EXAMPLE), str(TESTS)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- the tutorial --------------------------------------------------------------------------------


def test_the_tutorial_is_a_page_of_mkdocs_material_without_frontmatter() -> None:
    assert TUTORIAL.read_text("utf-8").startswith("# ")
    configuration = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert re.search(r"^theme:\n  name: material$", configuration, re.MULTILINE)
    tutorials = configuration.partition("- Tutorials:")[2].partition("- How-to")[0]
    assert str(TUTORIAL.relative_to(ROOT / "docs")) in tutorials


def test_the_tutorial_goes_step_by_step() -> None:
    headings = re.findall(r"^## (.+)$", TUTORIAL.read_text("utf-8"), re.MULTILINE)
    *steps, last = headings
    assert len(steps) > 5
    assert [step.partition(". ")[0] for step in steps] == [str(n + 1) for n in range(len(steps))]
    assert last == "What you have seen"


@pytest.mark.parametrize(
    ("where", "read"),
    [
        ("--workdir run-1", ["state.json", "metrics/epoch_001.json"]),
        ("--workdir '~/run-1'", ["state.json"]),
    ],
    ids=["here", "on a cluster"],
)
def test_in_the_tutorial_a_run_is_inspected(where: str, read: list[str]) -> None:
    """Between its start and that of the next run."""
    commands = commands_in(TUTORIAL)
    starts = [n for n, text in enumerate(commands) if f"{MODULE} " in text]
    [start] = [n for n in starts if where in commands[n]]
    following = next(n for n in starts if n > start)
    typed = "".join(commands[start + 1 : following])
    assert [file for file in read if f" run-1/{file}" not in typed] == []


def test_the_tutorial_has_the_flags_and_files_of_the_example() -> None:
    page = TUTORIAL.read_text("utf-8")
    typed = set(re.findall(r"--[a-z-]+", "".join(re.findall(rf"{MODULE}.*?[^\\]\n", page, re.S))))
    assert {"--epochs", "--epoch-steps", "--steps-per-job-cap", "--workdir"} <= typed
    assert typed <= options_of(workflow.arguments())
    for flag in ("--partition-workflow", "--partition-train", "--partition-eval"):
        assert f"`{flag}`" in page
    for file in ("state.json", "checkpoints/epoch_000.json", "metrics/epoch_000.json"):
        assert f"/run-1/{file}" in page
