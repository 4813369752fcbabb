"""Asking for the accounts of failed jobs: of many at once, each once."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from slurm.api.base import BackendBase
from slurm.errors import SlurmError, TransportError

if TYPE_CHECKING:
    from slurm.usage import Account

# A job's record may be complete a moment after the scheduler says that the job has ended.
RECORD_GRACE = 5.0
RECORD_RETRY = 0.25
MOST_AT_ONCE = 500
MOST_KEPT = 10_000


class Accounting:
    """What the scheduler has on record of one cluster's failed jobs.

    Where a thousand elements of an array fail, the first that is asked for brings the others along.
    """

    def __init__(self, backend: BackendBase) -> None:
        self.backend = backend
        self._known: dict[str, Account] = {}
        self._expected: dict[str, None] = {}
        self._expecting = threading.Lock()  # never held while anybody is asked
        self._asking = threading.Lock()

    def expect(self, job_id: str) -> None:
        """This job ended badly: somebody may ask for its account. Waits for nobody."""
        with self._expecting:
            self._expected[job_id] = None
            _forget_oldest(self._expected)

    def of(self, job_id: str, seconds: float) -> Account:
        """The job's account, waited for up to `seconds` if it is not complete; an empty one for none.

        Raises `TransportError`.
        """
        deadline = time.monotonic() + seconds
        while True:
            with self._asking:
                account = self._known.get(job_id) or self._ask(job_id)
            left = deadline - time.monotonic()
            if account.settled or left <= 0:
                return account
            time.sleep(min(RECORD_RETRY, left))

    def _ask(self, job_id: str) -> Account:
        from slurm.usage import Account, read_accounts  # late: most jobs end well

        with self._expecting:
            others = (one for one in self._expected if one != job_id)
            wanted = [job_id, *itertools.islice(others, MOST_AT_ONCE - 1)]
        try:
            found = read_accounts(self.backend.query_usage(wanted))
        except TransportError:
            raise
        except SlurmError:  # a detail, which must not hide how the job ended
            return Account(settled=True)
        settled = {one: account for one, account in found.items() if account.settled}
        self._known.update(settled)
        _forget_oldest(self._known)
        with self._expecting:
            for one in settled:
                self._expected.pop(one, None)
        return found.get(job_id, Account())


def _forget_oldest(kept: dict[str, Any]) -> None:
    for one in list(itertools.islice(kept, max(0, len(kept) - MOST_KEPT))):
        del kept[one]
