"""How a function is found again on the node: by name where it has one, else by value."""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.processes import RunPython

from slurm import task
from slurm.errors import SerializationError
from slurm.packaging.function_reference import main_module, refer_to

REPORT = """
import json
from slurm.packaging.function_reference import main_module, refer_to

def report(**functions):
    main = main_module()
    said = {n: refer_to(f)._asdict() for n, f in functions.items()}
    said = {n: {k: r[k] for k in ("kind", "module", "qualname")} for n, r in said.items()}
    print(json.dumps({"main": main._asdict() if main else None, **said}))
"""


def at_module_level(number: int) -> int:
    return number + 1


@task
def decorated(number: int) -> int:
    return number + 2


class Holder:
    @staticmethod
    def method(number: int) -> int:
        return number + 3


def shadowed() -> int:
    return 1


first_shadowed = shadowed


def shadowed() -> int:  # type: ignore[no-redef]
    return 2


def doubled(function: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(function)
    def wrapper(*args: int) -> int:
        return 2 * function(*args)

    return wrapper


@doubled
def wrapped(number: int) -> int:
    return number


def value_of(function: Callable[..., Any]) -> Callable[..., Any]:
    reference = refer_to(function)
    assert reference.kind == "value"
    loaded: Callable[..., Any] = pickle.loads(reference.pickled)  # noqa: S301 - just pickled
    return loaded


@pytest.mark.parametrize(
    ("function", "qualname"),
    [
        (at_module_level, "at_module_level"),
        (decorated.unwrapped, "decorated"),
        (Holder.method, "Holder.method"),
        (wrapped, "wrapped"),
        (json.dumps, "dumps"),
    ],
)
def test_a_function_of_an_importable_module_goes_by_name(
    function: Callable[..., Any], qualname: str
) -> None:
    reference = refer_to(function)
    assert (reference.kind, reference.qualname, reference.pickled) == ("module", qualname, b"")
    assert reference.module == function.__module__


def test_a_lambda_goes_by_value() -> None:
    assert value_of(lambda number: number + 4)(1) == 5


def test_a_closure_goes_by_value_with_what_it_captured() -> None:
    captured = [10]

    def closure(number: int) -> int:
        return number + captured[0]

    assert value_of(closure)(1) == 11


def test_a_function_whose_name_was_taken_by_another_goes_by_value() -> None:
    assert refer_to(shadowed).kind == "module"
    assert value_of(first_shadowed)() == 1


def test_a_function_that_cannot_be_sent_says_why_and_what_to_do() -> None:
    stream = (n for n in range(3))

    def closure() -> int:
        return next(stream)

    with pytest.raises(SerializationError, match=r"closure cannot be sent.*generator.*arguments"):
        refer_to(closure)


def test_a_partial_goes_by_value_or_is_refused_with_a_reason() -> None:
    partial = functools.partial(at_module_level, 1)
    try:
        reference = refer_to(partial)
    except SerializationError:
        with pytest.raises(SerializationError, match="partial"):
            refer_to(partial)
    else:
        assert pickle.loads(reference.pickled)() == 2  # noqa: S301 - just pickled


def test_the_main_module_of_the_test_runner_is_importable() -> None:
    """Whoever runs the tests is no script: ``python -m pytest``, ``pytest`` and xdist workers."""
    main = main_module()
    assert main is None or bool(main.module) != bool(main.path)


# --- what __main__ is ----------------------------------------------------------------------------

FUNCTIONS = """
def f(): return 1
class K:
    def m(self): return 1
def made():
    def inner(): return 2
    return inner
"""


def said(output: str) -> Any:
    answer: Any = json.loads(output)
    return answer


def test_a_script_travels(tmp_path: Path, run_python: RunPython) -> None:
    script = tmp_path / "my script.py"
    script.write_text(REPORT + FUNCTIONS + "report(f=f, m=K.m, inner=made(), l=lambda: 1)")
    answer = said(run_python(str(script)).stdout)
    assert answer["main"] == {"module": "", "path": str(script)}
    assert answer["f"] == {"kind": "script", "module": "__main__", "qualname": "f"}
    assert answer["m"]["qualname"] == "K.m"
    assert answer["inner"]["kind"] == answer["l"]["kind"] == "value"


def test_a_function_of_a_script_whose_name_was_taken_goes_by_value(
    tmp_path: Path, run_python: RunPython
) -> None:
    script = tmp_path / "script.py"
    script.write_text(REPORT + FUNCTIONS + "g = f\ndef f(): return 2\nreport(f=f, g=g)")
    answer = said(run_python(str(script)).stdout)
    assert answer["f"]["kind"] == "script"
    assert answer["g"]["kind"] == "value"


def test_a_module_run_with_m_is_the_main_module_there_too(
    tmp_path: Path, run_python: RunPython
) -> None:
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "train.py").write_text(REPORT + FUNCTIONS + "report(f=f, l=lambda: 1)")
    answer = said(run_python("-m", "mypackage.train").stdout)
    assert answer["main"] == {"module": "mypackage.train", "path": ""}
    assert answer["f"] == {"kind": "script", "module": "__main__", "qualname": "f"}
    assert answer["l"]["kind"] == "value"


def test_a_package_run_with_m_goes_by_its_main_module(
    tmp_path: Path, run_python: RunPython
) -> None:
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(REPORT + FUNCTIONS + "report(f=f)")
    answer = said(run_python("-m", "mypackage").stdout)
    assert answer["main"] == {"module": "mypackage.__main__", "path": ""}
    assert answer["f"]["kind"] == "script"


def test_what_was_typed_at_a_prompt_goes_by_value(run_python: RunPython) -> None:
    answer = said(run_python("-c", REPORT + FUNCTIONS + "report(f=f)").stdout)
    assert answer["main"] is None
    assert answer["f"]["kind"] == "value"


def test_what_was_written_in_a_notebook_goes_by_value(
    tmp_path: Path, run_python: RunPython
) -> None:
    """A kernel's __main__ may name a file, its launcher's, which holds none of the cells."""
    launcher = tmp_path / "launcher.py"
    launcher.write_text(
        "import sys, types\nsys.modules['ipykernel'] = types.ModuleType('ipykernel')\n"
        + REPORT
        + "exec('def cell(): return 1')\nreport(cell=cell)"
    )
    answer = said(run_python(str(launcher)).stdout)
    assert answer["main"] is None
    assert answer["cell"]["kind"] == "value"


def test_a_main_whose_file_is_gone_goes_by_value(tmp_path: Path, run_python: RunPython) -> None:
    script = tmp_path / "script.py"
    script.write_text(REPORT + FUNCTIONS + "import os; os.remove(__file__)\nreport(f=f)")
    assert said(run_python(str(script)).stdout)["f"]["kind"] == "value"
