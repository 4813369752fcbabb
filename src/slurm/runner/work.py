"""What a job is to do: its function, and the arguments of a call, read from the job's files when they are first needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from slurm.agent.regular_files import open_regular
from slurm.callbacks.node import NodeCallbacks
from slurm.context import loading_script
from slurm.job_dir.arguments import load_arguments
from slurm.job_dir.paths import ArrayDirectory, JobDirectory
from slurm.job_dir.payload import Payload, load_payload
from slurm.job_dir.placeholder import JobResultPlaceholder
from slurm.node.context_names import may_want_context
from slurm.runner.functions import load_function, restore_imports
from slurm.runner.injection import Injection

if TYPE_CHECKING:
    from slurm.node.binding import CallBinder


class Loaded:
    """What a call takes beside its arguments: the `payload`, and the `function`, and which of its parameters are contexts."""

    def __init__(self, payload: Payload, function: Callable[..., Any]) -> None:
        self.payload = payload
        self.function = function
        self.binder: CallBinder | None = None
        if may_want_context(function):
            from slurm.node.binding import CallBinder  # late: it takes long to import

            binder = CallBinder(function)
            self.binder = binder if binder.injected else None

    @property
    def takes_context(self) -> bool:
        """Whether the function is given a context, and with it the job's directory."""
        return self.binder is not None

    @property
    def reads_metadata(self) -> bool:
        """Whether somebody reads there what the job has noted: its callbacks, or those who look for a workflow's jobs."""
        return bool(self.payload.children or self.payload.callbacks)


class Work:
    """The calls of a job: one, or one for each of an array's items that it runs.

    `prepare` is called before each, when all that it takes has been read.
    """

    def __init__(self, directory: JobDirectory, array: ArrayDirectory | None = None) -> None:
        self.directory = directory
        self.array = array
        self.item = 0
        self.packaging: str = ""
        self.callbacks: NodeCallbacks = NodeCallbacks()
        self.prepare: Callable[[Loaded], object] = lambda loaded: None
        self._loaded: Loaded | None = None
        self._arguments_file: BinaryIO | None = None

    def close(self) -> None:
        """Call no more."""
        if self._arguments_file is not None:
            self._arguments_file.close()

    def call(self, directory: JobDirectory) -> Any:
        """Call the function for the job, or the array's item, in `directory`."""
        try:
            return self._call(directory)
        except ModuleNotFoundError as error:
            from slurm.runner.missing_modules import explain

            explain(error, self.packaging)
            raise

    def _call(self, directory: JobDirectory) -> Any:
        # What is imported for them may submit as a script without a main guard does: this very job again, without end.
        with loading_script():
            loaded = self._loaded or self._load()
            args, kwargs = self._arguments(loaded.payload)
        self.prepare(loaded)
        callbacks, children = self.callbacks, loaded.payload.children
        with Injection(
            loaded.function, loaded.binder, children, directory, callbacks.loaded
        ) as injection:
            callbacks.begin(directory)
            return injection.settle(injection.call(args, kwargs))

    def _load(self) -> Loaded:
        with open_regular(self.directory.payload) as file:
            payload = load_payload(file)
        self.packaging = payload.packaging
        with loading_script(everywhere=True):
            restore_imports(payload, self.directory)
            try:
                function = load_function(payload, self.directory)
            finally:  # callbacks may be defined beside the function, and are told if it cannot be loaded
                self.callbacks.load(payload.callbacks, payload.python)
        self._loaded = Loaded(payload, function)
        return self._loaded

    def _arguments(self, payload: Payload) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if not payload.items:
            return load_arguments(payload.arguments, _result_of, payload.python, payload.later)
        begin, _ = payload.items[self.item]
        file = self._opened_arguments()
        file.seek(begin)
        return load_arguments(file, _result_of, payload.python, payload.later)

    def _opened_arguments(self) -> BinaryIO:
        """The file with the arguments, which stays open for those of the other items."""
        if self._arguments_file is None:
            path = self.directory.arguments if self.array is None else self.array.items
            self._arguments_file = open_regular(path)
        return self._arguments_file


def is_here(path: str) -> bool:
    """Whether the job runs in this directory."""
    return os.path.realpath(os.getcwd()) == os.path.realpath(path)


def _result_of(placeholder: JobResultPlaceholder) -> Any:
    from slurm.runner.placeholders import result_of

    return result_of(placeholder)
