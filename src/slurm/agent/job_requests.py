"""Requests about jobs that are there."""

import os
import time
from typing import Any, List, Tuple

from .directories import remove
from .event_files import read_news
from .job_ids import expand_job_id, rows_together


class JobRequests:
    """The requests of an `Agent` about jobs."""

    scheduler: Any

    def op_limits(self, blob: bytes) -> Tuple[Any, bytes]:
        return self.scheduler.limits(), b""

    def op_query(self, blob: bytes, job_ids: List[str]) -> Tuple[Any, bytes]:
        """What is known of these jobs; those and the answers may be ``12_[0-2,5]``. One that nobody knows is ``absent``."""
        wanted = [one for word in job_ids for one in expand_job_id(word)]
        rows = self.scheduler.query(wanted)
        known = {row["job_id"] for row in rows}
        absent = {"source": "absent", "state": "UNKNOWN"}
        rows += [dict(absent, job_id=one) for one in wanted if one not in known]
        return rows_together(rows), b""

    def op_usage(self, blob: bytes, job_ids: List[str]) -> Tuple[Any, bytes]:
        return self.scheduler.usage(job_ids), b""

    def op_offers(self, blob: bytes, kinds: List[str]) -> Tuple[Any, bytes]:
        return self.scheduler.offers(kinds), b""

    def op_queue(self, blob: bytes) -> Tuple[Any, bytes]:
        return self.scheduler.queue(), b""

    def op_info(self, blob: bytes) -> Tuple[Any, bytes]:
        return self.scheduler.info(), b""

    def op_cancel(self, blob: bytes, job_ids: List[str]) -> Tuple[Any, bytes]:
        self.scheduler.cancel(job_ids)
        return None, b""

    def op_events(
        self, blob: bytes, directory: str, seen: List[str], timeout: float, every: float
    ) -> Tuple[Any, bytes]:
        """The names in the event directory, as soon as there is one, else none after `timeout` s.

        And what these files hold, as far as it fits into an answer. Looks `every` so many seconds.
        An event stays until the client says it has `seen` it: an answer that is lost loses nothing.
        """
        for name in seen:
            remove(os.path.join(directory, os.path.basename(name)))
        deadline = time.monotonic() + timeout
        while True:
            names = sorted(name for name in os.listdir(directory) if name[0] != ".")
            if names or time.monotonic() >= deadline:
                break
            time.sleep(every)
        news = read_news(directory, names)
        return [list(news), [len(one) for one in news.values()]], b"".join(news.values())
