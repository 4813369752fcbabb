"""What travels: the payload to the node, the result envelope back.

The payload is pickled in two layers, so that the runner can set up ``sys.path`` and ``__main__``
from the outer one before it unpickles the arguments in the inner one. A `Job` among the arguments,
at any depth and inside any object, is written as a `JobResultPlaceholder` through pickle's own
"persistence of external objects" and read back as that job's result.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from slurm import errors

PROTOCOL = 5  # Python 3.8
ENVELOPE_SCHEMA = 1
MAIN_ALIAS = "__slurm_main__"


@dataclass(frozen=True)
class JobResultPlaceholder:
    """Stands for the result of another job inside pickled arguments.

    Attributes: `job_id`, the scheduler's id; `job_dir`, where its result file is or will be.
    """

    job_id: str
    job_dir: str = ""


# --- payload -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FunctionReference:
    """How the node finds the function.

    `kind` is ``module`` (import `module`, take `qualname`), ``script`` (run the travelled script as
    `module`, take `qualname`) or ``value`` (unpickle `pickled`).
    """

    kind: str
    module: str = ""
    qualname: str = ""
    pickled: bytes = b""


@dataclass(frozen=True)
class MainModule:
    """What ``__main__`` was on the client: an importable `module`, or the script at `path`.

    In a payload, `path` is relative to the job directory, where the script has travelled.
    """

    module: str = ""
    path: str = ""


@dataclass(frozen=True)
class Payload:
    """All the runner needs to call the function.

    `children` is the configuration of a workflow's own cluster, plain JSON.
    """

    function: FunctionReference
    arguments: bytes
    main: MainModule | None = None
    sys_path: tuple[str, ...] = ()
    children: dict[str, Any] = field(default_factory=dict)


def dump_payload(payload: Payload) -> bytes:
    """The payload as plain containers, so that reading it needs nothing but the standard library."""
    return pickle.dumps(asdict(payload), PROTOCOL)


def load_payload(data: bytes) -> Payload:
    """Read back what `dump_payload` wrote."""
    content = pickle.loads(data)  # noqa: S301 - the user's own file
    main = content.pop("main")
    function = FunctionReference(**content.pop("function"))
    return Payload(function=function, main=MainModule(**main) if main else None, **content)


def dump_arguments(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    placeholder_of: Callable[[Any], JobResultPlaceholder | None],
) -> tuple[bytes, bool]:
    """Pickle a call's arguments; the second value says whether it took ``cloudpickle``.

    `placeholder_of` is asked for every object and answers None for what is to be pickled as it is.
    Raises `SerializationError` for what cannot be pickled at all.
    """
    try:
        return _dump(pickle.Pickler, (args, kwargs), placeholder_of), False
    except Exception:  # noqa: BLE001 - __reduce__ is the user's code and may raise anything
        import cloudpickle

        try:
            return _dump(cloudpickle.CloudPickler, (args, kwargs), placeholder_of), True
        except Exception as error:
            raise errors.SerializationError(f"an argument cannot be pickled: {error}") from error


def _dump(
    pickler_type: Any,
    value: Any,
    placeholder_of: Callable[[Any], JobResultPlaceholder | None],
) -> bytes:
    class Pickler(pickler_type):  # type: ignore[misc]
        def persistent_id(self, value: Any) -> tuple[str, str] | None:
            placeholder = placeholder_of(value)
            return None if placeholder is None else (placeholder.job_id, placeholder.job_dir)

    buffer = io.BytesIO()
    Pickler(buffer, PROTOCOL).dump(value)
    return buffer.getvalue()


def load_arguments(
    data: bytes, result_of: Callable[[JobResultPlaceholder], Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Unpickle a call's arguments, each placeholder replaced by `result_of` it, asked once per job."""
    results: dict[JobResultPlaceholder, Any] = {}

    class Unpickler(_Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            placeholder = JobResultPlaceholder(*pid)
            if placeholder not in results:
                results[placeholder] = result_of(placeholder)
            return results[placeholder]

    args, kwargs = Unpickler(io.BytesIO(data)).load()
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
        return super().find_class(module, name)


# --- result --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Envelope:
    """What a finished runner leaves behind.

    `kind` is ``value`` or ``exception``; `body` its pickle (empty for an exception that has none),
    `sha256` the body's checksum. `type_name`, `message`, `traceback` describe an exception in text.
    """

    kind: str
    body: bytes
    sha256: str
    attempt: int
    python: str
    type_name: str = ""
    message: str = ""
    traceback: str = ""
    schema: int = ENVELOPE_SCHEMA


def value_envelope(value: Any, attempt: int) -> Envelope:
    """The envelope of a returned value; of the reason, where the value cannot be pickled."""
    try:
        body = _pickle_with_fallback(value)
    except Exception as error:  # noqa: BLE001 - __reduce__ is the user's code and may raise anything
        message = f"the task returned a {type(value).__qualname__} that cannot be pickled: {error}"
        return exception_envelope(errors.ResultNotSerializable(message), attempt)
    return Envelope("value", body, _sha256(body), attempt, sys.version.split()[0])


def exception_envelope(error: BaseException, attempt: int) -> Envelope:
    """The envelope of a raised exception; its body is empty when it would not survive the way."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    body = b""
    # SystemExit and KeyboardInterrupt would end the client: there they are a RemoteError.
    if isinstance(error, Exception):
        try:
            body = _pickle_with_fallback(error)
            pickle.loads(body)  # noqa: S301 - an exception whose __init__ wants more fails only here
        except Exception:  # noqa: BLE001 - whatever it is, the text still tells the story
            body = b""
    return Envelope(
        "exception",
        body,
        _sha256(body),
        attempt,
        sys.version.split()[0],
        type_name=f"{type(error).__module__}.{type(error).__qualname__}",
        message=str(error),
        traceback=text,
    )


def dump_envelope(envelope: Envelope) -> bytes:
    """The content of ``result.pkl``."""
    return pickle.dumps(asdict(envelope), PROTOCOL)


def load_envelope(data: bytes, *, path: str = "result.pkl") -> Envelope:
    """Read ``result.pkl``. Raises `ResultCorrupted` when it is not whole."""
    try:
        envelope = Envelope(**pickle.loads(data))  # noqa: S301 - the user's own file
    except Exception as error:
        raise errors.ResultCorrupted(f"{path} is truncated or no result file: {error}") from error
    if _sha256(envelope.body) != envelope.sha256:
        raise errors.ResultCorrupted(f"{path} was altered: its checksum does not match")
    return envelope


def open_envelope(envelope: Envelope, *, job_id: str = "", job_dir: str = "") -> Any:
    """The value in the envelope; raises the exception in it, with the remote traceback as cause."""
    if envelope.kind == "value":
        return _unpickle(envelope.body, job_id, job_dir)
    raise _rebuild(envelope, job_id, job_dir) from errors.RemoteTraceback(envelope.traceback)


def _rebuild(envelope: Envelope, job_id: str, job_dir: str) -> BaseException:
    if envelope.body:
        try:
            rebuilt = _unpickle(envelope.body, job_id, job_dir)
        except errors.ResultError:
            rebuilt = None
        if isinstance(rebuilt, BaseException):
            return rebuilt
    return errors.RemoteError(
        f"{envelope.type_name}: {envelope.message}",
        type_name=envelope.type_name,
        job_id=job_id,
        job_dir=job_dir,
    )


def _unpickle(body: bytes, job_id: str, job_dir: str) -> Any:
    try:
        return _Unpickler(io.BytesIO(body)).load()
    except Exception as error:
        raise errors.ResultError(
            f"the result of job {job_id} cannot be unpickled here: {type(error).__name__}: {error}",
            job_id=job_id,
            job_dir=job_dir,
        ) from error


def _pickle_with_fallback(value: Any) -> bytes:
    try:
        return pickle.dumps(value, PROTOCOL)
    except Exception:  # noqa: BLE001 - cloudpickle may manage, and says what is wrong if not
        import cloudpickle

        pickled: bytes = cloudpickle.dumps(value, PROTOCOL)
        return pickled


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
