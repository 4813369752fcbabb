"""The archive of the SDK's own code: the same content has the same name, and it runs anywhere."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.helpers.processes import RunPython

import slurm
from slurm.packaging.sdk_archive import archive_for

PRINT = (
    "import hashlib; from slurm.packaging.sdk_archive import archive_for; a = archive_for('/b')\n"
    "print(a.directory, hashlib.sha256(a.content).hexdigest())"
)
PRINT_NAME = "from slurm.packaging.sdk_archive import archive_for; print(archive_for('/b').directory, end='')"


def test_the_same_content_has_the_same_name_and_bytes(run_python: RunPython) -> None:
    archive = archive_for("/b")
    digest = hashlib.sha256(archive.content).hexdigest()
    for seed in ("1", "2"):
        done = run_python("-c", PRINT, PYTHONHASHSEED=seed)
        assert done.stdout.split() == [archive.directory, digest]


def test_other_content_has_another_name_and_another_projects_slurm_is_said(
    tmp_path: Path, run_python: RunPython
) -> None:
    source = Path(slurm.__file__).parent
    shutil.copytree(source, tmp_path / "slurm", ignore=shutil.ignore_patterns("__pycache__"))
    done = run_python("-c", PRINT_NAME, PYTHONPATH=str(tmp_path))
    same = done.stdout
    assert same == archive_for("/b").directory
    assert done.stderr == ""
    (tmp_path / "slurm_sdk-0.4.6.dist-info").mkdir()
    with (tmp_path / "slurm" / "states.py").open("a") as file:
        file.write("\n")
    done = run_python("-c", PRINT_NAME, PYTHONPATH=str(tmp_path))
    other = done.stdout
    assert (
        f"is installed in {tmp_path}, and one of the two has overwritten the other" in done.stderr
    )
    assert Path(other).parent == Path(same).parent
    assert other != same


def test_it_lies_under_the_base_directory() -> None:
    archive = archive_for("/my jobs")
    assert archive.directory.startswith("/my jobs/.sdk/")
    assert archive_for("/other").content is archive.content
    assert "content" not in repr(archive)


def test_it_holds_what_a_node_needs_and_not_what_only_a_client_does() -> None:
    names = zipfile.ZipFile(io.BytesIO(archive_for("/b").content)).namelist()
    assert {"__main__.py", "slurm/runner/execute.py", "cloudpickle/__init__.py"} <= set(names)
    assert {"slurm/cluster.py", "slurm/agent/submission.py"} <= set(names), "workflows submit too"
    assert not [name for name in names if "testing" in name or "__pycache__" in name]
    assert len(names) == len(set(names))


@pytest.mark.local
def test_inside_a_job_it_is_the_one_that_runs(sdk_directory: Path) -> None:
    """A workflow's children use the archive that is there already; nothing is packed on the node."""
    [installed] = sdk_directory.iterdir()
    done = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            "import sys; sys.path.insert(0, sys.argv[1])\nfrom slurm.packaging.sdk_archive import archive_for\n"
            "a = archive_for('/other'); print(a.directory, len(a.content))",
            str(installed),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(installed), "0"]
