"""Slurm as a scheduler: jobs in, jobs out."""

import re
import time
from typing import Any, Dict, List, Optional, Tuple

from .commands import squeue_argv
from .errors import AgentError
from .job_ids import collapse_job_ids
from .locks import Locked
from .offers import Offers
from .queries import Queries
from .sbatch import LOST_ANSWERS, id_in, outcome_of_sbatch, sbatch_argv, users_defaults
from .tables import SQUEUE_FIELDS, find_mark

# An sbatch that was cut off may have left its request with a controller that is busy, or stopped for a
# while. It can become a job as long as the signature on it is valid (munge: 300 s), by clocks that may
# differ by as much; sbatch itself may take two minutes to ask.
LATEST_JOB = 900.0
SEARCH_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)  # pauses in the search for a job whose answer was lost
DEFAULT_ARRAY_SIZE = 1001
SHOWN = 200  # characters of what a program printed instead of an answer


class SlurmCommands(Queries, Offers):
    """Slurm through its own commands.

    `latest_job` and `search_pauses` say how long an sbatch without an answer may still make a job, and
    when to look for it: a scheduler that knows its tokens by heart needs neither.
    """

    latest_job: float = LATEST_JOB

    def __init__(self) -> None:
        super().__init__()
        self.search_pauses: Tuple[float, ...] = SEARCH_PAUSES

    def submit(
        self,
        script: str,
        cwd: str,
        options: Dict[str, str],
        submit_options: Dict[str, str],
        token: str,
        orchestrator: bool,
    ) -> str:
        # Should this process be killed now, sbatch goes on: whoever asks for the same token next must
        # wait for it, and so it holds the lock too.
        locks = tuple(Locked.handles())
        defaults = users_defaults([*options, *submit_options])
        argv = sbatch_argv(script, submit_options)
        code, out, err = self.run(argv, cwd, locks, variables=defaults)
        job_id = id_in(out)
        if code == 0 and job_id is not None:
            return job_id
        message = err.strip() or out.strip() or "sbatch exited with {}".format(code)
        if (
            code == 0
        ):  # who looks for it by its token will know it; a site's wrapper may print anything
            said = ascii(out[:SHOWN] + err[:SHOWN])
            message = "sbatch printed no line that is a job id and nothing else: " + said
        raise AgentError(outcome_of_sbatch(code, err, out), message)

    def find_submission(self, token: str, script: str, asked_at: float) -> Optional[str]:
        """The job that an earlier sbatch made, or None where Slurm knows none; `AgentError` if it does not say.

        It is known by the token in its comment, and by its script, which no other job has: sites may
        write comments of their own, and accounting may keep none.
        """
        found = find_mark(self.answer(squeue_argv(SQUEUE_FIELDS + "|%o")), token, script)
        if found is not None or not self.accounting:
            return found
        days = int(max(0.0, time.time() - asked_at) // 86400) + 2  # clocks differ
        return self._find_in_accounts(token, script, "now-{}days".format(days))

    def _find_in_accounts(self, token: str, script: str, since: str) -> Optional[str]:
        code, out, err = self.sacct_origins(["-S", since], "JobID", "JobID,Comment")
        if code == 0:
            return find_mark(out, token, script)
        if self.accounting_is_off(err):
            return None
        raise AgentError("unreachable", err.strip() or "sacct exited with {}".format(code))

    def cancel(self, job_ids: List[str]) -> None:
        code, _, err = self.run(["scancel", "--", *collapse_job_ids(job_ids)])
        if code != 0 and "Invalid job id" not in err:
            raise AgentError("scheduler", err.strip() or "scancel exited with {}".format(code))

    def requeue(self, job_id: str) -> None:
        """Put a job that has started back into the queue; it is ended where it runs."""
        code, out, err = self.run(["scontrol", "requeue", job_id])
        if code != 0:
            message = err.strip() or out.strip() or "scontrol exited with {}".format(code)
            lost = any(words in message.lower() for words in LOST_ANSWERS)
            raise AgentError("unreachable" if lost else "refused", message)

    def limits(self) -> Dict[str, int]:
        """What bounds a submission: ``max_array_size``, above any index of an array's task."""
        out = self.answer(["scontrol", "show", "config"])
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", out, re.MULTILINE)
        return {"max_array_size": int(found.group(1)) if found else DEFAULT_ARRAY_SIZE}

    def info(self) -> Dict[str, Any]:
        partitions = []
        for line in self.answer(["sinfo", "-h", "-o", "%P|%a|%l|%D|%T|%G"]).splitlines():
            fields = line.split("|", 5)
            if len(fields) != 6 or not fields[3].isdigit():
                continue  # what a site prints before
            name, available, limit, nodes, state, gres = fields
            partitions.append(
                {
                    "partition": name.rstrip("*"),
                    "default": name.endswith("*"),
                    "available": available,
                    "time_limit": limit,
                    "nodes": int(nodes),
                    "state": state,
                    "gres": gres,
                }
            )
        return {"partitions": partitions}
