"""The command line of ``sbatch``, and what its words say about a job."""

import re
from typing import Dict, List

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
SBATCH_SAYS = r"(?m)^sbatch\S*: "
# And when it cannot have taken it: there was no connection on which to ask.
NEVER_SENT = ("unable to contact slurm controller (connect failure)",)


def sbatch_argv(script: str, submit_options: Dict[str, str]) -> List[str]:
    """The ``sbatch`` command line; resources stand in the script, these options beside it."""
    options = ["--{}={}".format(name, value) for name, value in sorted(submit_options.items())]
    return ["sbatch", "--parsable", *options, script]


def outcome_of_sbatch(code: int, message: str) -> str:
    """What is certain of an sbatch that printed no job id: "refused", "unsent", or "unanswered" for nothing."""
    said = rest = message.lower()
    for words in NEVER_SENT:
        rest = rest.replace(words, "")
    if code <= 0 or any(words in rest for words in LOST_ANSWERS):
        return "unanswered"
    if rest != said:
        return "unsent"
    # What sbatch itself does not say may be a site's wrapper's, about a job that exists.
    return "refused" if re.search(SBATCH_SAYS, said) else "unanswered"
