"""What ``sbatch --dependency`` means on one machine. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

from slurm.local.jobs import Refused

AFTER = ("after", "afterany", "afterok", "afternotok", "aftercorr")
JOB = re.compile(r"(0|[1-9][0-9]{0,17})(?:_(0|[1-9][0-9]{0,8}))?")
WHOLE_ARRAY = "_*"


class Condition(NamedTuple):
    """One thing to wait for: the job or array `job_id`, or the array's element `index`."""

    kind: str
    job_id: int
    index: int | None = None  # type: ignore[assignment]  # a tuple's own is not needed

    @property
    def target(self) -> str:
        """The job id as Slurm shows it."""
        return str(self.job_id) if self.index is None else f"{self.job_id}_{self.index}"


class ParsedDependency(NamedTuple):
    """What a job waits for: all of the `conditions`, or `any_of` them."""

    conditions: tuple[Condition, ...] = ()
    singleton: bool = False
    any_of: bool = False

    @property
    def by_element(self) -> bool:
        """Whether it may hold for one element of an array and not yet for another."""
        return any(one.kind == "aftercorr" and one.index is None for one in self.conditions)


class Standing(NamedTuple):
    """How far a job is, or an array as a whole: all of it has `begun`, `ended`, ended `well`."""

    begun: bool
    ended: bool
    well: bool


@functools.lru_cache(maxsize=4096)
def parse_dependency(text: str) -> ParsedDependency:
    """The meaning of sbatch's ``--dependency``, in the types that concern one machine.

    Raises `Refused`.
    """
    if "," in text and "?" in text:
        raise dependency_problem(text, "',' and '?' cannot be mixed")
    conditions: list[Condition] = []
    singleton = False
    for part in text.replace("?", ",").split(",") if text else ():
        kind, *targets = part.strip().lower().split(":")
        matches = [JOB.fullmatch(target.removesuffix(WHOLE_ARRAY)) for target in targets]
        if kind == "singleton" and not targets:
            singleton = True
        elif kind not in AFTER:
            why = f"{part!r} is none of singleton, {', '.join(AFTER)} with job ids"
            raise dependency_problem(text, why)
        elif not matches or None in matches:
            why = f"{part!r} must name job ids, as in {kind}:1:2 or {kind}:1_0"
            raise dependency_problem(text, why)
        else:
            conditions += [_condition(kind, match) for match in matches if match is not None]
    return ParsedDependency(tuple(conditions), singleton, "?" in text)


def _condition(kind: str, match: re.Match[str]) -> Condition:
    return Condition(kind, int(match[1]), None if match[2] is None else int(match[2]))


def dependency_problem(text: str, why: str) -> Refused:
    """The refusal of a dependency, in Slurm's words."""
    return Refused(f"Job dependency problem: --dependency={text}: {why}")


def may_start(
    dependency: ParsedDependency, standing: Callable[[Condition], Standing], first_of_name: bool
) -> bool | None:
    """Whether a job may start as far as others are concerned; None when it never will.

    `first_of_name` says whether no earlier job of its name is left, for ``singleton``.
    """
    answers = [condition_holds(one.kind, standing(one)) for one in dependency.conditions]
    if dependency.singleton:
        answers.append(first_of_name)
    if not answers:
        return True
    if dependency.any_of:
        return True if True in answers else None if set(answers) == {None} else False
    return None if None in answers else all(answers)


def condition_holds(kind: str, other: Standing) -> bool | None:
    """Whether one condition holds; None when it never will.

    As in Slurm, an array is judged when all of it has ended: ``afternotok`` holds when not all of it
    ended well.
    """
    if kind == "after":
        return other.begun
    if not other.ended:
        return False
    if kind == "afterany" or other.well == (kind != "afternotok"):
        return True
    return None
