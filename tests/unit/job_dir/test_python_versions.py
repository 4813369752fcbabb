"""Values that another version of Python pickled."""

from __future__ import annotations

import functools
import pickle
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from slurm import task
from slurm.callbacks.travel import unpack_all
from slurm.errors import RemoteError, ResultNotLoadable, SerializationError
from slurm.job_dir.arguments import dump_arguments, load_arguments
from slurm.job_dir.paths import JobDirectory
from slurm.job_dir.payload import FunctionReference, Payload
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.job_dir.result import (
    Envelope,
    dump_envelope,
    exception_envelope,
    load_envelope,
    open_envelope,
    value_envelope,
)
from slurm.runner.functions import load_function
from slurm.runner.placeholders import result_of


def test_a_path_from_python_313_arrives() -> None:
    """There alone its class is found in the module ``pathlib._local``."""
    body = pickle.dumps(Path("/some/where"), 2).replace(b"cpathlib\n", b"cpathlib._local\n")
    assert b"pathlib._local" in body
    content = dump_envelope(Envelope("value", body, attempt=1, python="3.13.5"))
    assert open_envelope(load_envelope(content)) == Path("/some/where")


# --- code by value ---------------------------------------------------------------------------------

OTHER = "2.7.18"  # what a file of another version says of itself; its content is this Python's
HERE = sys.version.split()[0]


def made() -> Any:
    """A function and a class that no module has."""

    def inner(number: int) -> int:
        return number + 1

    class Inner:
        def method(self) -> int:
            return 2

    return inner, Inner


class Within:
    """Pickles what it holds once more, as joblib's wrappers do."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __reduce__(self) -> Any:
        return pickle.loads, (cloudpickle.dumps(self.value),)


FUNCTION, CLASS = made()
BY_VALUE = {
    "a function": FUNCTION,
    "a lambda, deep in a value": {"a": [1, (functools.partial(lambda n: n, 1),)]},
    "a class": CLASS,
    "an object of it": [CLASS()],
    "code": FUNCTION.__code__,
    "a task": task(FUNCTION),
    "a pickle in the pickle": Within(FUNCTION),
}


@pytest.mark.parametrize("what", BY_VALUE)
def test_code_of_another_python_is_refused_and_never_loaded(what: str) -> None:
    """Python would load it without a word, and crash when it is called."""
    content = dump_envelope(value_envelope(BY_VALUE[what], 1))
    assert open_envelope(load_envelope(content)) is not None
    with pytest.raises(
        ResultNotLoadable, match=r"job 5 .*by value, as code of Python 2\.7, and"
    ) as said:
        open_envelope(load_envelope(content)._replace(python=OTHER), job_id="5")
    assert said.value.job_id == "5"


@pytest.mark.parametrize("value", [1, [Path("a")], {"type": int, "none": type(None)}, len, made])
def test_what_has_a_name_arrives_from_any_python(value: Any) -> None:
    content = dump_envelope(value_envelope(value, 1))
    assert open_envelope(load_envelope(content)._replace(python=OTHER)) == value
    by_value = cloudpickle.dumps(value)
    assert open_envelope(Envelope("value", by_value, 1, OTHER)) == value


class Failed(Exception):
    """Holds more than its message."""


def test_an_exception_that_holds_such_code_arrives_in_words() -> None:
    error = Failed("at step 3")
    error.key = FUNCTION  # type: ignore[attr-defined]
    content = dump_envelope(exception_envelope(error, 1))
    with pytest.raises(Failed):
        open_envelope(load_envelope(content))
    with pytest.raises(RemoteError, match="at step 3") as raised:
        open_envelope(load_envelope(content)._replace(python=OTHER))
    [note] = raised.value.__notes__  # type: ignore[attr-defined]
    assert (
        "cannot be had here: a function or class was sent by value, as code of Python 2.7" in note
    )


def test_a_dependent_on_another_python_refuses_it_too(tmp_path: Path) -> None:
    envelope = value_envelope(FUNCTION, 1)
    placeholder = JobResultPlaceholder("5", str(tmp_path))
    (tmp_path / "result.pkl").write_bytes(dump_envelope(envelope))
    assert result_of(placeholder)(1) == 2
    (tmp_path / "result.pkl").write_bytes(dump_envelope(envelope._replace(python=OTHER)))
    with pytest.raises(ResultNotLoadable, match=r"code of Python 2\.7"):
        result_of(placeholder)


def test_a_job_on_another_python_refuses_what_was_sent_to_it(tmp_path: Path) -> None:
    """Its function, its arguments; a callback is left out, as one that cannot be loaded."""
    function = FunctionReference("value", pickled=cloudpickle.dumps(FUNCTION))
    arguments, _ = dump_arguments((FUNCTION,), {}, lambda value: None)
    payload = Payload(function, arguments, python=HERE)
    assert load_function(payload, JobDirectory(str(tmp_path)))(1) == 2
    assert load_arguments(arguments, lambda job: None, HERE)[0][0](1) == 2
    with pytest.raises(SerializationError, match=r"code of Python 2\.7"):
        load_function(payload._replace(python=OTHER), JobDirectory(str(tmp_path)))
    with pytest.raises(SerializationError, match=r"code of Python 2\.7"):
        load_arguments(arguments, lambda job: None, OTHER)
    assert not list(unpack_all([("callback", arguments)], OTHER))


class Marked(str):
    """Text of a kind that a client may not have."""


class Strange(Exception):
    def __str__(self) -> str:
        return Marked("strange")


def test_what_is_said_of_an_exception_is_plain_text() -> None:
    error = Strange()
    error.__notes__ = [  # type: ignore[attr-defined]
        Marked("a note")
    ]
    envelope = exception_envelope(error, 1)
    assert {type(envelope.message), *map(type, envelope.notes)} == {str}
