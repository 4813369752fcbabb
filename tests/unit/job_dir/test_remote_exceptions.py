"""A task's exception on its way to the client: notes, groups, chains, own constructors, huge texts."""

from __future__ import annotations

import builtins
import dataclasses
import json
import sys
import threading
import traceback
from typing import Any

import pytest

from slurm import errors
from slurm.job_dir.result import dump_envelope, exception_envelope, load_envelope, open_envelope


def arrived(error: BaseException) -> Any:
    """What the client catches when the task raised `error`."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - also what would end a process
        data = dump_envelope(exception_envelope(caught, 1))
    with pytest.raises(BaseException) as info:  # noqa: PT011 - which one it is, is the question
        open_envelope(load_envelope(data), job_id="7", job_dir="/jobs/7")
    return info.value


def remote_text(error: BaseException) -> str:
    assert isinstance(error.__cause__, errors.RemoteTraceback)
    return error.__cause__.text


# --- exceptions of every make --------------------------------------------------------------------


class TwoArguments(Exception):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class NothingPassedOn(Exception):
    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return f"no {self.name}"


class OwnReduce(Exception):
    """Loses its attributes, as it says itself."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(name)
        self.code = code

    def __reduce__(self) -> Any:
        return OwnReduce, (self.args[0], 0)


class BrokenReduce(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("not today")


class OwnNew(Exception):
    def __new__(cls, name: str, code: int) -> OwnNew:
        made = super().__new__(cls, name)
        made.code = code
        return made

    def __init__(self, name: str, code: int) -> None:
        super().__init__(name)

    code: int


class DiskFull(OSError):
    """Fills in the number and the text, as many do; only the path is an argument."""

    def __init__(self, path: str) -> None:
        super().__init__(28, "No space left on device", path)


class BadByte(UnicodeDecodeError):
    def __init__(self, text: bytes) -> None:
        super().__init__("utf-8", text, 0, 1, "not ours")


class Missing(ImportError):
    def __init__(self, module: str) -> None:
        super().__init__(f"no {module}", name=module)


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    code: int
    reason: str = "none"


class FrozenKeyword(Exception):
    """Cannot be changed, and not be built from its arguments."""

    code: int

    def __init__(self, *, code: int) -> None:
        super().__init__("frozen")
        self.__dict__["code"] = code

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} is read-only")


@pytest.mark.parametrize(
    "error",
    [
        TwoArguments("disk", "full"),
        KeywordOnly(code=7),
        NothingPassedOn("luck"),
        BrokenReduce("a", 1),
        OwnNew("a", 3),
        DiskFull("/scratch/x"),
        BadByte(b"\xff"),
        Missing("torch"),
        Frozen(3, "late"),
        FrozenKeyword(code=4),
        json.JSONDecodeError("Expecting value", "{", 1),
        OSError(2, "No such file or directory", "/data/x"),
        KeyError("key"),
        StopIteration(5),
        SyntaxError("invalid syntax", ("x.py", 1, 2, "a b", 1, 3)),
        UnicodeDecodeError("ascii", b"\xff", 0, 1, "ordinal not in range"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_arrives_as_it_was(error: Any) -> None:
    again = arrived(error)
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)
    names = ("name", "code", "reason", "errno", "strerror", "filename", "start", "lineno", "value")
    for name in names:
        assert getattr(again, name, None) == getattr(error, name, None), name
    assert again.__dict__ == error.__dict__
    assert f"{type(error).__name__}" in remote_text(again)


def test_an_exception_with_a_reduce_of_its_own_is_what_that_says() -> None:
    again = arrived(OwnReduce("a", 3))
    assert (type(again), again.code) == (OwnReduce, 0)


# --- notes (PEP 678) -----------------------------------------------------------------------------


def noted(error: Exception, *notes: Any) -> Exception:
    error.__dict__["__notes__"] = list(notes)  # add_note, from Python 3.11 on
    return error


@pytest.mark.parametrize(
    "error",
    [ValueError("bad"), TwoArguments("disk", "full"), OwnReduce("a", 1), Frozen(1), DiskFull("/x")],
    ids=lambda error: type(error).__name__,
)
def test_notes_arrive_with_every_exception(error: Exception) -> None:
    again: Any = arrived(noted(error, "in epoch 2", "of 10"))
    assert type(again) is type(error)
    assert vars(again)["__notes__"] == ["in epoch 2", "of 10"]


def test_notes_arrive_also_where_the_exception_cannot() -> None:
    error = noted(ValueError("bad"), "in epoch 2")
    error.args = (threading.Lock(),)  # cannot be pickled
    again = arrived(error)
    assert type(again) is errors.RemoteError
    assert vars(again)["__notes__"] == ["in epoch 2"]


@pytest.mark.parametrize("notes", ["text", 5, None, [3, object]])
def test_notes_of_another_make_break_nothing(notes: Any) -> None:
    error = ValueError("bad")
    error.__dict__["__notes__"] = notes
    again = arrived(error)
    assert (type(again), str(again)) == (ValueError, "bad")


# --- chains --------------------------------------------------------------------------------------


def chained(*, suppress: bool) -> Exception:
    try:
        try:
            raise KeyError("first")
        except KeyError as first:
            first.__dict__["__notes__"] = ["of the config"]
            if suppress:
                raise TwoArguments("second", "bad") from None
            raise TwoArguments("second", "bad") from first
    except TwoArguments as second:
        return second


def test_causes_are_told_in_the_remote_traceback() -> None:
    text = remote_text(arrived(chained(suppress=False)))
    assert text.index("KeyError: 'first'") < text.index("direct cause") < text.index("second: bad")


def test_what_was_meant_to_be_hidden_stays_hidden() -> None:
    again = arrived(chained(suppress=True))
    assert "KeyError" not in remote_text(again)
    assert "KeyError" not in "".join(traceback.format_exception(again))


def test_a_chain_that_bites_its_tail_arrives() -> None:
    first, second = ValueError("first"), KeyError("second")
    first.__context__, second.__context__ = second, first
    assert "second" in remote_text(arrived(first))


# --- texts ---------------------------------------------------------------------------------------


def test_a_huge_message_arrives_whole_and_is_told_in_short() -> None:
    message = "begin " + "x" * 3_000_000 + " end"
    envelope = exception_envelope(ValueError(message), 1)
    assert len(envelope.message) < 30_000
    assert len(envelope.traceback) < 300_000
    assert envelope.message.startswith("begin")
    assert envelope.message.endswith("end")
    assert "characters left out" in envelope.message
    assert str(arrived(ValueError(message))) == message


def test_a_huge_message_of_what_cannot_arrive_is_cut() -> None:
    again = arrived(SystemExit("x" * 3_000_000))
    assert type(again) is errors.RemoteError
    assert len(str(again)) < 30_000


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "\N{SNOWMAN}", ""])
def test_texts_of_every_kind_arrive(text: str) -> None:
    assert str(arrived(ValueError(text))) == text


class HostileText(Exception):
    """Breaks everything that prints it."""

    def __str__(self) -> str:
        raise RuntimeError("no text for you")

    __repr__ = __str__


def test_an_exception_that_breaks_what_prints_it_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "HostileText" in remote_text(arrived(HostileText()))

    def broken(*args: Any, **kwargs: Any) -> list[str]:
        raise RecursionError

    monkeypatch.setattr(traceback, "format_exception", broken)
    text = remote_text(arrived(ValueError("bad")))
    assert "in arrived" in text
    assert "ValueError: bad" in text
    assert "RecursionError" in text


# --- groups --------------------------------------------------------------------------------------


if sys.version_info >= (3, 11):
    ExceptionGroup: Any = vars(builtins)["ExceptionGroup"]
    BaseExceptionGroup: Any = vars(builtins)["BaseExceptionGroup"]

    class OwnGroup(ExceptionGroup):  # type: ignore[misc]
        """Made as the documentation of `ExceptionGroup` shows."""

        code: int

        def __new__(cls, members: list[Exception], code: int) -> OwnGroup:
            made: OwnGroup = super().__new__(cls, "own", members)
            made.code = code
            return made

        def derive(self, excs: Any) -> OwnGroup:
            return OwnGroup(excs, self.code)

    def test_a_group_arrives_with_its_members() -> None:
        inner = ExceptionGroup("inner", [KeyError("a"), DiskFull("/x")])
        outer = ExceptionGroup("outer", [TwoArguments("disk", "full"), inner])
        again = arrived(noted(outer, "all of them"))
        assert type(again) is ExceptionGroup
        assert str(again) == "outer (2 sub-exceptions)"
        assert again.__notes__ == ["all of them"]
        first, second = again.exceptions
        assert (type(first), str(first), first.name) == (TwoArguments, "disk: full", "disk")
        assert [type(one) for one in second.exceptions] == [KeyError, DiskFull]
        assert "disk: full" in remote_text(again)

    def test_a_group_of_the_users_own_arrives_as_that() -> None:
        again = arrived(OwnGroup([KeywordOnly(code=3)], 7))
        assert (type(again), again.code, str(again)) == (OwnGroup, 7, "own (1 sub-exception)")
        assert again.exceptions[0].code == 3

    def test_a_member_that_cannot_arrive_is_told_in_words() -> None:
        again = arrived(ExceptionGroup("some", [ValueError("fine"), ValueError(threading.Lock())]))
        first, second = again.exceptions
        assert (type(first), str(first)) == (ValueError, "fine")
        assert type(second) is errors.RemoteError
        assert second.type_name == "builtins.ValueError"

    def test_a_group_that_would_end_the_client_is_told_in_words() -> None:
        again = arrived(BaseExceptionGroup("both", [KeyboardInterrupt(), ValueError("x")]))
        assert type(again) is errors.RemoteError
        assert "KeyboardInterrupt" in remote_text(again)
