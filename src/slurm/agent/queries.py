"""What squeue and sacct say of jobs."""

import re
import time
from typing import Any, Dict, List, Set, Tuple

from .commands import Commands, squeue_argv
from .errors import AgentError
from .job_ids import expand_job_id
from .tables import (
    APART,
    LISTED,
    LISTED_ACCOUNTS,
    SACCT_FIELDS,
    SQUEUE_FIELDS,
    SQUEUE_ORIGIN,
    SQUEUE_USAGE,
    USAGE_FIELDS,
    parse_listed,
    parse_sacct,
    parse_squeue,
    parse_table,
)
from .users import user_name

MOST_IDS_IN_ARGUMENT = 8000  # one argument of a program is 128 KB at most
MOST_EXIT_CODES = 10  # a command each
UNKNOWN = "Invalid job id specified"  # what squeue says of an id by itself that has left the queue
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "DEADLINE", "OUT_OF_MEMORY", "REVOKED")
ENDED_BADLY = ("FAILED", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED", "NODE_FAIL", "DEADLINE")


class Queries(Commands):
    """Observations of jobs, by their ids."""

    def query(self, job_ids: List[str]) -> List[Dict[str, Any]]:
        wanted = set(job_ids)
        rows = _of(wanted, self._queue_about({one.split("_")[0] for one in wanted}))
        for row in rows:
            row["origin"] = row.pop("comment")
        self._add_exit_codes(rows)
        left = sorted(wanted - {row["job_id"] for row in rows})
        if left and self.accounting:
            rows += self._accounts_of(left)
        return rows

    def queue(self) -> List[Dict[str, Any]]:
        return self._squeue("PD,R,CG,CF,S,RQ")

    def unended(self) -> List[Dict[str, Any]]:
        """The jobs that have not ended, those that may be put into the queue again included.

        Behind the ``comment`` of each are its script and its working directory.
        """
        return [row for row in self._squeue(more=SQUEUE_ORIGIN) if row["state"] not in ENDED]

    def listed(self, since: float) -> Dict[str, Any]:
        """All jobs of this user: rows of the ``queue``, and of ``accounts`` those that had not ended by then.

        None in their place where there are no accounts; with a ``problem`` where they are not to be had now.
        """
        argv = squeue_argv(APART.join(field for _, field in LISTED))
        queue = parse_listed(self.answer(argv), [name for name, _ in LISTED])
        accounts, problem = self._listed_accounts(since) if self.accounting else (None, "")
        return {"queue": queue, "accounts": accounts, "problem": problem}

    def _listed_accounts(self, since: float) -> Tuple[Any, str]:
        names = [name for name, _ in LISTED_ACCOUNTS]
        fields = ",".join(field for _, field in LISTED_ACCOUNTS)
        start = "now-{:.0f}seconds".format(max(0.0, time.time() - since))
        which = ["-u", user_name(), "-S", start, "--delimiter", APART]
        code, out, err = self.sacct_origins(which, fields, fields + ",Comment")
        if code != 0:
            return None, "" if self.accounting_is_off(err) else err.strip()
        names += ["comment", "script"] if self.submit_lines else ["comment"]
        return parse_listed(out, names), ""

    def ended(self, jobs: Dict[str, List[str]]) -> Dict[str, float]:
        """Those of these jobs that accounts know as ended, an array when all of it has, and when; 0 where they do not say.

        Each comes with words of which the account of that job has one: without, it is another job of the same id.
        """
        going: Set[str] = set()
        ended: Dict[str, float] = {}
        asked = sorted(jobs) if self.accounting else []
        for start in range(0, len(asked), MOST_IDS_IN_ARGUMENT):
            some = ",".join(asked[start : start + MOST_IDS_IN_ARGUMENT])
            code, out, err = self.sacct_origins(["-j", some], SACCT_FIELDS, SACCT_FIELDS)
            if code != 0:
                self.accounting_is_off(err)
                break
            for row in parse_sacct(out):
                number = row["job_id"].split("_")[0]
                is_it = any(word and word in row["origin"] for word in jobs.get(number, ()))
                if is_it and row["state"] in ENDED:
                    end = float(row["end"]) if row["end"].isdigit() else 0.0
                    ended[number] = max(end, ended.get(number, 0.0))
                else:
                    going.add(number)
        return {number: end for number, end in ended.items() if number not in going}

    def usage(self, job_ids: List[str]) -> List[Dict[str, str]]:
        """What is on record of these jobs, by ``sacct``'s field names, their steps included.

        Where there are no accounts, or they do not answer, what the controller still knows: a row
        for each job, be it an empty one.
        """
        if self.accounting:
            argv = ["sacct", "-P", "-j", ",".join(job_ids), "-o", USAGE_FIELDS]
            code, out, err = self.detail(argv)
            if code == 0:
                return _rows_of(job_ids, parse_table(out), "sacct")
            self.accounting_is_off(err)
        fields = "|".join(field for _, field in SQUEUE_USAGE)
        code, out, err = self.detail(squeue_argv(fields))
        names = "|".join(name for name, _ in SQUEUE_USAGE)
        rows = _rows_of(job_ids, parse_table(names + "\n" + out), "squeue") if code == 0 else []
        known = {row["JobID"] for row in rows}
        return rows + [{"JobID": job_id} for job_id in job_ids if job_id not in known]

    def _queue_about(self, numbers: Set[str]) -> List[Dict[str, Any]]:
        """What the queue says of these submissions, and maybe of others of this user.

        The controller gives one job by its id, whatever else is queued. Asked for several ids, squeue gets the jobs of all users.
        """
        if len(numbers) != 1:
            return self._squeue(more=SQUEUE_ORIGIN)
        argv = [*squeue_argv(SQUEUE_FIELDS + SQUEUE_ORIGIN), "-j", *numbers]
        return parse_squeue(self.answer(argv, unknown=UNKNOWN))

    def _squeue(self, states: str = "all", more: str = "") -> List[Dict[str, Any]]:
        return parse_squeue(self.answer(squeue_argv(SQUEUE_FIELDS + more, states)))

    def _accounts_of(self, job_ids: List[str]) -> List[Dict[str, Any]]:
        """What accounting says of jobs that are not in the queue; UNKNOWN while it says nothing."""
        jobs = sorted({job_id.split("_")[0] for job_id in job_ids})
        rows: List[Dict[str, Any]] = []
        for start in range(0, len(jobs), MOST_IDS_IN_ARGUMENT):
            some = ",".join(jobs[start : start + MOST_IDS_IN_ARGUMENT])
            code, out, err = self.sacct_origins(["-j", some], SACCT_FIELDS, SACCT_FIELDS)
            if code != 0:
                off = self.accounting_is_off(err)
                # If it is only away now, it will know them when it is back.
                unknown = {"state": "UNKNOWN", "source": "sacct"}
                return [] if off else [dict(unknown, job_id=job_id) for job_id in job_ids]
            rows += _of(set(job_ids), parse_sacct(out))
        return rows

    def _add_exit_codes(self, rows: List[Dict[str, Any]]) -> None:
        """squeue does not say with which exit code a job failed, and accounting may say it late."""
        failed = [row for row in rows if row["state"] in ENDED_BADLY]
        for row in failed[:MOST_EXIT_CODES]:
            try:
                code, out, _ = self.run(["scontrol", "-o", "show", "job", row["job_id"]])
            except AgentError:  # a detail, which must not hide what squeue said
                return
            found = re.search(r"\bExitCode=(\d+:\d+)", out)
            if code == 0 and found:
                row["exit_code"] = found.group(1)


def _of(wanted: Set[str], rows: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The rows of the jobs that are wanted, one each."""
    return [
        dict(row, job_id=job_id)
        for row in rows
        for job_id in expand_job_id(row["job_id"])
        if job_id in wanted
    ]


def _rows_of(job_ids: List[str], rows: List[Dict[str, str]], source: str) -> List[Dict[str, str]]:
    """The rows of these jobs and of their steps, with where they are from."""
    wanted = set(job_ids)
    found = []
    for row in rows:
        job_id, dot, step = row["JobID"].partition(".")
        found += [
            dict(row, JobID=one + dot + step, Source=source)
            for one in expand_job_id(job_id)
            if one in wanted
        ]
    return found
