"""Shared by all tiers: the SDK as jobs have it, unpacked once for all tests and with the bytecode there is."""

from __future__ import annotations

import compileall
import gc
import io
import os
import shutil
import zipfile
from collections.abc import Callable
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from filelock import FileLock

import slurm
from slurm.agent.directories import make_private_directory
from slurm.job_dir.paths import SDK
from slurm.packaging.sdk_archive import archive_for

# A project of its own, whose tests are run in a process of their own.
collect_ignore = ["downstream"]
FAULTS = "tests/slurm/faults/"
# The files of each tier that take longest: begun with, they are done when the others are.
LONGEST = (
    "tests/conformance/test_time_limits.py",
    FAULTS,
    "tests/slurm/test_downstream_project.py",
    "tests/slurm/test_sleeping_client.py",
    "tests/test_runs_page.py",
    "tests/slurm/test_example_on_the_cluster.py",
    "tests/slurm/at_most_once/test_lost_answers_of_sbatch.py",
    "tests/slurm/test_enforced_accounting.py",
    "tests/slurm/test_wheel_on_the_cluster.py",
    "tests/slurm/test_source_dependencies.py",
    "tests/slurm/test_large_files.py",
    "tests/unit/runner/test_scripts.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have whoever runs several files at once begin with the longest."""

    def place(item: pytest.Item) -> int:
        return next(
            (n for n, one in enumerate(LONGEST) if item.nodeid.startswith(one)), len(LONGEST)
        )

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over all that has been loaded for the tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """``--dist loadfile``, and the files of a folder of faults in one process: that has a cluster for them."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler.loadfile import LoadFileScheduling

    class ByFile(LoadFileScheduling):  # type: ignore[misc]  # which has no types
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return file.rpartition("/")[0] if file.startswith(FAULTS) else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def sdk_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory ``.sdk`` of a job base; processes of pytest-xdist share it."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    archive = archive_for(str(shared / "sdk"))
    with FileLock(shared / "sdk.lock"):
        if not Path(archive.directory).exists():
            new = shared / "sdk.new"
            new.mkdir(mode=0o700)
            with zipfile.ZipFile(io.BytesIO(archive.content)) as packed:
                packed.extractall(new)
            for package in (slurm, cloudpickle):
                give_bytecode(Path(str(package.__file__)).parent, new)
            compileall.compile_dir(new, quiet=2)  # what has none yet
            make_private_directory(os.path.dirname(archive.directory))
            new.rename(archive.directory)
    return Path(archive.directory).parent


def give_bytecode(package: Path, directory: Path) -> None:
    """Have the copy of `package` in `directory` find the bytecode that the original has.

    It is known by the time of its source, so the copies get that.
    """
    for source in package.rglob("*.py"):
        copy, bytecode = directory / source.relative_to(package.parent), cache_from_source(source)
        if copy.exists() and os.path.exists(bytecode):
            os.utime(copy, ns=(0, source.stat().st_mtime_ns))
            (copy.parent / "__pycache__").mkdir(exist_ok=True)
            shutil.copyfile(bytecode, cache_from_source(copy))


@pytest.fixture(scope="session")
def lend_sdk(sdk_directory: Path) -> Callable[[Path], None]:
    """Makes a job base that has the SDK, as if jobs had run there: the first one need not compile it."""

    [code] = sdk_directory.iterdir()

    def lend(base: Path) -> None:
        for folder in (base, base / SDK, base / SDK / code.name):
            folder.mkdir(mode=0o700, parents=True)
        for part in code.iterdir():
            (base / SDK / code.name / part.name).symlink_to(part)

    return lend
