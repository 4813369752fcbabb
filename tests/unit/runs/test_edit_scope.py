"""Which paths a tool may write, links and ``..`` followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slurm.errors import ConfigError
from slurm.runs.edit_scope import EditScope
from slurm.runs.policy import load_policy


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("SLURM_POLICY", raising=False)
    root = tmp_path / "project"
    for folder in (".git", ".slurm", "src", "docs", "plan/iter1/runs", "plan/iter10"):
        (root / folder).mkdir(parents=True)
    (root / "plan/iter1/design.yaml").touch()
    monkeypatch.chdir(root)
    return root


def scope(mode: str, *more: str, iteration: str | None = "plan/iter1") -> EditScope:
    lines = [f"agent_runner.edit_scope.mode: {mode}", *more]
    Path(".slurm/policy.yaml").write_text("\n".join(lines))
    return EditScope(load_policy(), iteration=None if iteration is None else Path(iteration))


def outside(scope: EditScope, *paths: str) -> list[str]:
    return [one.path for one in scope.outside(paths)]


INSIDE = (
    "plan/iter1",
    "plan/iter1/run_slurm.sbatch",
    "plan/iter1/new/../deep/x",
    "./plan//iter1/x",
)
CORE = ("src", "src/model.py", "scripts/new.sh", "slurm/a.sbatch", "docs/slurm_job_list.md")
REST = (
    "README.md",
    "plan/iter10/x",
    "plan/iter1x",
    "docs/other.md",
    "srcs/x",
    "plan/iter1/../x",
    ".",
)
ELSEWHERE = (
    "/etc/passwd",
    "..",
    "../x",
    "src/../../x",
    "/",
    "",
    ".git/hooks/x",
    ".slurm/policy.yaml",
    ".slurm",
    "src/.git/config",
    ".GIT/x",
    ".Slurm/x",
)


def test_iteration_only() -> None:
    found = scope("iteration_only")
    assert outside(found, *INSIDE) == []
    assert outside(found, *CORE, *REST, *ELSEWHERE) == [*CORE, *REST, *ELSEWHERE]


def test_iteration_plus_core() -> None:
    found = scope("iteration_plus_core")
    assert outside(found, *INSIDE, *CORE) == []
    assert outside(found, *REST, *ELSEWHERE) == [*REST, *ELSEWHERE]


def test_any_is_the_project_and_no_more() -> None:
    found = scope("any")
    assert outside(found, *INSIDE, *CORE, *REST) == []
    assert outside(found, *ELSEWHERE) == list(ELSEWHERE)


def test_a_link_is_what_it_leads_to(project: Path) -> None:
    for name, target in (
        ("out", "/etc"),
        ("file", "/etc/passwd"),
        ("up", "../.."),
        ("hooks", "../../.git"),
        ("core", "../../src"),
        ("dangling", "/nowhere/at/all"),
        ("loop", "loop"),
        ("twice", "out/passwd"),
    ):
        (project / "plan/iter1" / name).symlink_to(target)
    found = scope("iteration_plus_core")
    escapes = (
        "out/new",
        "file",
        "up/README.md",
        "hooks/pre-commit",
        "dangling",
        "loop",
        "loop/x",
        "twice",
        "core/../README.md",
    )
    paths = [f"plan/iter1/{name}" for name in escapes]
    assert outside(found, *paths, "plan/iter1/core/model.py") == paths
    assert "(it leads to /etc/passwd)" in found.reason("plan/iter1/twice")


def test_a_dotdot_after_a_link_goes_up_from_where_that_leads(project: Path) -> None:
    (project / "deep/er").mkdir(parents=True)
    (project / "plan/iter1/away").symlink_to("../../deep/er")
    assert scope("iteration_only").reason("plan/iter1/away/../x")  # which is deep/x


def test_an_iteration_that_is_a_link_out_of_the_project_is_refused(
    project: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project / "plan/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="outside of the project"):
        scope("iteration_only", iteration="plan/link")


def test_a_core_directory_that_leads_away_allows_nothing_there(
    project: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project / "linked").symlink_to(tmp_path / "elsewhere")
    found = scope("iteration_plus_core", "agent_runner.edit_scope.core_dirs: [linked]")
    assert outside(found, "linked/x", "src/x") == ["linked/x", "src/x"]


def test_all_of_the_project_as_core_still_leaves_out_what_is_run() -> None:
    found = scope("iteration_plus_core", "agent_runner.edit_scope.core_dirs: [.]")
    assert outside(found, "README.md", ".git/x", ".slurm/policy.yaml") == [
        ".git/x",
        ".slurm/policy.yaml",
    ]


def test_the_iteration_is_the_one_around_the_working_directory(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope("iteration_only")
    monkeypatch.chdir(project / "plan/iter1/runs")
    assert outside(EditScope(load_policy()), "x", "../x", "../../x") == ["../../x"]


def test_without_an_iteration_there_is_none_to_write_in() -> None:
    with pytest.raises(ConfigError, match="name it with --iteration"):
        scope("iteration_only", iteration=None)
    assert outside(scope("iteration_plus_core", iteration=None), "src/x", "plan/iter1/x") == [
        "plan/iter1/x"
    ]


def test_an_iteration_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        scope("any", iteration="plan/iter2")


def test_a_root_that_is_reached_by_a_link_is_the_same(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope("iteration_only")
    (tmp_path / "alias").symlink_to(project)
    monkeypatch.chdir(tmp_path / "alias/plan/iter1")
    found = EditScope(load_policy())
    assert outside(
        found, "x", str(tmp_path / "alias/plan/iter1/y"), os.path.join(project, "z")
    ) == [os.path.join(project, "z")]
