"""Scripts: what a user's __main__ defined is found on the node, and its main part stays asleep."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.prepared import PreparedPython
from tests.helpers.processes import RunPython, execute

from slurm import errors
from slurm.api.requests import JobRequest
from slurm.job_dir.paths import SDK
from slurm.job_dir.result import load_envelope, open_envelope
from slurm.testing.fake_slurm import FakeSlurm

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
        + "if __name__ == '__main__':\n    pass\n"
    )
    run_python("mine.py", CLIENT="1")
    directory, output = run_request()
    with pytest.raises(error):
        result_in(directory)
    assert shown in output


@pytest.mark.parametrize("start", [["mine.py"], ["-m", "mine"]], ids=" ".join)
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("os.environ['CLIENT']", "(KeyError: 'CLIENT')"),
        ("open(os.environ.get('CLIENT', 'not there'))", "No such file or directory: 'not there')"),
        ("argparse.ArgumentParser().parse_args(['1'])", "(SystemExit: 2)"),
    ],
)
def test_a_script_without_a_main_guard_is_told_so_where_it_fails_before_it_submits(
    line: str,
    problem: str,
    start: list[str],
    tmp_path: Path,
    run_python: RunPython,
    run_request: RunRequest,
) -> None:
    program = HEAD + "import argparse, os\n"
    program += "if 'CLIENT' in os.environ:\n    request(train, Config(1))\n    sys.exit()\n"
    (tmp_path / "mine.py").write_text(f"{program}{line}\nrequest(train, Config(1))\n")
    (tmp_path / "1").touch()
    run_python(*start, CLIENT="1")
    directory, output = run_request()
    with pytest.raises(errors.NoMainGuard) as raised:
        result_in(directory)
    number = program.count("\n") + 1
    assert str(raised.value).startswith(
        f"the script does what a job cannot (line {number}) whenever it is loaded, and a job loads it, too: put the "
        "part of it that does so under \"if __name__ == '__main__':\" ("
    )
    assert str(raised.value).endswith(problem)
    assert f"line {number}, in <module>" in output


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("import not_there", ModuleNotFoundError),
        ("from json import not_there", ImportError),
        ("compile('1 +', 'text', 'exec')", SyntaxError),
    ],
)
def test_what_the_node_lacks_is_not_taken_for_a_missing_guard(
    line: str,
    error: type[Exception],
    tmp_path: Path,
    run_python: RunPython,
    run_request: RunRequest,
) -> None:
    client = (
        "import os\nif 'CLIENT' in os.environ:\n    request(train, Config(1))\n    sys.exit()\n"
    )
    (tmp_path / "mine.py").write_text(f"{HEAD}{client}{line}\n")
    run_python("mine.py", CLIENT="1")
    directory, _ = run_request()
    with pytest.raises(error):
        result_in(directory)


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
    fake_slurm: FakeSlurm,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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


# --- what is __main__ for the script is __main__ in its job ----------------------------------------

KEEP = """
import inspect
from multiprocessing import get_context

def rate_of(config):
    return config.rate

@task
def keep(folder, config):
    if __spec__ is None or __spec__.name != "pack.__main__":
        with get_context("spawn").Pool(1) as pool:
            assert pool.map(rate_of, [config]) == [2]
    theirs = pickle.loads(Path(folder, "theirs").read_bytes())
    assert type(theirs) is Config
    Path(folder, "mine").write_bytes(pickle.dumps([config, fails]))
    assert sys.modules[__name__] is sys.modules["__main__"]
    assert inspect.getsource(Config).splitlines()[1] == "class Config:"
    return [__file__, *sys.argv]

if __name__ == "__main__":
    if sys.argv[1:]:
        config, task = pickle.loads(Path("mine").read_bytes())
        assert type(config) is Config and task.unwrapped is fails.unwrapped
        print(config.rate, "there")
    else:
        Path("theirs").write_bytes(pickle.dumps(Config(1)))
        request(keep, str(Path.cwd()), Config(2))
"""


@pytest.mark.parametrize("start", [["my program-1.py"], ["-m", "pack.mine"], ["-m", "pack"]])
def test_a_job_pickles_into_files_and_spawns_as_its_program_does(
    start: list[str], tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    """Multiprocessing itself gives no functions to processes of ``python -m package``."""
    package = tmp_path / "pack"
    package.mkdir()
    for path in (package / "mine.py", package / "__main__.py", tmp_path / "my program-1.py"):
        path.write_text(HEAD + KEEP)
    (package / "__init__.py").touch()
    run_python(*start)
    directory, output = run_request()
    assert output == ""
    own = {1: directory / start[0], 2: package / "mine.py"}[len(start)]
    own = package / "__main__.py" if start[-1] == "pack" else own
    assert result_in(directory) == [str(own)] * 2
    assert run_python(*start, "again").stdout == "2 there\n"


def test_a_program_that_has_a_name_is_found_by_those_who_read_its_jobs_results(
    tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    """``python -m mine`` has its classes in ``__main__``; whoever else reads them imports ``mine``."""
    (tmp_path / "mine.py").write_text(
        HEAD + "if __name__ == '__main__':\n    request(train, Config(1))\n"
    )
    run_python("-m", "mine")
    directory, _ = run_request()
    read = "import mine, sys; from pathlib import Path\nfrom slurm.job_dir.result import *\n"
    read += "value = open_envelope(load_envelope(Path(sys.argv[1], 'result.pkl').read_bytes()))\n"
    run_python("-c", read + "assert type(value) is mine.Config", str(directory))


def test_a_script_that_is_imported_as_well_is_two_modules_as_it_is_elsewhere(
    tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    (tmp_path / "helper.py").write_text("import mine\nmade = mine.Config(3)\n")
    (tmp_path / "mine.py").write_text(
        HEAD
        + "@task\ndef both():\n    import helper\n    return helper.made, Config(4)\n"
        + "if __name__ == '__main__':\n    request(both)\n"
    )
    run_python("mine.py")
    directory, _ = run_request()
    content = (directory / "result.pkl").read_bytes()
    assert b"\x8c\x04mine" in content  # of either copy there is one
    assert b"\x8c\x08__main__" in content


ODD_GUARDS = {
    "none": "",
    "a name for the word": "WORD = '__main__'\nif __name__ == WORD:\n    ",
    "one that a child passes": "if __name__ in ('__main__', '__mp_main__'):\n    ",
    "in a thread": "import threading\nimport contextvars\n",
}


@pytest.mark.parametrize("guard", ODD_GUARDS)
def test_whatever_submits_while_its_script_is_loaded_is_told_so(
    guard: str, tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    submit = "Cluster('slurm', job_base_dir='jobs').submit(train)(Config(1))"
    if guard == "in a thread":
        submit = (
            "problems = []\n"
            "def body():\n"
            f"    try: {submit}\n"
            "    except BaseException as error: problems.append(error)\n"
            "thread = threading.Thread(target=body)\nthread.start(); thread.join()\nraise problems[0]"
        )
    (tmp_path / "mine.py").write_text(
        HEAD
        + "import os\nif 'CLIENT' in os.environ:\n    request(train, Config(1))\n    sys.exit()\n"
        + ODD_GUARDS[guard]
        + submit
    )
    run_python("mine.py", CLIENT="1")
    directory, _ = run_request()
    with pytest.raises(errors.SlurmError, match=r"the script submits train whenever it is loaded"):
        result_in(directory)


UNDER_THE_GUARD = {
    "a task": ("@task\n    def late():\n        return 1\n", "request(late)"),
    "a function among the arguments": ("def late():\n        return 1\n", "request(train, late)"),
    "a class among the arguments": ("class late:\n        pass\n", "request(train, late())"),
}


@pytest.mark.parametrize("what", UNDER_THE_GUARD)
def test_what_is_defined_under_a_guard_that_nobody_recognises_is_named(
    what: str, tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    definition, request = UNDER_THE_GUARD[what]
    (tmp_path / "mine.py").write_text(
        f"{HEAD}here = __name__ == '__main__'\nif here:\n    {definition}\n    {request}\n"
    )
    run_python("mine.py")
    directory, _ = run_request()
    with pytest.raises(AttributeError) as raised:
        result_in(directory)
    assert str(raised.value) == (
        "mine.py has no late in a job, which leaves out what stands under \"if __name__ == '__main__':\": "
        "define it above that"
    )


SUBMITS = "Cluster('slurm', job_base_dir='jobs').submit(train)(1)\n"
IMPORTED = {
    "the function's module": ("import tasks\nrequest(tasks.train, 1)\n", SUBMITS),
    "an argument's module": ("import tasks\nrequest(task(repr), tasks.Large())\n", SUBMITS),
    "in a thread": (
        "import tasks\nrequest(tasks.train, 1)\n",
        "problems = []\n"
        "def body():\n"
        f"    try: {SUBMITS}"
        "    except BaseException as error: problems.append(error)\n"
        "thread = threading.Thread(target=body)\nthread.start(); thread.join()\nraise problems[0]",
    ),
}


@pytest.mark.parametrize("way", IMPORTED)
def test_a_module_that_submits_when_it_is_imported_is_told_so(
    way: str, tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    """Else the job would submit the same job again, and that one as well, without end."""
    main, submits = IMPORTED[way]
    (tmp_path / "tasks.py").write_text(
        "import os, threading\nfrom slurm import Cluster, task\n"
        "class Large: pass\n"
        "@task\ndef train(number): return number\n"
        f"if 'CLIENT' not in os.environ:\n{textwrap.indent(submits, '    ')}\n"
    )
    (tmp_path / "mine.py").write_text(HEAD + main)
    run_python("mine.py", CLIENT="1")
    directory, _ = run_request()
    with pytest.raises(errors.NoMainGuard) as raised:
        result_in(directory)
    if way != "in a thread":
        assert str(raised.value) == (
            "the module tasks submits train whenever it is imported, and a job imports it, too: put the part of it "
            "that does so into a function, and call that in your script, under \"if __name__ == '__main__':\""
        )


def test_a_process_that_is_still_loading_the_clients_script_submits_nothing(
    tmp_path: Path, run_python: RunPython
) -> None:
    """Else each of a pool's processes would submit what a script without a main guard does."""
    (tmp_path / "mine.py").write_text(
        HEAD
        + "from multiprocessing import get_context\n"
        + "if __name__ == '__main__':\n"
        + "    child = get_context('spawn').Process(target=len, args=([],))\n"
        + "    child.start(); child.join(); print('exit', child.exitcode)\n"
        + "else:\n    Cluster('slurm', job_base_dir='jobs').submit(train)(Config(1))\n"
    )
    done = run_python("mine.py")
    assert done.stdout == "exit 1\n"
    assert "the script submits train whenever it is loaded" in done.stderr
    assert not list(tmp_path.glob("jobs/train"))


def test_a_function_that_goes_by_value_needs_no_main_guard(
    tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    """Nor does a script whose tasks are in modules, until something asks for what it defined."""
    (tmp_path / "tasks.py").write_text(
        "from slurm import task\n@task\ndef echo(*values):\n    return values\n"
    )
    (tmp_path / "mine.py").write_text(
        HEAD
        + "import functools, tasks\n"
        + "def twice(c):\n    return 2 * c.rate\n"
        + "request(task(lambda n: twice(Config(n))), 2, name='lambda')\n"
        + "request(task(functools.partial(twice, Config(2))), name='partial')\n"
        + "request(tasks.echo, 'text of __main__', name='module')\n"
    )
    run_python("mine.py")
    for name, result in {"lambda": 4, "partial": 4, "module": ("text of __main__",)}.items():
        directory, _ = run_request(name)
        assert result_in(directory) == result


BY_VALUE = """
import functools
from slurm import workflow

def outer(n):
    def inner():
        def innermost(c):
            return isinstance(c, Config) and type(train.unwrapped(c)) is Config and n
        return innermost
    return inner()

def telling(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper

@dataclass
class Model:
    key: object = lambda c: train.unwrapped(c).rate
    def fit(self, c): return self.key(c)
    __call__ = fit
    @task
    def method(self): pass

FUNCTIONS = {
    "closure": outer(2),
    "wrapped": telling(lambda c: train.unwrapped(c).rate),
    "default": lambda c, t=train: t.unwrapped(c).rate,
    "method": Model().fit,
    "object": Model(),
    "partial of a method": functools.partial(Model().fit, Config(1)),
}
"""
# What each gives for Config(1).
GIVES = {
    "closure": 2,
    "wrapped": 2,
    "default": 2,
    "method": 2,
    "object": 2,
    "partial of a method": 2,
}


def test_what_goes_by_value_may_use_all_that_its_script_defines(
    tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    """Tasks, classes whose identity counts, decorated functions: in a closure, a default, an object."""
    (tmp_path / "mine.py").write_text(
        HEAD
        + BY_VALUE
        + "if __name__ == '__main__':\n"
        + "    for name in sys.argv[1:]:\n"
        + "        arguments = [] if 'partial' in name else [Config(1)]\n"
        + "        request(task(FUNCTIONS[name]), *arguments, name=name)\n"
    )
    run_python("mine.py", *GIVES)
    for name, gives in GIVES.items():
        directory, _ = run_request(name)
        assert result_in(directory) == gives, name


# --- what the main part itself defines ------------------------------------------------------------

IN_THE_MAIN_PART = """
    import functools, collections
    @dataclass
    class Cfg:
        rate: float
        class Kind:
            pass
        def twice(self): return Cfg(2 * self.rate)
    Pair = collections.namedtuple("Pair", "one two")
    def helper(c): return Cfg(c.rate + 1)
    def plain(c): return helper(c).rate
    @task
    def named(c): return helper(c)
    @task
    def recursive(n): return n and recursive.unwrapped(n - 1) + 1
    @task
    def mixed(config, c): return type(config) is Config and c.twice()
    @functools.lru_cache(maxsize=None)
    def cached(n): return n + 1
    @task
    def train_of(config): return train_again(config)
    def train_again(config): return type(train.unwrapped(config)) is Config
"""


CALLS = {
    "named, Cfg(1)": "Cfg(rate=2)",
    "task(plain), Cfg(1)": "2",
    "task(functools.partial(plain, Cfg(1)))": "2",
    "task(lambda c: c.twice()), Cfg(1)": "Cfg(rate=2)",
    "task(recursive.unwrapped), 3": "3",
    "recursive, 3": "3",
    "mixed, Config(1), Cfg(2)": "Cfg(rate=4)",
    "task(train_again), Config(1)": "True",
    "task(max), Pair(1, 2)": "2",
    "task(list), [Pair(1, 2)]": "[Pair(one=1, two=2)]",
    "task(len), [Cfg.Kind, plain, named]": "3",
    "task(Cfg(1).twice)": "Cfg(rate=2)",
    "task(Cfg), 1": "Cfg(rate=1)",
    "task(cached), 1": "2",
    "task(lambda f: f(1)), cached": "2",
    "task(lambda f: type(f).__name__), recursive": "'SlurmTask'",
    "train_of, Config(1)": "True",
}


@pytest.mark.parametrize("start", [["mine.py"], ["-m", "mine"]])
def test_what_the_main_part_defines_goes_by_value(
    start: list[str], tmp_path: Path, run_python: RunPython, run_request: RunRequest
) -> None:
    """The main part does not run in a job, and so nothing that it defines is found there by its name."""
    calls = list(CALLS)[:: 1 if start == ["mine.py"] else 6]
    requests = [f"    request({call}, name='{index}')\n" for index, call in enumerate(calls)]
    (tmp_path / "mine.py").write_text(
        HEAD
        + "def train_of(c): pass\nif __name__ == '__main__':"
        + IN_THE_MAIN_PART
        + "".join(requests)
    )
    run_python(*start)
    for index, call in enumerate(calls):
        directory, _ = run_request(str(index))
        assert repr(result_in(directory)) == CALLS[call], call
