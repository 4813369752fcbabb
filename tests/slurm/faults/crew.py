"""Jobs in every state that a fault may find them in, and what has to become of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fault_tasks
from faults.site import A_WHILE, TIMEOUT, Site
from slurm import ArrayJob, Job
from slurm.errors import DependencyFailed

ITEMS = (10, 11, 12)
SUBMISSIONS = 8  # the children of the workflow among them
AT_THE_GATE = 2 + len(ITEMS)  # a job, the child of the workflow, the elements of the array


@dataclass(frozen=True)
class Crew:
    """`running`, `held` in the queue, an `array` with an item that fails, jobs that wait for one that ends well and
    for one that does not, and a workflow between its children."""

    running: Job[int]
    held: Job[int]
    array: ArrayJob[int]
    dependent: Job[int]
    hopeless: Job[int]
    family: Job[int]

    @property
    def jobs(self) -> tuple[Job[Any], ...]:
        plain = (self.running, self.held, self.dependent, self.hopeless, self.family)
        return (*plain, *self.array)

    def still_wait(self) -> None:
        """None has ended, and waiting is no error; in a time in which everything is asked more than once."""
        assert not self.running.wait(A_WHILE)
        assert [job for job in self.jobs if job.done()] == []

    def end_well(self, site: Site, *others: Job[Any]) -> None:
        """Each ends as it would have without any fault, and was submitted once, as were all `others`."""
        site.shell("scontrol", "release", self.held.id)
        assert self.running.get_result(TIMEOUT) == 1
        assert self.held.get_result(TIMEOUT) == 2
        assert self.dependent.get_result(TIMEOUT) == 2
        assert self.family.get_result(TIMEOUT) == 15
        assert [self.array[0].get_result(TIMEOUT), self.array[2].get_result(TIMEOUT)] == [10, 12]
        error = self.array[1].exception(TIMEOUT)
        assert isinstance(error, ValueError)
        assert str(error) == "11 is odd"
        never = self.hopeless.exception(TIMEOUT)
        assert isinstance(never, DependencyFailed)
        assert never.root_job_id == self.array[1].id
        ran = [job for job in self.jobs if job is not self.hopeless]
        site.assert_submitted_once([*ran, *others], SUBMISSIONS + len(others))


def crew_of(site: Site) -> Crew:
    """All at work: what is to run runs."""
    running = fault_tasks.keep(site.gate, 1)
    array = fault_tasks.refuse.map([(site.gate, item) for item in ITEMS])
    crew = Crew(
        running=running,
        held=fault_tasks.keep.with_options(hold=True)(site.gate, 2),
        array=array,
        dependent=fault_tasks.double(running),
        hopeless=fault_tasks.double(array[1]),
        family=fault_tasks.family(site.gate),
    )
    site.wait_for_runs(AT_THE_GATE)
    site.wait_until_saved(crew.held.id)
    return crew
