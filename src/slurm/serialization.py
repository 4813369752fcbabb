"""What travels: the payload to the node, the result envelope back.

The payload is pickled in two layers, so that the runner can set up ``sys.path`` and ``__main__``
from the outer one before it unpickles the arguments in the inner one. A `Job` among the arguments,
at any depth and inside any object, is written as a `JobResultPlaceholder` through pickle's own
"persistence of external objects" and read back as that job's result.
"""

from __future__ import annotations

import errno
import io
import pickle
import sys
import types
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple, Union

from slurm import errors, remote_exceptions
from slurm.result_file import PROTOCOL, Part, Writer, require_whole
from slurm.spool import Spool

ENVELOPE_SCHEMA = 2
MAIN_ALIAS = "__slurm_main__"
MAIN_NAMES = ("__main__", MAIN_ALIAS)
MAIN_WORDS = tuple(name.encode() for name in MAIN_NAMES)
MEMORY = "this process has memory for"
SMALLER = "ask for more with mem=, or have the task write a file and return its path"


# Named tuples, and no data classes: with those, a job would take half as long again to start.


class JobResultPlaceholder(NamedTuple):
    """Stands for the result of another job inside pickled arguments.

    Attributes: `job_id`, the scheduler's id; `job_dir`, where its result file is or will be;
    `count`, for a whole array the number of its items, whose results make a list.
    """

    job_id: str
    job_dir: str = ""
    count: int | None = None  # type: ignore[assignment]  # a tuple has a method of that name


# --- payload -------------------------------------------------------------------------------------


class FunctionReference(NamedTuple):
    """How the node finds the function.

    `kind` is ``module`` (import `module`, take `qualname`), ``script`` (run the travelled script as
    `module`, take `qualname`) or ``value`` (unpickle `pickled`). `source` is the module's own file,
    for a node that cannot import it: in a payload relative to the job directory.
    """

    kind: str
    module: str = ""
    qualname: str = ""
    pickled: bytes = b""
    source: str = ""


class MainModule(NamedTuple):
    """What ``__main__`` was on the client: an importable `module`, or the script at `path`.

    In a payload, `path` is relative to the job directory, where the script has travelled.
    """

    module: str = ""
    path: str = ""


class Payload(NamedTuple):
    """All the runner needs to call the function.

    `children` is the configuration of a workflow's own cluster, plain JSON. `callbacks` are pickled
    as arguments are, each beside the name of its class. Where the arguments have a file of their own,
    `items` says where in it those of each item of an array begin and end; of a job by itself, all.
    """

    function: FunctionReference
    arguments: bytes
    main: MainModule | None = None
    sys_path: tuple[str, ...] = ()
    children: Mapping[str, Any] = MappingProxyType({})
    items: tuple[tuple[int, int], ...] = ()
    callbacks: tuple[tuple[str, bytes], ...] = ()


def dump_payload(payload: Payload) -> bytes:
    """The payload as plain containers, so that reading it needs nothing but the standard library."""
    content = payload._asdict()
    content["function"] = payload.function._asdict()
    content["main"] = payload.main._asdict() if payload.main else None
    content["children"] = dict(payload.children)
    return pickle.dumps(content, PROTOCOL)


def load_payload(source: bytes | BinaryIO) -> Payload:
    """Read back what `dump_payload` wrote."""
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    content = pickle.load(file)  # noqa: S301 - the user's own file
    main = content.pop("main")
    function = FunctionReference(**content.pop("function"))
    return Payload(function=function, main=MainModule(**main) if main else None, **content)


def dump_arguments(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    placeholder_of: Callable[[Any], JobResultPlaceholder | None],
    *,
    main_travels: bool = True,
) -> tuple[bytes, bool]:
    """As `write_arguments`, into memory: the pickle, and whether it took ``cloudpickle``."""
    spool = Spool()
    copied = write_arguments(spool, args, kwargs, placeholder_of, main_travels=main_travels)
    return spool.getvalue(), copied


def write_arguments(
    spool: Spool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    placeholder_of: Callable[[Any], JobResultPlaceholder | None],
    *,
    main_travels: bool = True,
) -> bool:
    """Pickle a call's arguments behind what is in `spool`; returns whether it took ``cloudpickle``.

    `placeholder_of` is asked for every object and answers None for what is to be pickled as it is.
    Unless `main_travels`, what ``__main__`` defined is pickled by value. Raises `SerializationError`
    for what cannot be pickled at all.
    """
    start = spool.size
    try:
        _dump(pickle.Pickler, (args, kwargs), placeholder_of, spool)
        if main_travels or not spool.contains(MAIN_WORDS, start):
            return False
    except errors.SlurmError:  # an array among the arguments is submitted now
        raise
    except Exception:  # noqa: BLE001 - __reduce__ is the user's and may raise anything; see below
        pass
    import cloudpickle

    spool.truncate(start)

    class ByValue(cloudpickle.CloudPickler):  # type: ignore[misc]
        """By value what has to be; what the travelling script defines keeps its identity there."""

        def reducer_override(self, value: Any) -> Any:
            if main_travels and _is_of_main(value):
                return value.__qualname__
            return super().reducer_override(value)

    try:
        _dump(ByValue, (args, kwargs), placeholder_of, spool)
        return True
    except errors.SlurmError:
        raise
    except Exception as error:
        raise errors.SerializationError(f"an argument cannot be pickled: {error}") from error


def _is_of_main(value: Any) -> bool:
    """Whether a class or function is found in ``__main__`` under its own name."""
    if not isinstance(value, (type, types.FunctionType)) or value.__module__ not in MAIN_NAMES:
        return False
    found: Any = sys.modules[value.__module__]
    for name in value.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is value


def names_main(data: bytes) -> bool:
    """Whether a pickle may refer to something that ``__main__`` defined."""
    return any(word in data for word in MAIN_WORDS)


def _dump(
    pickler_type: Any,
    value: Any,
    placeholder_of: Callable[[Any], JobResultPlaceholder | None],
    spool: Spool,
) -> None:
    class Pickler(pickler_type):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> tuple[Any, ...] | None:
            placeholder = placeholder_of(value)
            return None if placeholder is None else tuple(placeholder)

    Pickler(spool, PROTOCOL).dump(value)


def load_arguments(
    source: bytes | BinaryIO, result_of: Callable[[JobResultPlaceholder], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Unpickle a call's arguments, each placeholder replaced by `result_of` it, asked once per job."""
    results: dict[JobResultPlaceholder, Any] = {}

    class Unpickler(_Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            placeholder = JobResultPlaceholder(*pid)
            if placeholder not in results:
                results[placeholder] = result_of(placeholder)
            return results[placeholder]

    file = io.BytesIO(source) if isinstance(source, bytes) else source
    args, kwargs = Unpickler(file).load()
    return args, kwargs


class _Unpickler(pickle.Unpickler):
    """Finds what a script defined, whichever of the two names the script ran under when it was pickled."""

    def find_class(self, module: str, name: str) -> Any:
        main = sys.modules["__main__"]
        spec = getattr(main, "__spec__", None)
        if (module == MAIN_ALIAS and MAIN_ALIAS not in sys.modules) or (
            spec is not None and module == spec.name
        ):
            module = "__main__"
        if module == "pathlib._local":  # Python 3.13 alone has its paths there
            module = "pathlib"
        return super().find_class(module, name)


# --- result --------------------------------------------------------------------------------------


class Returned(NamedTuple):
    """A value that is pickled when its envelope is written, and not before: it may be large."""

    value: Any


Pickled = Union[bytes, Part]


class Envelope(NamedTuple):
    """What a finished runner leaves behind.

    `kind` is ``value`` or ``exception``; `body` its pickle, in memory or in an open file (empty for
    an exception that has none). `type_name`, `message`, `traceback` describe an exception in text, of
    a bounded length; `notes` are those added to it (PEP 678).
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


def value_envelope(value: Any, attempt: int) -> Envelope:
    """The envelope of a returned value."""
    return Envelope("value", Returned(value), attempt, sys.version.split()[0])


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
    header = envelope._asdict()
    body = header.pop("body")
    out.write(pickle.dumps(header, PROTOCOL))
    if isinstance(body, Returned):
        problem = _write_value(out, body.value)
        if problem is not None:
            out.rewind(start)
            return write_envelope(out, exception_envelope(problem, envelope.attempt))
    else:
        out.write(body)
    out.finish()
    return envelope


def _write_value(out: Writer, value: Any) -> errors.ResultError | None:
    """Pickle a value; answers why it cannot be."""
    kind, place = type(value).__qualname__, out.mark()
    try:
        try:
            pickle.dump(value, out, PROTOCOL)
        except MemoryError:
            raise
        except Exception:
            if out.problem is not None:
                raise
            import cloudpickle  # it may manage, and says what is wrong if not

            out.rewind(place)
            cloudpickle.dump(value, out, PROTOCOL)
    except MemoryError:
        return errors.ResultTooLarge(
            f"the task returned a {kind} for which, pickled, there is no memory left; {SMALLER}"
        )
    except Exception as error:  # noqa: BLE001 - __reduce__ is the user's code and may raise anything
        if out.problem is not None:
            raise out.problem from None
        return errors.ResultNotSerializable(
            f"the task returned a {kind} that cannot be pickled: {error}"
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
    end = require_whole(file, path)
    file.seek(0)
    try:
        written = pickle.load(file)  # noqa: S301 - the user's own file
    except MemoryError:
        raise too_large(path, end) from None
    if written["schema"] > ENVELOPE_SCHEMA:
        raise errors.ResultNotLoadable(
            f"{path} was written by a newer slurm-sdk: read it with that"
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
        return _unpickle(body, job_id, job_dir)
    error = _rebuild(envelope, body, job_id, job_dir)
    remote_exceptions.add_notes(error, envelope.notes)
    if isinstance(error, errors.JobError) and not error.job_id:
        error.job_id, error.job_dir = job_id, job_dir
    raise error from errors.RemoteTraceback(envelope.traceback)


def _rebuild(envelope: Envelope, body: Pickled, job_id: str, job_dir: str) -> BaseException:
    if _size_of(body):
        try:
            return remote_exceptions.load_exception(_unpickle(body, job_id, job_dir))
        except Exception:  # noqa: BLE001 - its class is not here, or not as it was there
            pass  # the text still tells the story
    return remote_exceptions.stand_in(
        envelope.type_name, envelope.message, job_id=job_id, job_dir=job_dir
    )


def _size_of(body: Pickled) -> int:
    return body.length if isinstance(body, Part) else len(body)


def _unpickle(body: Pickled, job_id: str, job_dir: str) -> Any:
    place = {"job_id": job_id, "job_dir": job_dir}
    try:
        return _Unpickler(_opened(body)).load()
    except MemoryError:
        raise too_large(f"the result of job {job_id}", _size_of(body), **place) from None
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
        import cloudpickle

        pickled: bytes = cloudpickle.dumps(value, PROTOCOL)
        return pickled
