"""The result envelope: what a finished runner leaves behind, and what a client makes of it."""

from __future__ import annotations

import errno
import io
import pickle
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, Union

from slurm import errors
from slurm.job_dir import remote_exceptions
from slurm.job_dir.arguments import why_unpicklable
from slurm.job_dir.main_module import name_of_main
from slurm.job_dir.result_file import PROTOCOL, Part, Writer, require_whole
from slurm.job_dir.unpickling import Unpickler

ENVELOPE_SCHEMA = 2
MEMORY = "this process has memory for"
SMALLER = "ask for more with mem=, or have the task write a file and return its path"

# Named tuples, and no data classes: with those, a job would take half as long again to start.


class Returned(NamedTuple):
    """A value that is pickled when its envelope is written, and not before: it may be large."""

    value: Any


Pickled = Union[bytes, Part]


class Envelope(NamedTuple):
    """What a finished runner leaves behind.

    `kind` is ``value`` or ``exception``; `body` its pickle, in memory or in an open file (empty for
    an exception that has none). `python` is the version that pickled it, `main` the name under which its
    ``__main__`` can be imported, where there is one. `type_name`, `message`, `traceback` describe an exception in text,
    of a bounded length; `notes` are those added to it (PEP 678).
    """

    kind: str
    body: Pickled | Returned
    attempt: int
    python: str
    type_name: str = ""
    message: str = ""
    traceback: str = ""
    schema: int = ENVELOPE_SCHEMA
    notes: tuple[str, ...] = ()
    main: str = ""


def value_envelope(value: Any, attempt: int) -> Envelope:
    """The envelope of a returned value."""
    python = sys.version.split()[0]
    return Envelope("value", Returned(value), attempt, python, main=name_of_main())


def exception_envelope(error: BaseException, attempt: int) -> Envelope:
    """The envelope of a raised exception; its body is empty when it would not survive the way."""
    body = b""
    if isinstance(
        error, Exception
    ):  # SystemExit and the like would end the client: a RemoteError there
        body = remote_exceptions.dump_exception(error, _pickle_with_fallback)
    return Envelope(
        "exception",
        body,
        attempt,
        sys.version.split()[0],
        type_name=remote_exceptions.type_name(error),
        message=remote_exceptions.shortened(
            remote_exceptions.text_of(error), remote_exceptions.LONGEST_MESSAGE
        ),
        traceback=remote_exceptions.traceback_of(error),
        notes=remote_exceptions.notes_of(error),
        main=name_of_main(),
    )


def unwritten_envelope(attempt: int, size: int, error: MemoryError | OSError) -> Envelope:
    """The envelope that says why a result of `size` bytes, or more, could not be written to its file."""
    from slurm.usage import format_size

    what = f"the result takes {format_size(size)} pickled, or more"
    if isinstance(error, MemoryError):
        text = f"{what}, and there is no memory left to write it; {SMALLER}"
        return exception_envelope(errors.ResultTooLarge(text), attempt)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    kind = errors.ResultTooLarge if full else errors.ResultError
    text = f"{what}, and could not be written: {error.strerror}: {error.filename}"
    return exception_envelope(kind(text), attempt)


def write_envelope(out: Writer, envelope: Envelope) -> Envelope:
    """Write ``result.pkl``; answers what it says: the reason, where a value cannot be pickled.

    Raises ``OSError`` where it cannot be written.
    """
    start = out.mark()
    body = envelope.body
    out.write(_header_of(envelope))
    if isinstance(body, Returned):
        problem = write_value(out, body.value)
        if problem is not None:
            out.rewind(start)
            return write_envelope(out, exception_envelope(problem, envelope.attempt))
    else:
        out.write(body)
    out.finish()
    return envelope


def _header_of(envelope: Envelope) -> bytes:
    header = envelope._asdict()
    del header["body"]
    return pickle.dumps(header, PROTOCOL)


def write_value(out: Writer, value: Any) -> errors.ResultError | None:
    """Pickle a value; answers why it cannot be. Raises ``OSError`` where it cannot be written."""
    kind, place = type(value).__qualname__, out.mark()
    try:
        try:
            pickle.dump(value, out, PROTOCOL)
        except MemoryError:
            raise
        except Exception:
            if out.problem is not None:
                raise
            from slurm.job_dir.by_value import dump_by_value  # cloudpickle; it may manage

            out.rewind(place)
            dump_by_value(value, out, main_travels=True)
    except MemoryError:
        return errors.ResultTooLarge(
            f"the task returned a {kind} for which, pickled, there is no memory left; {SMALLER}"
        )
    except Exception as error:  # noqa: BLE001 - __reduce__ is the user's code and may raise anything
        if out.problem is not None:
            raise out.problem from None
        why = why_unpicklable({"result": value}, in_result=True) or str(error)
        return errors.ResultNotSerializable(
            f"the task returned a {kind} that cannot be pickled: {why}"
        )
    return None


def dump_envelope(envelope: Envelope) -> bytes:
    """The content of ``result.pkl``, in memory."""
    content = io.BytesIO()
    write_envelope(Writer(content), envelope)
    return content.getvalue()


def load_envelope(source: bytes | BinaryIO, *, path: str = "result.pkl") -> Envelope:
    """Read ``result.pkl``. Raises `ResultCorrupted`, before anything is unpickled, if it is not whole.

    And `ResultTooLarge` for want of memory, `ResultNotLoadable` for a file of a newer SDK. The file
    is to stay open until the envelope has been.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    return _envelope_in(file, require_whole(file, path), path)


def pack_exception(envelope: Envelope) -> bytes:
    """An exception's envelope without a checksum, for a place that has one of its own."""
    assert isinstance(envelope.body, bytes)  # noqa: S101 - exceptions are pickled when the envelope is made
    return _header_of(envelope) + envelope.body


def unpack_exception(content: bytes, path: str) -> Envelope:
    """What `pack_exception` was given. Raises as `load_envelope`."""
    return _envelope_in(io.BytesIO(content), len(content), path)


def _envelope_in(file: BinaryIO, end: int, path: str) -> Envelope:
    file.seek(0)
    try:
        written = pickle.load(file)  # noqa: S301 - the user's own file
    except MemoryError:
        raise too_large(path, end) from None
    if written["schema"] > ENVELOPE_SCHEMA:
        raise errors.ResultNotLoadable(
            f"{path} was written by a newer slurm-tasks: read it with that"
        )
    written.setdefault("body", Part(file, file.tell(), end - file.tell()))
    return Envelope(**{name: written[name] for name in Envelope._fields if name in written})


def kind_in(head: bytes) -> str | None:
    """The `kind` of the envelope of which the file begins like this; None where that is too little to tell."""
    try:
        return str(pickle.loads(head)["kind"])  # noqa: S301 - as above
    except Exception:  # noqa: BLE001 - half a pickle may raise anything
        return None


def open_envelope(envelope: Envelope, *, job_id: str = "", job_dir: str = "") -> Any:
    """The value in the envelope; raises the exception in it, with the remote traceback as cause."""
    body = envelope.body
    if isinstance(body, Returned):
        return body.value
    if envelope.kind == "value":
        return _unpickle(envelope, body, job_id, job_dir)
    error = _rebuild(envelope, body, job_id, job_dir)
    remote_exceptions.add_notes(error, envelope.notes)
    if isinstance(error, errors.JobError) and not error.job_id:
        error.job_id, error.job_dir = job_id, job_dir
    raise error from _remote_traceback(envelope, error)


def _remote_traceback(envelope: Envelope, error: BaseException) -> errors.RemoteTraceback | None:
    """Where it was raised; None for what the runner said of its own accord."""
    text = envelope.traceback
    frames = remote_exceptions.frames_in(text, envelope.type_name, envelope.message)
    if isinstance(error, errors.SlurmError) and not frames.strip():
        return None
    if envelope.notes and sys.version_info < (3, 11):
        frames = text  # older Pythons print no notes
    return errors.RemoteTraceback(text, frames)


class Outcome(NamedTuple):
    """What became of a job: a value or an exception, handed out as often as asked.

    `place` is the file with the pickled value, where that begins in it, and its length; None where it does
    not stand there by itself. One that does not last may be another the next time: there was not the
    memory for the value.
    """

    value: Any = None
    error: BaseException | None = None
    place: tuple[str, int, int] | None = None
    lasts: bool = True

    def get(self) -> Any:
        """The value; raises the exception where there is one."""
        if self.error is not None:
            raise self.error
        return self.value


def outcome_in(file: BinaryIO, path: str, *, job_id: str, job_dir: str) -> Outcome:
    """What the result file of a job says, which is closed then; or why it cannot be had from it."""
    envelope: Envelope | None = None

    def load() -> Envelope:
        nonlocal envelope
        envelope = load_envelope(file, path=path)
        return envelope

    with file:
        outcome = outcome_of(load, job_id=job_id, job_dir=job_dir)
    body = envelope.body if envelope is not None else b""
    if outcome.error is None and isinstance(body, Part):
        return outcome._replace(place=(path, body.offset, body.length))
    return outcome


def outcome_of(load: Callable[[], Envelope], *, job_id: str, job_dir: str) -> Outcome:
    """What an envelope says; or why it cannot be had."""
    raised_there = False
    try:
        envelope = load()
        raised_there = envelope.kind == "exception"
        return Outcome(open_envelope(envelope, job_id=job_id, job_dir=job_dir))
    except Exception as error:  # noqa: BLE001 - the task's own exception, kept and raised
        if isinstance(error, errors.JobError) and not error.job_id:
            error.job_id, error.job_dir = job_id, job_dir
        no_memory = not raised_there and isinstance(error, errors.ResultTooLarge)
        return Outcome(error=error.with_traceback(None), lasts=not no_memory)


def _rebuild(envelope: Envelope, body: Pickled, job_id: str, job_dir: str) -> BaseException:
    notes: list[str] = []
    if _size_of(body):
        try:
            return remote_exceptions.load_exception(_unpickle(envelope, body, job_id, job_dir))
        except Exception as problem:  # noqa: BLE001 - its class is not here, or not as it was there
            if isinstance(problem.__cause__, errors.SerializationError):  # code of another Python
                notes.append(f"the exception itself cannot be had here: {problem.__cause__}")
    error = remote_exceptions.stand_in(
        envelope.type_name, envelope.message, job_id=job_id, job_dir=job_dir
    )
    remote_exceptions.add_notes(error, (*envelope.notes, *notes))
    return error


def _size_of(body: Pickled) -> int:
    return body.length if isinstance(body, Part) else len(body)


def _unpickle(envelope: Envelope, body: Pickled, job_id: str, job_dir: str) -> Any:
    place = {"job_id": job_id, "job_dir": job_dir}
    try:
        return Unpickler(_opened(body), envelope.python, envelope.main).load()
    except MemoryError:
        raise too_large(f"the result of job {job_id}", _size_of(body), **place) from None
    except errors.SerializationError as error:
        raise errors.ResultNotLoadable(
            f"the result of job {job_id} cannot be had here: {error}", **place
        ) from error
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        raise errors.ResultNotLoadable(
            f"the result of job {job_id} cannot be unpickled here: {said}; what defines it must be "
            "importable here as it was there, or the task return plain values",
            **place,
        ) from error


def _opened(body: Pickled) -> BinaryIO:
    if isinstance(body, bytes):
        return io.BytesIO(body)
    body.file.seek(body.offset)
    return body.file


def too_large(what: str, size: int, limit: str = MEMORY, **place: str) -> errors.ResultTooLarge:
    """The error for a result of `size` bytes, pickled, which is more than the `limit`."""
    from slurm.usage import format_size

    return errors.ResultTooLarge(
        f"{what} takes {format_size(size)} pickled, more than {limit}; get it in a process with more, "
        "or have the task write a file and return its path",
        **place,
    )


def _pickle_with_fallback(value: Any) -> bytes:
    try:
        return pickle.dumps(value, PROTOCOL)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - cloudpickle may manage, and says what is wrong if not
        from slurm.job_dir.by_value import dumps_by_value

        return dumps_by_value(value, main_travels=True)
