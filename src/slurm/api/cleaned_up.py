"""What was cleaned up below a ``job_base_dir``, as a backend tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Cleaned(NamedTuple):
    """How many of one kind were `removed`, or would be, the bytes on the disk that this has `freed`, and how many stay.

    - `live`: of jobs that have not ended; `needed`: such a job needs it, or what it belongs to stays.
    - `recent`: not old enough; `foreign`: nothing that the SDK has put there, or not as it did.

    >>> Cleaned(removed=2, freed=8192).live
    0
    """

    removed: int = 0
    freed: int = 0
    live: int = 0
    needed: int = 0
    recent: int = 0
    foreign: int = 0


class CleanedUp(NamedTuple):
    """What `Cluster.clean_up` has removed, or with `dry_run` would, kind by kind.

    - `jobs`: directories of jobs, those in workflows included; an array is one. `foreign` are directories beside them that
      are no job's, or have another name than they were made with.
    - `receipts`: the notes by which jobs are found again, by their ids and keys.
    - `events`: directories in which nobody listens for news of jobs any more; `staged`: large files that no job has taken.
    - `packages`: copies of code, environments, wheels and images; `sdk`: the SDK's own code.
    - `unfinished`: what an earlier one had begun to remove.

    `problem` is why something could not be removed, of the first for which that is so.

    >>> done = CleanedUp(dry_run=True, jobs=Cleaned(3, freed=300), receipts=Cleaned(6, freed=60))
    >>> done.freed
    360
    """

    dry_run: bool
    jobs: Cleaned = Cleaned()
    receipts: Cleaned = Cleaned()
    events: Cleaned = Cleaned()
    staged: Cleaned = Cleaned()
    packages: Cleaned = Cleaned()
    sdk: Cleaned = Cleaned()
    unfinished: Cleaned = Cleaned()
    problem: str = ""

    @property
    def kinds(self) -> dict[str, Cleaned]:
        """All of them, by their names.

        >>> list(CleanedUp(dry_run=True).kinds)[:3]
        ['jobs', 'receipts', 'events']
        """
        return {name: value for name, value in self._asdict().items() if isinstance(value, Cleaned)}

    @property
    def freed(self) -> int:
        """The bytes of all kinds together."""
        return sum(one.freed for one in self.kinds.values())


def cleaned_up(
    told: Mapping[str, Mapping[str, int]], earlier: CleanedUp | None, **more: Any
) -> CleanedUp:
    """What an agent has told of, together with what was removed `earlier`, by an agent that was lost.

    >>> before = CleanedUp(dry_run=False, jobs=Cleaned(2, freed=100, recent=7))
    >>> cleaned_up({"jobs": {"removed": 1, "freed": 50, "recent": 3}}, before, dry_run=False).jobs
    Cleaned(removed=3, freed=150, live=0, needed=0, recent=3, foreign=0)
    """
    kinds: dict[str, Any] = {name: Cleaned(**counts) for name, counts in told.items()}
    for name, lost in earlier.kinds.items() if earlier is not None else ():
        one = kinds.get(name, Cleaned())
        kinds[name] = one._replace(removed=one.removed + lost.removed, freed=one.freed + lost.freed)
    return CleanedUp(**kinds, **more)
