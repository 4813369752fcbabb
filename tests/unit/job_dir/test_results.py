"""Results on their way back: values, exceptions, and files that are not whole."""

from __future__ import annotations

import pickle
import threading
import traceback
from typing import Any

import pytest

from slurm import errors
from slurm.job_dir.result import (
    dump_envelope,
    exception_envelope,
    load_envelope,
    open_envelope,
    value_envelope,
)


def arrived(value: Any) -> Any:
    """What the client has of a returned value."""
    envelope = load_envelope(dump_envelope(value_envelope(value, 1)))
    return open_envelope(envelope, job_id="7", job_dir="/jobs/7")


def raised(error: BaseException) -> BaseException:
    """What the client catches when the task raised `error`."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - also what would end a process
        envelope = exception_envelope(caught, 1)
    with pytest.raises(BaseException) as info:  # noqa: PT011 - which one it is, is the question
        open_envelope(load_envelope(dump_envelope(envelope)), job_id="7", job_dir="/jobs/7")
    return info.value


class WantsTwo(Exception):
    """Pickles well, and cannot be built from its arguments."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


class Unpicklable(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


class QuotaExceeded(Exception):
    """Makes its message from its argument, as most applications' exceptions do."""

    def __init__(self, user: str) -> None:
        super().__init__(f"the quota of {user} is exceeded")
        self.user = user


@pytest.mark.parametrize("value", [None, 0, "text", [1, (2, {"a": b"3"})], float, ValueError("v")])
def test_a_value_arrives_as_it_was_returned(value: Any) -> None:
    assert repr(arrived(value)) == repr(value)


def test_a_function_made_on_the_node_arrives_by_value() -> None:
    assert arrived(lambda n: n + 1)(2) == 3


@pytest.mark.parametrize("value", [threading.Lock(), {"deep": [threading.Lock()]}])
def test_a_result_that_cannot_be_pickled_says_so(value: Any) -> None:
    with pytest.raises(errors.ResultNotSerializable) as caught:
        arrived(value)
    assert type(value).__name__ in str(caught.value)
    assert "cannot be pickled" in str(caught.value)
    assert "lock" in str(caught.value)


def test_a_result_that_cannot_be_pickled_names_the_job() -> None:
    with pytest.raises(errors.ResultNotSerializable) as caught:
        arrived(threading.Lock())
    assert (caught.value.job_id, caught.value.job_dir) == ("7", "/jobs/7")


def test_an_envelope_says_which_attempt_and_python_made_it() -> None:
    envelope = load_envelope(dump_envelope(value_envelope(1, 3)))
    assert envelope.attempt == 3
    assert envelope.python.count(".") == 2


# --- exceptions ----------------------------------------------------------------------------------


def test_an_exception_keeps_its_type_and_arguments() -> None:
    error = raised(OSError(28, "No space left on device", "/scratch/x"))
    assert type(error) is OSError
    assert error.args == (28, "No space left on device")
    assert error.filename == "/scratch/x"


def test_an_exception_keeps_its_attributes_and_notes() -> None:
    original = ValueError("bad", 3)
    original.step = 12  # type: ignore[attr-defined]
    original.__dict__["__notes__"] = ["while training", "in epoch 2"]  # add_note, in Python 3.11
    error: Any = raised(original)
    assert (type(error), error.args, error.step) == (ValueError, ("bad", 3), 12)
    assert error.__notes__ == ["while training", "in epoch 2"]


def test_an_exception_says_what_it_said_on_the_node() -> None:
    error = raised(QuotaExceeded("me"))
    assert str(error) == "the quota of me is exceeded"


def test_the_remote_traceback_is_the_cause() -> None:
    error = raised(ValueError("bad"))
    assert isinstance(error.__cause__, errors.RemoteTraceback)
    text = "".join(traceback.format_exception(error))
    assert "in raised" in error.__cause__.text
    assert "ValueError: bad" in error.__cause__.text
    assert str(error.__cause__).strip() in text
    assert text.count("ValueError: bad") == 1


def test_the_remote_traceback_tells_the_whole_chain() -> None:
    def chained() -> None:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error

    with pytest.raises(ValueError, match="second") as caught:
        chained()
    cause = raised(caught.value).__cause__
    assert isinstance(cause, errors.RemoteTraceback)
    assert "KeyError: 'first'" in cause.text


def test_an_exception_whose_init_wants_more_arrives_as_itself() -> None:
    arrived = raised(WantsTwo("disk", "full"))
    assert type(arrived) is WantsTwo
    assert str(arrived) == "disk: full"


def test_an_exception_that_cannot_be_rebuilt_arrives_as_remote_error() -> None:
    error = Unpicklable("disk: full")
    arrived_error = raised(error)
    assert type(arrived_error) is errors.RemoteError
    assert arrived_error.type_name.endswith(type(error).__name__)
    assert "disk: full" in str(arrived_error)
    assert type(error).__name__ in str(arrived_error)
    assert (arrived_error.job_id, arrived_error.job_dir) == ("7", "/jobs/7")
    assert "in raised" in str(arrived_error.__cause__)


def test_an_exception_that_has_no_text_arrives_nevertheless() -> None:
    error = raised(Unprintable())
    assert isinstance(error, (Unprintable, errors.RemoteError))
    assert "Unprintable" in str(error.__cause__)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit("x")])
def test_what_would_end_the_client_is_never_raised_as_such(error: BaseException) -> None:
    arrived_error = raised(error)
    assert type(arrived_error) is errors.RemoteError
    assert arrived_error.type_name == f"builtins.{type(error).__name__}"


def test_an_exception_of_a_class_the_client_lacks_is_a_remote_error() -> None:
    class OnTheNodeOnly(Exception):
        pass

    envelope = exception_envelope(OnTheNodeOnly("gone"), 1)
    body = pickle.dumps(ValueError("gone")).replace(b"ValueError", b"WalueError")
    changed = envelope._replace(body=body)
    with pytest.raises(errors.RemoteError, match="OnTheNodeOnly: gone"):
        open_envelope(changed, job_id="7")


def test_a_value_of_a_class_the_client_lacks_is_a_result_error() -> None:
    body = pickle.dumps(ValueError("x")).replace(b"ValueError", b"WalueError")
    changed = value_envelope(None, 1)._replace(body=body)
    with pytest.raises(errors.ResultError, match=r"job 7 .*WalueError"):
        open_envelope(changed, job_id="7")


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


# --- damaged files -------------------------------------------------------------------------------

WHOLE = dump_envelope(value_envelope({"loss": [0.5, 0.25]}, 1))


@pytest.mark.parametrize("length", [0, 1, 20, len(WHOLE) // 2, len(WHOLE) - 1])
def test_a_truncated_result_is_corrupted(length: int) -> None:
    with pytest.raises(errors.ResultCorrupted, match=r"/jobs/7/result\.pkl"):
        load_envelope(WHOLE[:length], path="/jobs/7/result.pkl")


def test_a_result_whose_value_was_altered_is_corrupted() -> None:
    altered = WHOLE.replace(b"loss", b"gain")
    assert altered != WHOLE
    with pytest.raises(errors.ResultCorrupted, match="checksum"):
        load_envelope(altered)


@pytest.mark.parametrize(
    "content",
    [
        b"garbage",
        b"\0" * 400,
        pickle.dumps(None),
        pickle.dumps({"kind": "value"}),
        pickle.dumps([]),
    ],
)
def test_something_else_in_the_place_of_a_result_is_corrupted(content: bytes) -> None:
    with pytest.raises(errors.ResultCorrupted):
        load_envelope(content)


RAISED = dump_envelope(exception_envelope(ValueError("disk full"), 1))


@pytest.mark.parametrize(
    ("whole", "old", "new"),
    [
        pytest.param(WHOLE, b"value", b"walue", id="kind"),
        pytest.param(WHOLE, b"attempt", b"attemqt", id="field"),
        pytest.param(
            RAISED, b"\x8c\x09exception", b"\x8c\x05value\x94\x8c\x00", id="kind of error"
        ),
        pytest.param(RAISED, b"disk full", b"all right", id="message"),
        pytest.param(RAISED, b"builtins.ValueError", b"builtins.IndexError", id="type"),
    ],
)
def test_a_result_altered_anywhere_is_corrupted(whole: bytes, old: bytes, new: bytes) -> None:
    altered = whole.replace(old, new)
    assert altered != whole
    with pytest.raises(errors.ResultCorrupted):
        open_envelope(load_envelope(altered))
