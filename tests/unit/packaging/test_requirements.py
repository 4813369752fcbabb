"""What a project requires: of its lock file, or of its ``pyproject.toml``, for another Python than this one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.wheels import only_from, write_wheel

import slurm
from slurm.errors import ConfigError, PackagingError
from slurm.packaging.environments.interpreter_facts import facts
from slurm.packaging.environments.requirements import Requirements, requirements_of
from slurm.packaging.environments.resolving import wheels_for
from slurm.packaging.environments.target import Target

HERE = Target.told(facts())


def target(**changes: Any) -> Target:
    """A cluster's Python, which is like the one here but for this."""
    about = {**facts(), **changes}
    major, minor, *_ = about["version"]
    version = {"python_version": f"{major}.{minor}", "python_full_version": f"{major}.{minor}.1"}
    about["markers"] = {**about["markers"], **version}
    return Target.told(about)


ALMA = target(version=[3, 9, 1], abi="cp39", platform="linux-aarch64", libc=["glibc", 2, 28])
ALPINE = target(version=[3, 12, 1], abi="cp312", platform="linux-x86_64", libc=["musl", 1, 2])


TRY = """\
from slurm.packaging.environments.interpreter_facts import facts
from slurm.packaging.environments.target import Target
try:
    print(pip_for(Target.told(facts()))[1])
except Exception as error:
    print(type(error).__name__, error)
"""
NO_UV = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def python_without_pip(tmp_path: Path) -> list[str]:
    """A Python with nothing but the SDK and what that needs to look for packages."""
    import packaging

    folder = tmp_path / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for module in (slurm, packaging):
        there = Path(str(module.__file__)).parent
        (packages / there.name).symlink_to(there)
    return [str(folder / "bin" / "python")]


def project(folder: Path, *dependencies: str, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    text = f"[project]\nname = 'mine'\nversion = '1'\ndependencies = {list(dependencies)!r}\n{more}"
    (folder / "pyproject.toml").write_text(text)
    return folder


def required(folder: Path, *extras: str) -> Sequence[str]:
    found = requirements_of(folder, None, extras)
    return found.lines() if found else []


def names(wheels: Sequence[Path]) -> list[str]:
    return [one.name for one in wheels if not one.name.startswith("pip-")]


def resolved(folder: Path, there: Target = HERE) -> list[str]:
    """The wheels that are chosen for what the project requires."""
    found = requirements_of(folder, None, ())
    assert isinstance(found, Requirements)
    work = folder / "work"
    work.mkdir()
    return names(wheels_for(found, there, work))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which pip looks for wheels; there is neither an index nor uv."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in only_from(folder).items():
        monkeypatch.setenv(name, value)
    return folder


# --- what is required ----------------------------------------------------------------------------


def test_dependencies_and_extras_of_a_project(tmp_path: Path) -> None:
    optional = "[project.optional-dependencies]\ngpu = ['jax']\nall = ['mine[gpu]', 'rich']\n"
    mine = project(tmp_path / "mine", "numpy>=1", "slurm_tasks[rich]>=0.1", more=optional)
    assert required(mine) == ["numpy>=1"]
    assert required(mine, "all") == ["numpy>=1", "rich", "jax"]
    with pytest.raises(ConfigError, match=r"no extra 'cpu'; it has \['all', 'gpu'\]"):
        required(mine, "cpu")


def test_what_lies_beside_it_as_source_is_left_out_with_what_that_requires(tmp_path: Path) -> None:
    lib = project(tmp_path / "lib", "scipy")
    project(tmp_path / "other", "pandas")
    sources = "[tool.uv.sources]\nother = {path = '../other', editable = true}\nmember = {workspace = true}\n"
    needs = ("numpy", f"lib @ {lib.as_uri()}", "other", "member")
    assert required(project(tmp_path / "mine", *needs, more=sources)) == [
        "numpy",
        "scipy",
        "pandas",
    ]


def test_the_key_is_that_of_the_requirements_and_not_of_the_project(tmp_path: Path) -> None:
    def key(*lines: str, more: str = "") -> str:
        found = requirements_of(project(tmp_path / "mine", *lines, more=more), None, ())
        assert found is not None
        return found.key

    assert key("numpy", "rich") == key("rich", "numpy", more="description = 'edited'\n")
    assert key("numpy") != key("numpy>=2")


def test_a_requirements_file_with_hashes_is_a_lock(tmp_path: Path) -> None:
    mine = project(tmp_path / "mine", "numpy")
    listed = mine / "requirements.txt"
    listed.write_text("tiny==1.0  # not locked\n")
    assert required(mine) == ["numpy"]
    listed.write_text(
        "# made by a tool\n--extra-index-url https://example.org/simple\n"
        "tiny==1.0 ; python_version > '3' \\\n    --hash=sha256:ab \\\n    --hash=sha256:cd\n    # via mine\n"
        "-e ./lib\nslurm-tasks==0.1 --hash=sha256:ef\n-r more.txt\n"
    )
    (mine / "more.txt").write_text("more==2 --hash=sha256:12\n")
    assert required(mine) == [
        "--extra-index-url https://example.org/simple",
        "tiny==1.0 ; python_version > '3' --hash=sha256:ab --hash=sha256:cd",
        "more==2 --hash=sha256:12",
    ]
    with pytest.raises(ConfigError, match=r"extras \['gpu'\] cannot be chosen"):
        required(mine, "gpu")


def test_a_pylock_is_a_lock(tmp_path: Path) -> None:
    mine = project(tmp_path / "mine", "tiny")
    wheel = (
        "wheels = [{name = 'x.whl', url = 'https://example.org/x.whl', hashes = {sha256 = 'ab'}}]"
    )
    text = (
        "lock-version = '1.0'\ncreated-by = 'a tool'\n"
        f"[[packages]]\nname = 'tiny'\nversion = '1.0'\nmarker = \"os_name == 'posix'\"\n{wheel}\n"
        f"[[packages]]\nname = 'slurm-tasks'\nversion = '1.0'\n{wheel}\n"
        "[[packages]]\nname = 'lib'\n[packages.directory]\npath = './lib'\neditable = true\n"
    )
    lock = mine / "pylock.toml"
    lock.write_text(text)
    assert required(mine) == ["tiny==1.0 ; os_name == 'posix' --hash=sha256:ab"]
    lock.write_text(text + "[[packages]]\nname = 'far'\n[packages.vcs]\ntype = 'git'\nurl = 'x'\n")
    with pytest.raises(ConfigError, match="far is a repository, and only wheels are sent"):
        required(mine)


def test_dependencies_that_only_a_build_knows_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    text = "[project]\nname = 'mine'\ndynamic = ['version', 'dependencies']\n"
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match="leaves its dependencies to the build: lock them"):
        required(folder)
    (folder / "requirements.txt").write_text("tiny\n")
    assert required(folder) == ["tiny"], "a list beside it is taken"


@pytest.mark.parametrize("line", ["numpy >", "two words", "a @ "])
def test_what_is_no_requirement_is_said(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"pyproject\.toml: .* is no requirement"):
        required(project(tmp_path / "mine", line))


GIT = {"git": "https://example.org/far", "rev": "v1", "subdirectory": "python"}
WHEEL_URL = "https://example.org/far-1.0-py3-none-any.whl"


def as_source(value: dict[str, str] | list[dict[str, str]]) -> str:
    """A table ``[tool.uv.sources]`` that says where `far` is taken from."""
    if isinstance(value, list):
        return f"[tool.uv.sources]\nFar = [{', '.join(map(inline, value))}]\n"
    return f"[tool.uv.sources]\nFar = {inline(value)}\n"


def inline(table: dict[str, str]) -> str:
    return "{" + ", ".join(f'{key} = "{value}"' for key, value in table.items()) + "}"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (GIT, "far[gpu] @ git+https://example.org/far@v1#subdirectory=python ; os_name == 'posix'"),
        ({"url": WHEEL_URL}, f"far[gpu] @ {WHEEL_URL} ; os_name == 'posix'"),
        ([{"url": WHEEL_URL}], f"far[gpu] @ {WHEEL_URL} ; os_name == 'posix'"),
    ],
)
def test_what_uv_takes_from_elsewhere_is_taken_from_there(
    tmp_path: Path, source: dict[str, str], line: str
) -> None:
    needs = ("far[gpu]>=1 ; os_name == 'posix'", "tiny")
    expected = [line.replace("'", '"'), "tiny"]
    assert required(project(tmp_path / "mine", *needs, more=as_source(source))) == expected
    block = "\n".join([f"dependencies = {list(needs)!r}", *as_source(source).splitlines()])
    script = tmp_path / "train.py"
    script.write_text(
        "# /// script\n" + "".join(f"# {x}\n" for x in block.splitlines()) + "# ///\n"
    )
    found = requirements_of(None, script, ())
    assert found is not None
    assert found.lines() == expected


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"index": "inner"}, "far is to come from the index 'inner' alone.* uv lock"),
        ([{"index": "inner"}], "far is to come from the index 'inner' alone.* uv lock"),
        ([{"index": "a", "marker": "x"}, {"path": "../lib"}], "far .* by conditions.* uv lock"),
        ({"url": WHEEL_URL, "marker": "os_name == 'nt'"}, "far .* by conditions.* uv lock"),
        ({"path": "libs/far-1.0-py3-none-any.whl"}, "far .*/mine/libs/far-1.0-.* is not there"),
        ({"path": "../gone"}, "far .*/gone, which is not there"),
        ({"url": "https://a.org/x.whl\\nevil"}, "far .*, which is no address"),
        ({"path": "far-1.0.tar.gz"}, "far is taken from .*/far-1.0.tar.gz, and only wheels"),
        ({"conda": "x"}, "far is taken from {'conda': 'x'}, which is not understood"),
        ([], r"far is taken from \[\], which is not understood"),
    ],
)
def test_where_it_cannot_be_taken_from_it_is_refused_by_name(
    tmp_path: Path, source: dict[str, str] | list[dict[str, str]], why: str
) -> None:
    mine = project(tmp_path / "mine", "far", more=as_source(source))
    (mine / "far-1.0.tar.gz").touch()
    with pytest.raises(ConfigError, match=rf"pyproject\.toml: {why}"):
        required(mine)
    (mine / "requirements.txt").write_text("far==1 --hash=sha256:ab\n")
    assert required(mine) == ["far==1 --hash=sha256:ab"], "a lock file is there"


@pytest.mark.story
def test_a_wheel_beside_the_project_is_sent_and_belongs_to_the_key(
    tmp_path: Path, index: Path
) -> None:
    wheel = write_wheel(tmp_path / "mine" / "libs", "far")
    write_wheel(index, "far", "9.0")
    more = as_source({"path": "libs/far-1.0-py3-none-any.whl"})
    mine = project(tmp_path / "mine", "far>=0.1", more=more)
    assert required(mine) == [f"far @ {wheel.as_uri()}"]
    assert resolved(mine) == ["far-1.0-py3-none-any.whl"]
    first = requirements_of(mine, None, ())
    write_wheel(mine / "libs", "far", files={"far.py": "VERSION = 'edited'\n"})
    second = requirements_of(mine, None, ())
    assert first is not None
    assert second is not None
    assert first.key != second.key
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "pyproject.toml").touch()
    (plain / "requirements.txt").write_text("./far-1.0-py3-none-any.whl\n")
    write_wheel(plain, "far")
    third = requirements_of(plain, None, ())
    write_wheel(plain, "far", files={"far.py": "VERSION = 'edited'\n"})
    fourth = requirements_of(plain, None, ())
    assert third is not None
    assert fourth is not None
    assert third.key != fourth.key


def test_a_git_source_is_refused_where_wheels_are_sent(tmp_path: Path, index: Path) -> None:
    write_wheel(index, "far")
    mine = project(tmp_path / "mine", "far", more=as_source(GIT))
    with pytest.raises(PackagingError, match=r"far has no wheel .*, and only wheels are sent"):
        resolved(mine)
    archive = project(tmp_path / "other", "far @ https://example.org/far-1.0.tar.gz")
    with pytest.raises(PackagingError, match=r"far has no wheel .*, and only wheels are sent"):
        resolved(archive)


@pytest.mark.parametrize(
    ("text", "whom"),
    [("[tool.poetry.dependencies]\npython = '^3.9'\ntiny = '^1'\n", "poetry"), ("", "setup.py")],
)
def test_dependencies_that_only_another_tool_knows_are_refused(
    tmp_path: Path, text: str, whom: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    if whom == "setup.py":
        assert required(tmp_path) == [], "there is nothing to depend on anything"
        (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup()\n")
    with pytest.raises(ConfigError, match=rf"leaves its dependencies to {whom}: lock them in"):
        required(tmp_path)
    (tmp_path / "requirements.txt").write_text("tiny\n")
    assert required(tmp_path) == ["tiny"]


def key_of(folder: Path) -> str:
    found = requirements_of(folder, None, ())
    assert found is not None
    return found.key


def test_what_a_lock_includes_belongs_to_it(tmp_path: Path) -> None:
    mine = project(tmp_path / "mine", "numpy")
    listed, more, last = (mine / name for name in ("requirements.txt", "more.txt", "last.txt"))
    listed.write_text("-r more.txt\n")
    more.write_text("-r last.txt\nmore==2 --hash=sha256:12\n")
    last.write_text("last==1\n")
    assert required(mine) == ["numpy"], "one of them has no hash"
    last.write_text("last==1 --hash=sha256:34\n")
    assert required(mine) == ["last==1 --hash=sha256:34", "more==2 --hash=sha256:12"]
    first = key_of(mine)
    last.write_text("last==1 --hash=sha256:56\n")
    second = key_of(mine)
    listed.write_text("-r more.txt\ntiny==1.0 --hash=sha256:ab\n")
    third = key_of(mine)
    last.write_text("last==1 --hash=sha256:78\n")
    assert len({first, second, third, key_of(mine)}) == 4


def test_files_that_include_each_other_are_said(tmp_path: Path) -> None:
    mine = project(tmp_path / "mine", "numpy")
    listed = mine / "requirements.txt"
    listed.write_text("-r requirements.txt\n")
    assert required(mine) == ["numpy"], "it is no lock, and not asked for"
    (mine / "more.txt").write_text("-r ./requirements.txt\n")
    for text in ("-r requirements.txt\ntiny==1 --hash=sha256:ab\n", "-r more.txt\n# --hash=\n"):
        listed.write_text(text)
        with pytest.raises(ConfigError, match=r"requirements\.txt includes itself"):
            required(mine)
    (mine / "pyproject.toml").write_text("")
    listed.write_text("-r more.txt\n")
    with pytest.raises(ConfigError, match=r"requirements\.txt includes itself"):
        required(mine)


PACKAGE = "[[packages]]\nname = 'tiny'\nversion = '1'\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[packages]]\nversion = '1'\n", "a package has no name"),
        ("packages = 'x'\n", "packages is no list of tables"),
        ("packages = ['x']\n", "packages is no list of tables"),
        (f"{PACKAGE}wheels = 'x'\n", "tiny: wheels is no list of tables"),
        (f"{PACKAGE}sdist = 'x'\n", "tiny: sdist is no table"),
        (f"{PACKAGE}wheels = [{{hashes = 'x'}}]\n", "tiny: hashes is no table"),
        (f"{PACKAGE}wheels = [{{hashes = {{md5 = 'ab'}}}}]\n", "tiny has no hash that is kept to"),
    ],
)
def test_a_pylock_that_is_none_is_said(tmp_path: Path, text: str, why: str) -> None:
    mine = project(tmp_path / "mine", "tiny")
    (mine / "pylock.toml").write_text(text)
    with pytest.raises(ConfigError, match=rf"pylock\.toml: {why}"):
        required(mine)


def test_a_pylock_may_have_other_hashes(tmp_path: Path) -> None:
    mine = project(tmp_path / "mine", "tiny")
    (mine / "pylock.toml").write_text(f"{PACKAGE}wheels = [{{hashes = {{sha512 = 'ab'}}}}]\n")
    assert required(mine) == ["tiny==1 --hash=sha512:ab"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("project = 'x'\n", "project is no table"),
        ("[tool]\nuv = 'x'\n[project]\n", r"tool\.uv is no table"),
        ("tool = 'x'\n[project]\n", "tool is no table"),
        ("[project]\n[tool.uv]\nsources = 'x'\n", r"tool\.uv\.sources is no table"),
        ("[project]\ndynamic = 1\n", r"project\.dynamic is no list"),
        ("[project]\noptional-dependencies = 1\n", "optional-dependencies is no table"),
    ],
)
def test_a_project_file_that_is_none_is_said(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match=rf"pyproject\.toml: {why}"):
        required(tmp_path)


OLD_LOCK = """\
version = 1
[[package]]
name = "mine"
[package.metadata]
provides-extras = ["gpu"]
requires-dist = [
    {{ name = "far", url = "https://example.org/far-1.0-py3-none-any.whl" }},
    {{ name = "jax", marker = "extra == 'gpu'" }},
    {{ name = "tiny-one", extras = ["a"], specifier = "{}", marker = "python_full_version >= '3.9'" }},
]
"""


@pytest.mark.parametrize(
    ("needs", "locked", "is_old"),
    [
        (["Tiny_one[a] >= 1.0 ; python_version >= '3.9'", "far"], ">=1.0", False),
        (["tiny-one[a]<2,>=1", "far @ https://example.org/x.whl"], ">=1,<2", False),
        (["tiny-one[a]>=2", "far"], ">=1", True),
        (["tiny-one>=1", "far"], ">=1", True),
        (["tiny-one[a]>=1", "far", "more"], ">=1", True),
        (["tiny-one[a]>=1"], ">=1", True),
    ],
)
def test_a_lock_that_is_out_of_date_is_refused(
    tmp_path: Path, needs: list[str], locked: str, is_old: bool
) -> None:
    optional = "[project.optional-dependencies]\ngpu = ['jax', 'mine[gpu]']\n"
    mine = project(tmp_path / "mine", *needs, more=optional)
    (mine / "uv.lock").write_text(OLD_LOCK.format(locked))
    if not is_old:
        assert requirements_of(mine, None, ())
        return
    with pytest.raises(
        PackagingError, match=r"uv\.lock is older than .*pyproject\.toml: run uv lock$"
    ):
        requirements_of(mine, None, ())


def test_a_lock_without_an_extra_is_out_of_date(tmp_path: Path) -> None:
    optional = "[project.optional-dependencies]\ngpu = ['jax']\nall = ['jax']\n"
    mine = project(tmp_path / "mine", "tiny-one[a]", "far", more=optional)
    (mine / "uv.lock").write_text(OLD_LOCK.format(""))
    with pytest.raises(PackagingError, match="is older than"):
        requirements_of(mine, None, ())


def test_a_scripts_lock_that_is_out_of_date_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("# /// script\n# dependencies = ['tiny>=1']\n# ///\n")
    lock = tmp_path / "train.py.lock"
    lock.write_text("[manifest]\nrequirements = [{ name = 'tiny', specifier = '>=1' }]\n")
    assert requirements_of(None, script, ())
    lock.write_text("[manifest]\nrequirements = [{ name = 'tiny', specifier = '>=2' }]\n")
    with pytest.raises(
        PackagingError, match=r"is older than .*: run uv lock --script .*train\.py$"
    ):
        requirements_of(None, script, ())


def test_a_scripts_metadata_is_its_environment(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    block = '# /// script\n# requires-python = ">=3.10"\n# dependencies = [\n#   "tiny>=1",\n#   "slurm-tasks",\n# ]\n# ///\n'
    script.write_text(f"#!/usr/bin/env python\n{block}print(1)\n")
    found = requirements_of(project(tmp_path / "mine", "numpy"), script, ())
    assert found is not None
    assert (list(found.lines()), found.python, found.origin) == (["tiny>=1"], ">=3.10", script)
    script.write_text(block + "\n" + block)
    with pytest.raises(ConfigError, match="2 blocks"):
        requirements_of(None, script, ())
    script.write_text("# /// script\n# dependencies = [\n# ///\n")
    with pytest.raises(ConfigError, match="is no TOML"):
        requirements_of(None, script, ())


# --- for which Python ----------------------------------------------------------------------------


@pytest.mark.local
def test_wheels_are_those_of_the_clusters_python_and_platform(tmp_path: Path, index: Path) -> None:
    for tag in (
        "cp39-cp39-manylinux_2_17_aarch64.manylinux2014_aarch64",
        "cp39-cp39-manylinux_2_34_aarch64",
        "cp39-cp39-manylinux_2_17_x86_64",
        "cp312-cp312-musllinux_1_1_x86_64",
    ):
        write_wheel(index, "compiled", tag=tag)
    write_wheel(index, "stable", tag="cp38-abi3-manylinux_2_28_aarch64")
    write_wheel(index, "stable", tag="cp38-abi3-musllinux_1_2_x86_64")
    write_wheel(index, "pip", tag="py3-none-any")
    needs = ("compiled", "stable", "never; python_version >= '3.99'")
    old = needs if sys.version_info < (3, 10) else (*needs, "backport; python_version < '3.10'")
    write_wheel(index, "backport", requires=["deeper; python_version == '3.9'"])
    write_wheel(index, "deeper")
    assert resolved(project(tmp_path / "one", *old), ALMA) == [
        "backport-1.0-py3-none-any.whl",
        "compiled-1.0-cp39-cp39-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        "deeper-1.0-py3-none-any.whl",
        "stable-1.0-cp38-abi3-manylinux_2_28_aarch64.whl",
    ]
    assert resolved(project(tmp_path / "two", *old), ALPINE) == [
        "compiled-1.0-cp312-cp312-musllinux_1_1_x86_64.whl",
        "stable-1.0-cp38-abi3-musllinux_1_2_x86_64.whl",
    ]


@pytest.mark.story
def test_a_package_without_a_wheel_for_it_is_refused_by_name(tmp_path: Path, index: Path) -> None:
    write_wheel(index, "compiled", tag="cp39-cp39-manylinux_2_34_aarch64")
    write_wheel(index, "above", requires=["compiled>=1"])
    with pytest.raises(PackagingError) as refused:
        resolved(project(tmp_path / "mine", "above"), ALMA)
    said = str(refused.value)
    assert "compiled>=1 has no wheel for Python 3.9 on linux aarch64 with glibc 2.28" in said
    assert "\n" not in said
    with pytest.raises(PackagingError, match=r"far has no wheel .*, and only wheels are sent"):
        resolved(project(tmp_path / "built", "far @ git+https://example.org/far"), ALMA)


@pytest.mark.story
def test_the_sdk_is_asked_of_no_index(tmp_path: Path, index: Path) -> None:
    write_wheel(index, "above", requires=["slurm-tasks[rich]>=0.0.1"])
    write_wheel(index, "slurm-tasks", "99.0")
    assert resolved(project(tmp_path / "mine", "above", "slurm-tasks")) == [
        "above-1.0-py3-none-any.whl"
    ]


@pytest.mark.story
def test_a_lock_is_kept_to_the_hash(tmp_path: Path, index: Path) -> None:
    wheel = write_wheel(index, "tiny")
    write_wheel(index, "tiny", "2.0")
    mine = project(tmp_path / "mine", "tiny")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (mine / "requirements.txt").write_text(f"tiny==1.0 --hash=sha256:{digest}\n")
    assert resolved(mine) == ["tiny-1.0-py3-none-any.whl"]
    shutil.rmtree(mine / "work")
    (mine / "requirements.txt").write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(PackagingError, match=r"could not be downloaded for .*: .*HASHES"):
        resolved(mine)


@pytest.mark.local
def test_an_index_that_does_not_answer_is_said(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(PackagingError, match="the index does not answer here: check the network"):
        resolved(project(tmp_path / "mine", "tiny"))


def test_a_lock_of_uv_needs_uv(tmp_path: Path, index: Path) -> None:
    mine = project(tmp_path / "mine", "tiny")
    (mine / "uv.lock").write_text("version = 1\n")
    with pytest.raises(PackagingError, match=r"uv\.lock can be read by uv alone"):
        resolved(mine)


@pytest.mark.local
def test_without_pip_and_uv_it_is_said_what_to_install(python_without_pip: list[str]) -> None:
    program = f"from slurm.packaging.environments.resolving import pip_for\n{TRY}"
    said = subprocess.check_output([*python_without_pip, "-c", program], text=True, env=NO_UV)
    assert said.startswith(
        "PackagingError nothing here can look for packages: uv is not on the PATH"
    )
    assert said.endswith("has no pip: install one of them\n")


# --- with uv -------------------------------------------------------------------------------------

UV = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))


@pytest.mark.story
def test_uv_resolves_and_its_lock_is_read(
    tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert UV is not None
    monkeypatch.setenv("PATH", f"{os.path.dirname(UV)}:/usr/bin:/bin")
    for name, value in {
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(index),
        "UV_OFFLINE": "1",
        "UV_NO_CONFIG": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_PYTHON", sys.executable)
    write_wheel(index, "above", requires=["below; python_version == '3.9'", "slurm-tasks"])
    write_wheel(index, "below")
    mine = project(tmp_path / "mine", "above", more="requires-python = '>=3.9'\n")
    wheels = ["above-1.0-py3-none-any.whl", "below-1.0-py3-none-any.whl"]
    write_wheel(index, "pip", "99.0")
    assert resolved(mine, ALMA) == wheels
    shutil.rmtree(mine / "work")
    write_wheel(index, "slurm-tasks", "0.1")
    subprocess.run([UV, "lock", "--quiet"], cwd=mine, check=True)
    write_wheel(index, "above", "2.0")
    assert resolved(mine, ALMA) == wheels
    project(tmp_path / "mine", "above>=2", more="requires-python = '>=3.9'\n")
    with pytest.raises(PackagingError, match=r"uv\.lock is older than .*: run uv lock$"):
        requirements_of(mine, None, ())


def test_what_is_installed_here_as_source_is_not_asked_of_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an index somebody else may have the name. What it requires itself is looked for."""
    (tmp_path / "liba").mkdir()
    lib = project(tmp_path / "liba", "far>=2")
    info = tmp_path / "site/liba-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: liba\nVersion: 1\n")
    (info / "direct_url.json").write_text(
        json.dumps({"url": lib.as_uri(), "dir_info": {"editable": True}})
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "app").mkdir()
    app = project(tmp_path / "app", "liba", "tiny")
    found = requirements_of(app, None, [])
    assert found is not None
    assert sorted(found.lines()) == ["far>=2", "tiny"]
