"""The copy of a project that its wheel is built in has what a build may read, and nothing that one has left."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from slurm.errors import PackagingError
from slurm.packaging.programs import run
from slurm.packaging.wheels.project_copy import copy_of
from slurm.packaging.wheels.project_state import READ_UP_TO, state_of

KEPT = ("pyproject.toml", "README.md", "csrc/fast.c", "src/mine/tasks.py", "tools/build/gen.py")
MADE = (
    "build/lib/mine/gone.py",
    "dist/mine.whl",
    "src/mine.egg-info/SOURCES.txt",
    "src/mine/__pycache__/tasks.pyc",
    ".venv/bin/python",
    "node_modules/a.js",
)
HIDDEN = (".cargo/config.toml", ".version")


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def git(folder: Path, *words: str) -> str:
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false"]
    argv = ["git", "-C", str(folder), *me, *words]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


def files_in(folder: Path) -> set[str]:
    """All files, those behind links too."""
    return {
        os.path.relpath(os.path.join(top, name), folder)
        for top, _, names in os.walk(folder, followlinks=True)
        for name in names
        if name != ".git"
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "it's" / "mine"
    write(folder, *KEPT, *MADE, *HIDDEN)
    return folder


@pytest.fixture
def committed(project: Path) -> Path:
    git(project, "init", "-q")
    ignored = (
        "build/\n!tools/build/\ndist\n*.egg-info\n__pycache__\n.venv\nnode_modules\ndata/\n*.bin\n"
    )
    (project / ".gitignore").write_text(ignored)
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    git(project, "tag", "v1")
    return project


def test_it_has_all_but_what_builds_and_environments_leave(project: Path) -> None:
    before = {path: path.lstat().st_mtime_ns for path in project.rglob("*")}
    state = state_of(project)
    with copy_of(project) as copy:
        assert copy.name == project.name
        assert files_in(copy) == {*KEPT, *HIDDEN}
        write(copy, "build/lib/new.py", "src/mine/_version.py", "pyproject.toml")
        folder = copy
    assert not folder.exists()
    assert {path: path.lstat().st_mtime_ns for path in project.rglob("*")} == before
    assert state_of(project) == state


def test_programs_stay_programs_and_large_files_are_not_copied(project: Path) -> None:
    (project / "configure").write_text("#!/bin/sh\n")
    (project / "configure").chmod(0o755)
    with (project / "src" / "mine" / "large.bin").open("wb") as file:
        file.truncate(READ_UP_TO + 1)
    with copy_of(project) as copy:
        assert os.access(copy / "configure", os.X_OK)
        assert (copy / "src" / "mine" / "large.bin").readlink() == project / "src/mine/large.bin"


def test_links_lead_where_they_lead_in_the_project(project: Path) -> None:
    write(project.parent, "beside/shared.py", "notes.md")
    (project / "src" / "mine" / "again.py").symlink_to("tasks.py")
    (project / "src" / "shared").symlink_to("../../beside")
    (project / "lib").symlink_to("src")  # whose files count below both names
    (project / "NOTES.md").symlink_to("../notes.md")
    (project / "broken").symlink_to("nowhere")
    with copy_of(project) as copy:
        assert (copy / "src/mine/again.py").resolve() == copy.resolve() / "src/mine/tasks.py"
        assert (copy / "lib").resolve() == copy.resolve() / "src"
        assert (copy / "src/shared/shared.py").read_text() == "beside/shared.py"
        assert (copy / "NOTES.md").read_text() == "notes.md"
        assert (copy / "broken").is_symlink()
        assert not (copy / "lib/mine/tasks.py").samefile(project / "src/mine/tasks.py")


def test_git_says_of_the_copy_what_it_says_of_the_project(committed: Path) -> None:
    write(committed, "data/big/table.csv", "data/small.csv", "blob.bin")
    index = (committed / ".git" / "index").read_bytes()
    with copy_of(committed) as copy:
        assert files_in(copy) >= {
            *KEPT,
            *HIDDEN,
            "data/big/table.csv",
            "data/small.csv",
            "blob.bin",
        }
        assert files_in(copy).isdisjoint(MADE)
        assert git(copy, "status", "--porcelain") == ""
        assert git(copy, "describe", "--tags", "--dirty") == "v1"
        assert git(copy, "rev-parse", "--show-toplevel") == str(copy.resolve())
        assert "csrc/fast.c" in git(copy, "ls-files").splitlines()
    assert (committed / ".git" / "index").read_bytes() == index
    (committed / "README.md").unlink()
    write(committed, "new.txt")
    with copy_of(committed) as copy:
        assert git(copy, "status", "--porcelain") == git(committed, "status", "--porcelain")
        assert git(copy, "describe", "--tags", "--dirty") == "v1-dirty"
        git(copy, "add", ".")
    assert git(committed, "diff", "--cached", "--name-only") == ""


def test_what_git_tracks_is_there_whatever_it_is_called(committed: Path) -> None:
    write(committed, "build/rules.mk", "build/lib/left.py")
    git(committed, "add", "-f", "build/rules.mk")
    before = state_of(committed)
    with copy_of(committed) as copy:
        assert [str(path.relative_to(copy)) for path in copy.glob("build/**/*")] == [
            "build/rules.mk"
        ]
    (committed / "build" / "rules.mk").write_text("edited")
    assert state_of(committed) != before


def test_in_a_working_tree_of_its_own_git_says_the_same(committed: Path, tmp_path: Path) -> None:
    git(committed, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    git(tmp_path / "tree", "commit", "-q", "--allow-empty", "-m", "second")
    with copy_of(tmp_path / "tree") as copy:
        assert git(copy, "rev-parse", "--abbrev-ref", "HEAD") == "other"
        assert git(copy, "describe", "--tags", "--dirty").startswith("v1-1-g")


def test_in_a_hook_of_gits_the_users_index_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook's environment names the user's repository and index, whatever directory a program is started in."""
    write(tmp_path, "lib/code.py", "mine/pyproject.toml")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "all")
    index = tmp_path / ".git/index"
    before = index.read_bytes()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(index))
    with copy_of(tmp_path / "mine") as copy:
        (copy / "pyproject.toml").write_text("edited by the build")
        said = run("git failed", ["git", "-C", str(copy), "status", "--porcelain", "."])
    assert said.split() == ["M", "mine/pyproject.toml"]
    assert index.read_bytes() == before


def test_a_project_below_the_top_sees_what_is_beside_it(tmp_path: Path) -> None:
    top = tmp_path / "all"
    write(top, "LICENSE", "packages/mine/pyproject.toml", "packages/mine/src/mine/a.py")
    write(top, "packages/other/pyproject.toml")
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-qm", "first")
    git(top, "tag", "v1")
    project = top / "packages" / "mine"
    with copy_of(project) as copy:
        assert (copy / "../../LICENSE").read_text() == "LICENSE"
        assert (copy / "../other/pyproject.toml").is_file()
        assert not (copy / "src/mine/a.py").samefile(project / "src/mine/a.py")
        assert git(copy, "rev-parse", "--show-prefix") == "packages/mine/"
        assert git(copy, "status", "--porcelain", "--untracked-files=no") == ""
        assert git(copy, "describe", "--tags", "--dirty") == "v1"
    (top / "LICENSE").write_text("another")
    with copy_of(project) as copy:
        assert git(copy, "describe", "--tags", "--dirty") == "v1-dirty"
    assert git(top, "ls-files", "-v", "LICENSE") == "H LICENSE"


def test_no_room_for_it_is_one_line_that_says_where(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copy2", full)
    said = r"copying the project to /.*No space left.*TMPDIR"
    with pytest.raises(PackagingError, match=said), copy_of(project):
        pass
