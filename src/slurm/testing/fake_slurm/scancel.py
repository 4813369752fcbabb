"""``scancel``: ends jobs, or sends them a signal."""

from __future__ import annotations

import signal

from .asked import Answer, Asked, about
from .jobs import cancel, selected, settle
from .options import Grammar, Refused, listed
from .states import ENDED
from .store import Job

GRAMMAR = Grammar(
    "scancel",
    """b|batch f|full n|jobname|name= p|partition= Q|quiet s|signal= t|state= u|user= v|verbose me
    V|version help !A|account= !ctld !c|cron !H|hurry !i|interactive !M|clusters= !q|qos=
    !R|reservation= !sibling= !w|nodelist= !wckey= !usage""",
)
FILTERS = (("name", "name"), ("partition", "partition"), ("user", "user"), ("state", "state"))
UNKNOWN = "Invalid job id specified"


def run(words: list[str], asked: Asked) -> Answer:
    """One call of it."""
    options, arguments = GRAMMAR.read(words)
    answer = about("scancel", options)
    if answer is not None:
        return answer
    if "me" in options:
        options["user"] = asked.user
    filtered = [name for name, _ in FILTERS if name in options]
    if not arguments and not filtered:
        raise Refused("scancel: error: No job identification provided\n")
    number = _signal(options.get("signal"))
    settle(asked.state, asked.now)
    errors = ""
    found: list[Job] = [] if arguments else [job for job in asked.state["jobs"] if job["in_queue"]]
    for word in arguments:
        try:
            mine = selected(asked.state["jobs"], word)
        except ValueError:
            raise Refused(f"scancel: error: Invalid job id {word}\n") from None
        if "verbose" in options:
            errors += f"scancel: Terminating job {word}\n"
            errors += (
                "" if mine else f"scancel: error: Kill job error on job id {word}: {UNKNOWN}\n"
            )
        found += mine
    for job in _filtered(found, options):
        _do(job, options, number, asked.now)
    settle(asked.state, asked.now)
    return 0, "", errors


def _signal(text: str | None) -> int | None:
    if text is None:
        return None
    if text.isdigit():
        return int(text)
    try:
        return int(signal.Signals["SIG" + text.upper().replace("SIG", "", 1)])
    except KeyError:
        raise Refused(f"scancel: error: Unknown job signal: {text}\n") from None


def _filtered(jobs: list[Job], options: dict[str, str]) -> list[Job]:
    for option, field in FILTERS:
        wanted = listed(options.get(option))
        if wanted is not None:
            wanted = [word.upper() if option == "state" else word for word in wanted]
            jobs = [job for job in jobs if job[field] in wanted]
    return [job for job in jobs if job["state"] not in ENDED]


def _do(job: Job, options: dict[str, str], number: int | None, now: float) -> None:
    """End the job, or note the signal for who runs it: its script has it with ``--batch``, with ``--full`` what that started too."""
    if number is None or number == signal.SIGKILL:
        cancel(job, now)
    elif job["state"] == "RUNNING" and ("batch" in options or "full" in options):
        job["signals"].append([int(number), "full" in options])
