"""Scripts: what a user's __main__ defined is found on the node, and its main part stays asleep."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.fakes import Programs
from tests.helpers.prepared import PreparedPython
from tests.helpers.processes import RunPython, execute

from slurm import errors
from slurm.api.requests import JobRequest
from slurm.job_dir.paths import SDK
from slurm.job_dir.result import load_envelope, open_envelope

HEAD = """
import pickle, sys
from dataclasses import dataclass
from pathlib import Path
from slurm import Cluster, task

@dataclass
class Config:
    rate: float

class OutOfLuck(Exception):
    pass

@task
def train(config):
    print("main is", __name__)
    return Config(config.rate * 2)

@task
def fails():
    raise OutOfLuck("this time")

def request(function, *args, name="request"):
    cluster = Cluster("slurm", job_base_dir="jobs")
    Path(name).write_bytes(pickle.dumps(cluster.dry_run(function, *args)))
    cluster.close()
"""


RunRequest = Callable[..., "tuple[Path, str]"]


@pytest.fixture
def run_request(tmp_path: Path, sdk_directory: Path, prepared_python: PreparedPython) -> RunRequest:
    """Run a request that a script has left, as a job; its directory and its output."""

    def run(name: str = "request") -> tuple[Path, str]:
        request: JobRequest = pickle.loads((tmp_path / name).read_bytes())  # noqa: S301 - ours
        if not (tmp_path / "jobs" / SDK).exists():
            (tmp_path / "jobs").mkdir()
            (tmp_path / "jobs" / SDK).symlink_to(sdk_directory)
        done = execute(request, {}, prepared_python)
        return Path(request.job_dir), done.stdout + done.stderr

    return run


def result_in(directory: Path) -> Any:
    return open_envelope(load_envelope((directory / "result.pkl").read_bytes()))


@pytest.mark.parametrize("way", ["a script", "python -m"])
def test_what_a_script_defines_goes_there_and_comes_back(
    way: str, tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    """Its functions, its classes among the arguments, in the result and among the exceptions."""
    (tmp_path / "mine.py").write_text(
        HEAD
        + """
from slurm.job_dir.result import load_envelope, open_envelope
if __name__ == "__main__":
    if sys.argv[1:]:
        read = lambda path: open_envelope(load_envelope(Path(path, "result.pkl").read_bytes()))
        value = read(sys.argv[1])
        assert type(value) is Config, type(value)
        print(value.rate)
        try:
            read(sys.argv[2])
        except OutOfLuck as error:
            print("caught", error)
    else:
        request(train, Config(0.25), name="trains")
        request(fails, name="fails")
"""
    )
    start = [str(tmp_path / "mine.py")] if way == "a script" else ["-m", "mine"]
    run_python(*start)
    trained, output = run_request("trains")
    assert output == "main is __main__\n"
    failed, _ = run_request("fails")
    assert run_python(*start, str(trained), str(failed)).stdout == "0.5\ncaught this time\n"


def test_a_script_whose_main_part_submits_when_it_is_loaded_is_told_so(
    tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    (tmp_path / "mine.py").write_text(
        HEAD
        + """
import os
if "CLIENT" in os.environ:
    request(train, Config(0.25))
else:
    with Cluster("slurm", job_base_dir="jobs"):
        train(Config(0.5))
"""
    )
    run_python("mine.py", CLIENT="1")
    directory, _ = run_request()
    with pytest.raises(errors.SlurmError, match=r"if __name__ == '__main__':") as caught:
        result_in(directory)
    assert "train" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "error", "shown"),
    [("1 / 0", ZeroDivisionError, "1 / 0"), ("sys.exit()", ImportError, "calls sys.exit(None)")],
)
def test_a_script_that_fails_to_load_is_an_error_that_shows_where(
    line: str,
    error: type[Exception],
    shown: str,
    tmp_path: Path,
    run_python: RunPython,
    run_request: RunRequest,
) -> None:
    (tmp_path / "mine.py").write_text(
        HEAD
        + 'import os\nif "CLIENT" in os.environ:\n    request(train, Config(1))\n'
        + f"else:\n    {line}\n"
    )
    run_python("mine.py", CLIENT="1")
    directory, output = run_request()
    with pytest.raises(error):
        result_in(directory)
    assert shown in output


def test_a_lambda_of_a_script_may_use_what_the_script_defined(
    tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    (tmp_path / "mine.py").write_text(
        HEAD
        + "def helper(c):\n    return c.rate + 1\n"
        + "if __name__ == '__main__':\n    request(task(lambda c: helper(c)), Config(2))\n"
    )
    run_python("mine.py")
    directory, _ = run_request()
    assert result_in(directory) == 3


def test_a_class_of_a_script_is_the_same_class_there_beside_what_goes_by_value(
    tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    (tmp_path / "mine.py").write_text(
        HEAD
        + "@task\ndef check(c, key):\n    return isinstance(c, Config), key(c)\n"
        + "if __name__ == '__main__':\n    request(check, Config(2), lambda c: c.rate)\n"
    )
    run_python("mine.py")
    directory, _ = run_request()
    assert result_in(directory) == (True, 2)


def test_a_workflow_of_a_script_submits_the_scripts_tasks(
    tmp_path: Path,
    run_python: RunPython,
    run_request: RunRequest,
    programs: Programs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs.add("sbatch", "echo 99")
    programs.add("squeue", "echo '99|RUNNING|None|c1|x'")
    (tmp_path / "mine.py").write_text(
        HEAD
        + "from slurm import workflow\n"
        + "@workflow\ndef pipeline(c):\n    return train(c).job_dir\n"
        + "if __name__ == '__main__':\n    request(pipeline, Config(3))\n"
    )
    run_python("mine.py")
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    directory, _ = run_request()
    child = Path(result_in(directory))
    assert child.parent == directory / "tasks" / "train"
    done = subprocess.run(["bash", child / "job.sh"], cwd=child, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"main is" in done.stdout


def test_what_was_typed_at_a_prompt_goes_by_value(
    run_python: RunPython, run_request: RunRequest
) -> None:
    """Functions, classes among the arguments, functions among the arguments."""
    run_python("-c", HEAD + TYPED)
    for name in ("function", "class among the arguments", "function among the arguments"):
        directory, _ = run_request(name)
        assert result_in(directory) == 2, name
        assert not (directory / "script.py").exists()
        assert sys.executable in (directory / "job.sh").read_text()


TYPED = """
request(task(lambda rate: rate), 2, name="function")
request(task(lambda c: c.rate), Config(2), name="class among the arguments")
def two():
    return 2
request(task(lambda f: f()), two, name="function among the arguments")
"""
