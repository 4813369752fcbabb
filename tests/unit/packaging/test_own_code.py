"""What is the user's own among this process's imports, and where it is searched for."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from slurm.job_dir.search_path import NODE_PATH, SDK_PATH, digest_of
from slurm.packaging.code.own_code import is_installed, own_modules, search_path

STDLIB = sysconfig.get_path("stdlib")
SITE = f"{STDLIB}/site-packages"


@pytest.mark.parametrize(
    "path",
    [
        STDLIB,
        f"{STDLIB}/lib-dynload",
        SITE,
        f"{SITE}/setuptools/_vendor",
        f"{sys.prefix}/lib/python3/dist-packages",
        f"{sys.base_prefix}/lib/python{sys.version_info[0]}{sys.version_info[1]}.zip",
        site.getusersitepackages(),
        os.__file__,
        pytest.__file__,
    ],
)
def test_what_belongs_to_the_interpreter(path: str) -> None:
    assert is_installed(path)


@pytest.mark.parametrize(
    "path",
    [
        "/home/me/project",
        f"{sys.prefix}/project/src",  # an environment around the project
        f"{sys.base_prefix}/src/app",  # as in images, below /usr
        f"{STDLIB}-of-mine",
        "/sw/modules/site-packages",  # on PYTHONPATH: not this interpreter's
        "",
    ],
)
def test_what_is_the_users_own(path: str) -> None:
    assert not is_installed(path)


def test_of_two_projects_of_which_one_is_in_the_other_the_inner_ones_copy_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monorepo, whose members may be repositories of their own."""
    outer, inner = tmp_path / "mono", tmp_path / "mono/libs/foo"
    (inner / "src").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(outer), str(inner / "src"), STDLIB])
    copies = {str(outer): "/jobs/mono", str(inner): "/jobs/foo"}
    found = search_path([], [], shared=False, copies=copies)
    assert [one for one in found if one.startswith("/jobs/")] == ["/jobs/mono", "/jobs/foo/src"]


def test_a_folder_that_holds_what_packaging_installs_comes_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a job would import the sources, which may have changed by then, and not what was packaged."""
    (tmp_path / "project" / "mine").mkdir(parents=True)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "single.py").touch()
    scripts, project, flat = (str(tmp_path / name) for name in ("scripts", "project", "flat"))
    monkeypatch.setattr(sys, "path", [scripts, project, flat, STDLIB])
    assert search_path((), (), shared=True) == (scripts, SDK_PATH, project, flat, NODE_PATH)
    packaged = ("mine", "single")
    assert search_path((), packaged, shared=True) == (scripts, SDK_PATH, NODE_PATH, project, flat)


def test_the_sdk_of_a_job_is_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job has one of its own."""
    (tmp_path / "SDK_ARCHIVE").touch()
    monkeypatch.setattr(sys, "path", ["/scripts", str(tmp_path), "/more", STDLIB, "/behind"])
    assert search_path((), (), shared=True) == ("/scripts", SDK_PATH, "/more", NODE_PATH, "/behind")


def test_own_modules_are_known_by_file_and_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "my_numbers.py"
    file.write_bytes(b"x = 1\r\n")
    module = ModuleType("my_numbers")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "my_numbers", module)
    assert own_modules()["my_numbers"] == (str(file), digest_of(b"x = 1\n"))
    file.write_bytes(b"x = 22\n")
    assert own_modules()["my_numbers"].digest == digest_of(b"x = 22\n")
    file.unlink()
    assert own_modules()["my_numbers"] == (str(file), "")
    assert "my_numbers" not in own_modules(without=["my_numbers"])
    assert not {"pytest", "json", "slurm", "slurm.task", "__main__"} & set(own_modules())


def test_where_a_module_is_from_is_looked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program has hundreds of modules, and each submission asks for the user's own among them."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), STDLIB])
    found = own_modules()
    resolved: list[str] = []
    real = os.path.realpath

    def noted(path: str) -> str:
        resolved.append(path)
        return real(path)

    monkeypatch.setattr(os.path, "realpath", noted)
    assert own_modules() == found
    search_path((), (), shared=True)
    assert sorted(resolved) == sorted(sys.path)
