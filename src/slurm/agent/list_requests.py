"""The request for all jobs of this user at once, for lists of them."""

import os
import time
from typing import Any, Dict, List, Set, Tuple

from .job_ids import tasks_in
from .tables import OUR_SCRIPT
from .users import expanded


class ListRequests:
    """The request of an `Agent` for lists of jobs."""

    scheduler: Any

    def op_jobs(self, blob: bytes, base: str, since: float) -> Tuple[Any, bytes]:
        """What the queue says of this user's jobs, accounts of those `since` then, and what the jobs below `base` have noted.

        Directories are looked at first: what is noted there of a job that has not ended can be an old story by then. Those
        of live jobs are told however old they are. Of an array that is not whole in the queue and accounts, how its items are.
        """
        from . import listing

        base = expanded(base)
        noted = {one["path"]: one for one in listing.noted_since(base, since)}
        told = self.scheduler.listed(since)
        for row in told["queue"]:
            script = row["script"]
            if OUR_SCRIPT.search(script) and os.path.dirname(script) not in noted:
                noted.update(
                    (one["path"], one) for one in listing.noted_at(os.path.dirname(script))
                )
        known = (
            _numbers(told["queue"] + told["accounts"]) if told["accounts"] is not None else set()
        )
        for one in noted.values():
            if one.get("array") and not known.issuperset(one["ids"]):
                one["items"] = listing.items_of(one)
        return dict(told, noted=list(noted.values()), now=time.time()), b""


def _numbers(rows: List[Dict[str, Any]]) -> Set[str]:
    return {tasks_in(row["job_id"])[0] for row in rows}
