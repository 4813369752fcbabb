"""Arrays on their way: mapped and not used yet, and those that the scheduler has.

One that nobody uses is submitted at the end of its context at the latest.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from slurm import forks
from slurm.errors import SlurmError, SubmissionError, SubmissionUnknown
from slurm.job_dir.paths import ArrayDirectory
from slurm.sbatch.array_layout import ArrayLayout

if TYPE_CHECKING:
    from slurm.submit.calls import ArrayCall
    from slurm.submit.packing import PickledCall
    from slurm.tracking.upstream import Dependency

logger: logging.Logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SubmittedArray:
    """An array that the scheduler has: the `ids` of its submissions, and how its items lie in them.

    `options` are sbatch's in the script of each submission, where this process has made them.
    """

    ids: tuple[str, ...]
    directory: ArrayDirectory
    layout: ArrayLayout
    token: str
    waits_for: tuple[Dependency, ...] = ()
    reattached: bool = False
    options: tuple[Mapping[str, str], ...] = ()


class WaitingArray:
    """What an array is until its first use: its call, pickled as it was made, and the way to submit it."""

    def __init__(
        self,
        call: ArrayCall,
        pickled: PickledCall,
        submit: Callable[[ArrayCall, PickledCall], SubmittedArray],
    ) -> None:
        self.call = call
        self.count: int = pickled.count
        self._pickled = pickled
        self._submit = submit

    def submit(self) -> SubmittedArray:
        """Hand the array to the scheduler. Raises what submitting a job raises."""
        return self._submit(self.call, self._pickled)


class ArraySubmission:
    """One array on its way: waiting for its first use, given up, or submitted; the last two are for good.

    Its parent and a forked child may both use it: they submit it under one token, and have one and the same.
    """

    def __init__(self, task_name: str, state: WaitingArray | SubmittedArray) -> None:
        self.task_name = task_name
        self._state = state
        self._problem: SlurmError | None = None
        self._made_by = forks.here()
        self._being_submitted_by: object = None  # a process
        self._changing = forks.Lock(threading.RLock)

    @property
    def submitted(self) -> SubmittedArray | None:
        """Where the scheduler has it; None before that."""
        return self._state if isinstance(self._state, SubmittedArray) else None

    @property
    def is_given_up(self) -> bool:
        """Whether it could not be, or shall not be, submitted."""
        return self._problem is not None

    @property
    def count(self) -> int:
        """How many items it has."""
        state = self._state
        return state.layout.count if isinstance(state, SubmittedArray) else state.count

    def after(self, more: Sequence[Dependency]) -> None:
        """Have it wait for more. Raises `SubmissionError` where it is too late for that."""
        with self._changing:
            state = self._state
            if isinstance(state, SubmittedArray):
                raise SubmissionError(
                    f"{self} has been submitted, and can wait for nothing more: call .after() before "
                    f"its first use, or {self.task_name}.after(...).map(items)"
                )
            if self._made_by is not forks.here():
                raise SubmissionError(
                    f"{self} was mapped by the process that forked this one, and can wait for nothing more here: "
                    f"call .after() there, or {self.task_name}.after(...).map(items) here"
                )
            state.call = replace(state.call, after=(*state.call.after, *more))

    def submit(
        self, make_elements: Callable[[SubmittedArray], object], watch: Callable[[], object]
    ) -> None:
        """Submit it, unless it has been. Raises what that raises, every time it is asked for.

        `make_elements` is called before anybody can see that it is submitted, `watch` afterwards.
        """
        with self._changing:
            if self._problem is not None:
                raise self._problem
            if isinstance(self._state, SubmittedArray):
                return
            if self._being_submitted_by is forks.here():
                raise SubmissionError(f"{self} waits for an array that waits for it")
            self._being_submitted_by = forks.here()
            try:
                state = self._state.submit()
            except SubmissionUnknown:
                raise  # whoever uses the array again has it looked for
            except SlurmError as error:
                self._problem = error
                raise
            finally:
                self._being_submitted_by = None
            make_elements(state)
            self._state = state
            watch()

    def give_up(self, reason: str) -> None:
        """Never submit it; whoever uses it from now on is told why."""
        with self._changing:
            if self.submitted is None and self._problem is None and self.count:
                self._problem = SubmissionError(f"{self} was not submitted: {reason}")

    def __str__(self) -> str:
        state = self.submitted
        shown = ",".join(state.ids) if state is not None else "not submitted"
        if not self.count:
            shown = "empty"
        return f"<ArrayJob {shown} {self.task_name} of {self.count}>"


class Mapped(Protocol):
    """An array as those know it who submit it when nobody has: an `ArrayJob`."""

    @property
    def is_submitted(self) -> bool:
        """Whether the scheduler has it."""

    @property
    def is_given_up(self) -> bool:
        """Whether it could not be, or shall not be, submitted."""

    def submit(self) -> Any:
        """Submit it, unless it has been."""

    def give_up(self, reason: str) -> None:
        """Never submit it."""

    def __len__(self) -> int:
        """How many items it has."""


class WaitingArrays:
    """The arrays of one ``with`` block, or of none, that may still have to be submitted.

    A forked child has those that were mapped in it; the others are its parent's to submit.
    """

    def __init__(self) -> None:
        self.over: bool = False  # nothing is added any more
        self._own: forks.Own[list[Mapped]] = forks.Own(list)
        self._changing = forks.Lock()

    def add(self, array: Mapped) -> bool:
        """Remember an array until `submit` or `give_up`; False when that is over."""
        with self._changing:
            if not self.over:
                self._own.get().append(array)
            return not self.over

    def end(self, *, failed: bool) -> None:
        """Submit, or give up, what there is, and take no more."""
        left = [one for one in self._own.inherited or () if not one.is_submitted]
        if left and not failed:
            logger.warning("left to the process that forked this one, which mapped them: %s", left)
        with self._changing:
            self.over = True
        if failed:
            self.give_up()
        else:
            self.submit()

    def submit(self) -> None:
        """Submit those nobody has used, in the order in which they were made.

        Raises the first problem after all have been tried; whoever uses an array hears of its own.
        """
        problems = []
        for array in self._take():
            if not array.is_submitted and not array.is_given_up:
                try:
                    array.submit()
                except Exception as error:  # noqa: BLE001 - raised below, when the others are safe
                    problems.append(error)
        for problem in problems[1:]:
            logger.error("an array was not submitted: %s", problem)
        if problems:
            raise problems[0]

    def give_up(self) -> None:
        """Submit none of them, and say so."""
        for array in self._take():
            if array.is_submitted or array.is_given_up:
                continue
            if len(array):
                logger.warning("%r is not submitted: its context was left by an exception", array)
            array.give_up("its context was left by an exception before anything used it")

    def _take(self) -> list[Mapped]:
        with self._changing:
            arrays = self._own.get()
            taken = arrays[:]
            arrays.clear()
        return taken


class Block(NamedTuple):
    """A ``with cluster:`` that has not ended: whose it is, its arrays, and what to do first at its end."""

    owner: ArrayBlocks
    arrays: WaitingArrays
    leave: Callable[[], object]


# Innermost last, of all clusters.
_open_blocks: contextvars.ContextVar[tuple[Block, ...]] = contextvars.ContextVar(
    "slurm_open_blocks", default=()
)


class ArrayBlocks:
    """The ``with`` blocks of one cluster that have not ended, each with the arrays that were mapped in it.

    An array belongs to the innermost block of its cluster, in the thread or asyncio task that mapped it. One that was
    mapped outside of all, as in a thread that has no block of its own, goes with the last block to end. A forked child
    is in the blocks in which it was made; those of other threads are not there.
    """

    def __init__(self) -> None:
        self._outside = WaitingArrays()
        self._own: forks.Own[list[Block]] = forks.Own(list)
        self._changing = forks.Lock()

    def begin(self, leave: Callable[[], object]) -> None:
        """A block begins here; `leave` is called when it ends, before its arrays are submitted."""
        block = Block(self, WaitingArrays(), leave)
        _open_blocks.set((*_open_blocks.get(), block))
        with self._changing:
            self._own.get().append(block)

    def end(self, *, failed: bool) -> None:
        """The innermost block of this cluster ends: submit its arrays, or give them up after it has `failed`.

        Nothing ends where none was begun, or in another thread: then another cluster's is not taken for it.
        """
        here = _open_blocks.get()
        block = next((one for one in reversed(here) if one.owner is self), None)
        if block is None:
            return
        _open_blocks.set(tuple(one for one in here if one is not block))
        block.leave()
        with self._changing:
            blocks = self._own.get()
            blocks[:] = [one for one in blocks if one is not block]
            last = not blocks
        try:
            block.arrays.end(failed=failed)
        finally:
            if last:
                self.end_all(failed=failed)

    def add(self, array: Mapped) -> None:
        """Remember an array that was mapped here."""
        here = (block for block in reversed(_open_blocks.get()) if block.owner is self)
        block = next(here, None)
        if block is None or not block.arrays.add(array):
            self._outside.add(array)
            return
        with self._changing:
            blocks = self._own.get()
            if not any(one is block for one in blocks):
                blocks.append(block)  # begun before this process was forked

    def end_all(self, *, failed: bool) -> None:
        """Submit the arrays of all blocks, or give them up; the blocks stay open."""
        with self._changing:
            waiting = [self._outside, *(block.arrays for block in self._own.get())]
        for arrays in waiting:
            if failed:
                arrays.give_up()
            else:
                arrays.submit()
