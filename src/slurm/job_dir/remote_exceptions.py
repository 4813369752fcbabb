"""A task's exception on its way to the client: as itself where that can be, in words where it cannot."""

from __future__ import annotations

import builtins
import pickle
from collections.abc import Callable
from typing import Any

from slurm import errors

LONGEST_MESSAGE = 20_000  # characters of what stands beside the exception, in text
LONGEST_TRACEBACK = 200_000
GROUPS = getattr(builtins, "BaseExceptionGroup", ())  # from Python 3.11 on
WHOLE, REBUILT, GROUP = "whole", "rebuilt", "group"
Dumps = Callable[[Any], bytes]


def dump_exception(error: Exception, dumps: Dumps) -> bytes:
    """An exception as a pickle that `load_exception` turns into its like; empty when there is none."""
    form = _form_of(error, dumps)
    return b"" if form is None else dumps(form)


def _form_of(error: BaseException, dumps: Dumps) -> tuple[Any, ...] | None:
    """Plain containers from which the like of `error` can be made; None when nothing works.

    Pickle calls the class with ``error.args``, which is not always what ``__init__`` was called with;
    the second form has only the built-in class below it initialised. The third is for groups, of
    whose members one or the other may not travel.
    """
    for make in (_whole, _rebuilt):
        try:
            form = make(error)
            again = load_exception(pickle.loads(dumps(form)))  # noqa: S301 - our own, a moment old
            if type(again) is type(error) and text_of(again) == text_of(error):
                return form
        except Exception:  # noqa: BLE001 - the user's class may raise anything
            continue
    return _group(error, dumps) if isinstance(error, GROUPS) else None


def _whole(error: BaseException) -> tuple[Any, ...]:
    return WHOLE, error


def _rebuilt(error: BaseException) -> tuple[Any, ...]:
    below = _built_in(type(error))
    _, args, *state = below.__reduce__(error)
    return REBUILT, type(error), args, dict(*state)


def _group(error: Any, dumps: Dumps) -> tuple[Any, ...] | None:
    members = [
        _form_of(one, dumps) or _whole(stand_in(type_name(one), text_of(one)))
        for one in error.exceptions
    ]
    form = (GROUP, type(error), error.message, members, error.__dict__)
    try:
        again: Any = load_exception(pickle.loads(dumps(form)))  # noqa: S301 - as above
    except Exception:  # noqa: BLE001 - as above
        return None
    same = type(again) is type(error) and len(again.exceptions) == len(members)
    return form if same else None


def load_exception(form: Any) -> BaseException:
    """The exception in any of the forms that `dump_exception` writes."""
    how, *content = form
    if how == WHOLE:
        [error] = content
    elif how == GROUP:
        kind, message, members, state = content
        error = _built_in(kind).__new__(kind, message, [load_exception(one) for one in members])
        _set_state(error, state)
    else:
        kind, args, state = content
        error = _built_in(kind).__new__(kind, *args)
        _built_in(kind).__init__(error, *args)
        _set_state(error, state)
    return error  # type: ignore[no-any-return]


def _set_state(error: BaseException, state: dict[str, Any]) -> None:
    try:
        BaseException.__setstate__(error, state)  # reaches what has no place in __dict__
    except Exception:  # noqa: BLE001 - the user's __setattr__ may raise anything
        error.__dict__.update(state)


def _built_in(kind: type[BaseException]) -> Any:
    """The class below the user's own."""
    return next(one for one in kind.__mro__ if one.__module__ == "builtins")


def stand_in(type_name: str, message: str, **place: str) -> errors.RemoteError:
    """What arrives for an exception that cannot."""
    return errors.RemoteError(f"{type_name}: {message}", type_name=type_name, **place)


def type_name(error: BaseException) -> str:
    """The full name of an exception's type."""
    return f"{type(error).__module__}.{type(error).__qualname__}"


def text_of(error: BaseException) -> str:
    """What the exception says, as plain text: its own ``__str__`` may give another kind, which has to be imported."""
    try:
        return str.__str__(str(error))
    except Exception as failure:  # noqa: BLE001 - the user's __str__ may raise anything
        return f"(its __str__ raised {type(failure).__name__})"


def notes_of(error: BaseException) -> tuple[str, ...]:
    """What was added to the exception with ``add_note`` (PEP 678), on whatever Python."""
    notes = getattr(error, "__notes__", ())
    return tuple(str.__str__(str(one)) for one in notes) if isinstance(notes, (list, tuple)) else ()


def add_notes(error: BaseException, notes: tuple[str, ...]) -> None:
    """Give the exception back the notes that it lost on the way."""
    if notes and not notes_of(error):
        error.__dict__["__notes__"] = list(notes)


def traceback_of(error: BaseException) -> str:
    """The traceback as Python prints it, with causes, contexts, notes and the members of groups."""
    import traceback  # late: most jobs end well

    from slurm.job_dir.tracebacks import is_meant_for_users, users_frames

    trace = users_frames(error.__traceback__)
    if trace is None and not is_meant_for_users(error):
        trace = error.__traceback__  # it is the SDK that is at fault
    try:
        lines = traceback.format_exception(type(error), error, trace)
    except Exception as failure:  # noqa: BLE001 - what it prints is the user's, and may raise anything
        lines = [
            *traceback.format_tb(trace),
            f"{type_name(error)}: {text_of(error)}\n",
            f"(printing all of it raised {type(failure).__name__})\n",
        ]
    return shortened("".join(lines), LONGEST_TRACEBACK)


def frames_in(text: str, name: str, message: str) -> str:
    """What `traceback_of` wrote without its last lines, which an exception that was rebuilt says itself.

    >>> frames_in("Traceback:\\n  File 'a.py'\\nValueError: bad\\n", "builtins.ValueError", "bad")
    "Traceback:\\n  File 'a.py'\\n"
    """
    for shown in (name, name.partition(".")[2]):  # traceback names no builtins and no __main__
        last = f"\n{shown}: {message}" if message else f"\n{shown}\n"
        before, found, _ = f"\n{text}".rpartition(last)
        if found:
            return f"{before}\n"[1:]
    return text


def shortened(text: str, longest: int) -> str:
    """A long text without its middle.

    >>> shortened("0123456789", 4)
    '01\\n[... 6 characters left out ...]\\n89'
    """
    if len(text) <= longest:
        return text
    half = longest // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n[... {left_out} characters left out ...]\n{text[-half:]}"
