"""The command line of ``sbatch``, and what its words say about a job."""

import os
import re
from typing import Dict, Iterable, List, Optional

from .programs import in_a_job

# What sbatch prints when the controller may have taken the job without saying so.
LOST_ANSWERS = (
    "timed out",
    "unable to contact",
    "zero bytes were transmitted",
    "communication",
    "connection re",
    "transport endpoint",
    "unexpected message",
    "message send failure",
    "message receive failure",
    "message length",
    "header lengths",
    "broken pipe",
    "input/output error",
    "unspecified error",
    "authentication",
    "submitted batch job",
)
JOB_ID = r"([1-9][0-9]*)(?:;[^\s;]+)?"  # what --parsable prints: "id", or "id;cluster"
SBATCH_SAYS = r"(?m)^sbatch\S*: "
# And when it cannot have taken it: there was no connection on which to ask.
NEVER_SENT = ("unable to contact slurm controller (connect failure)",)


# What sites tell their users to put into a start-up file: where their jobs go, and on whose account. All else that
# sbatch reads from its environment would change what a job is, or what sbatch prints.
USERS_DEFAULTS = ("account", "constraint", "partition", "qos", "reservation", "wckey")


def users_defaults(told: Iterable[str]) -> Dict[str, str]:
    """The variables of sbatch's by which its user says what holds for all jobs, but for the options that were `told`.

    To sbatch a variable counts for more than a line of the script. In a job they are its submitter's, and hold no more.
    """
    names = () if in_a_job() else (name for name in USERS_DEFAULTS if name not in told)
    found = {"SBATCH_" + name.upper(): os.environ.get("SBATCH_" + name.upper()) for name in names}
    return {name: value for name, value in found.items() if value}


def sbatch_argv(script: str, submit_options: Dict[str, str]) -> List[str]:
    """The ``sbatch`` command line; resources stand in the script, these options beside it."""
    options = ["--{}={}".format(name, value) for name, value in sorted(submit_options.items())]
    return ["sbatch", "--parsable", *options, script]


def id_in(printed: str) -> Optional[str]:
    """The job id, if that is all that was printed. Beside other words any number may be somebody's, a quota say."""
    found = re.match(JOB_ID + "$", printed.strip())
    return found.group(1) if found else None


def outcome_of_sbatch(code: int, err: str, out: str = "") -> str:
    """What is certain of an sbatch that printed no plain job id: "refused", "unsent", or "unanswered" for nothing."""
    said = rest = (err + "\n" + out).lower()
    for words in NEVER_SENT:
        rest = rest.replace(words, "")
    some_id = re.search("(?m)^\\s*" + JOB_ID + "\\s*$", out)
    if code <= 0 or some_id or any(words in rest for words in LOST_ANSWERS):
        return "unanswered"
    if rest != said:
        return "unsent"
    # What sbatch itself does not say may be a site's wrapper's, about a job that exists.
    return "refused" if re.search(SBATCH_SAYS, said) else "unanswered"
