"""Arrays that were mapped and not used yet: submitted at the end of their context at the latest."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slurm.array_job import ArrayJob, SubmittedArray
    from slurm.cluster import Cluster
    from slurm.submit.calls import ArrayCall
    from slurm.submit.prepare import Placement

logger: logging.Logger = logging.getLogger(__name__)


class WaitingArray:
    """An array's call, and where it is to be submitted."""

    def __init__(self, cluster: Cluster, call: ArrayCall, placement: Placement | None) -> None:
        self.cluster = cluster
        self.call = call
        self.placement = placement

    def submit(self) -> SubmittedArray:
        """Hand the array to the scheduler. Raises what submitting a job raises."""
        return self.cluster.submit_array(self.call, self.placement)


class WaitingArrays:
    """The arrays of one ``with`` block, or of none, that may still have to be submitted."""

    def __init__(self) -> None:
        self.over: bool = False  # nothing is added any more
        self._arrays: list[ArrayJob[Any]] = []
        self._changing = threading.Lock()

    def add(self, array: ArrayJob[Any]) -> bool:
        """Remember an array until `submit` or `give_up`; False when that is over."""
        with self._changing:
            if not self.over:
                self._arrays.append(array)
            return not self.over

    def end(self, *, failed: bool) -> None:
        """Submit, or give up, what there is, and take no more."""
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
            if not array.is_submitted and not array.is_given_up:
                logger.warning("%r is not submitted: its context was left by an exception", array)
                array.give_up("its context was left by an exception before anything used it")

    def _take(self) -> list[ArrayJob[Any]]:
        with self._changing:
            arrays, self._arrays = self._arrays, []
        return arrays
