"""``scontrol``: what the controller knows of jobs and of itself, and jobs held, released and put back."""

from __future__ import annotations

from .asked import VERSION, Answer, Asked, about
from .jobs import put_back, selected, settle
from .options import Grammar, Refused, has_none, words_of
from .shown_jobs import shown_job
from .states import ENDED
from .store import Job
from .values import hosts_of, moment

GRAMMAR = Grammar(
    "scontrol",
    """a|all o|oneliner Q|quiet V|version h|help !d|details !federation !F|future !hide !json? !local
    !M|cluster= !sibling !u|uid= !v|verbose !yaml?""",
)
# What Slurm's has beside those below.
KEYWORDS = words_of(
    """abort all cancel_reboot cluster completing create delete details errnumstr exit
    fsdampeningfactor help holdu hide listjobs listpids liststeps notify oneliner pidinfo power
    quiet quit reboot reconfigure requeuehold resume setdebug setdebugflags schedloglevel
    shutdown suspend takeover top token uhold update verbose wait_job write !!"""
)
ENTITIES = words_of(
    """aliases assoc_mgr bbstat burstbuffer daemons dwstat federation frontend hostlist hostlistsorted
    license node partition reservation slurmd steps topology"""
)
UNKNOWN = "Invalid job id specified"


def run(words: list[str], asked: Asked) -> Answer:
    """One call of it."""
    options, arguments = GRAMMAR.read(words)
    answer = about("scontrol", options)
    if answer is not None:
        return answer
    if not arguments:
        raise has_none("scontrol", "the interactive mode")
    keyword, *rest = arguments
    settle(asked.state, asked.now)
    if keyword == "ping":
        return 0, f"Slurmctld(primary) at {asked.state['cluster']} is UP\n", ""
    if keyword == "version":
        return 0, f"slurm {VERSION} (fake_slurm)\n", ""
    if keyword not in ("show", *VERBS):
        if keyword in KEYWORDS:
            raise has_none("scontrol", f"keyword {keyword}")
        raise Refused(f"invalid keyword: {keyword}\n")
    if not rest:
        raise Refused(f"too few arguments for keyword:{keyword}\n")
    if keyword == "show":
        return _show(rest, "oneliner" in options, asked)
    return _each(keyword, rest, asked)


def _show(words: list[str], oneliner: bool, asked: Asked) -> Answer:
    entity, equals, name = words[0].partition("=")
    names = [name] if equals else words[1:]
    if len(names) > 1:
        raise Refused("too many arguments for keyword:show\n")
    if entity in ("job", "jobs", "jobid"):
        return _jobs(names[0] if names else None, oneliner, asked)
    if entity == "config":
        return 0, _config(asked), ""
    if entity == "hostnames" and names:
        return 0, "".join(f"{host}\n" for host in hosts_of(names[0])), ""
    if entity.rstrip("s") in ENTITIES or entity in ENTITIES or entity == "hostnames":
        raise has_none("scontrol", f"show {entity}")
    raise Refused(f"invalid entity:{entity} for keyword:show \n")


def _jobs(name: str | None, oneliner: bool, asked: Asked) -> Answer:
    known = [job for job in asked.state["jobs"] if job["in_queue"]]
    if name is None:
        if not known:
            return 0, "No jobs in the system\n", ""
        return 0, shown_job(known, oneliner, asked), ""
    if not name.partition("_")[0].isdigit():
        raise Refused(f"scontrol_print_job error: {UNKNOWN}\n")
    try:
        found, of_number = selected(known, name), selected(known, name.partition("_")[0])
    except ValueError:
        raise Refused(f"scontrol_print_job error: {UNKNOWN}\n") from None
    if not of_number:
        raise Refused(f"slurm_load_jobs error: {UNKNOWN}\n")
    if not found:
        return 1, f"Job {name} not found\n", ""
    return 0, shown_job(found, oneliner, asked), ""


def _config(asked: Asked) -> str:
    lines = [f"{name:<23} = {value}" for name, value in sorted(asked.state["config"].items())]
    first = f"Configuration data as of {moment(asked.now, '')}"
    last = f"Slurmctld(primary) at {asked.state['cluster']} is UP"
    return "\n".join([first, *lines, f"SLURM_VERSION           = {VERSION}", "", last, ""])


def _hold(job: Job, asked: Asked) -> str:
    if job["state"] in ENDED:
        return "Job has already finished"
    job.update(held=True, priority=0)
    return ""


def _release(job: Job, asked: Asked) -> str:
    if job["state"] in ENDED:
        return "Job has already finished"
    job.update(held=False, priority=job["priority"] or 4294901760 - (job["array"] or job["id"]))
    return ""


def _requeue(job: Job, asked: Asked) -> str:
    if job["state"] == "PENDING":
        return "Job is pending execution"
    if not job["requeue"]:
        return "Requested operation is presently disabled"
    job["next"] = []
    if job["runs"] and job["state"] in ("RUNNING", "COMPLETING"):
        job.update(state="COMPLETING", ending="REQUEUED")
    else:
        put_back(job, asked.now, asked.state["requeue_delay"])
    return ""


VERBS = {"hold": _hold, "release": _release, "requeue": _requeue}
WITH_MORE = ("hold", "release")  # of which an unknown job is said twice


def _each(keyword: str, words: list[str], asked: Asked) -> Answer:
    """Do it to each job; of several the last answer counts, as with Slurm's."""
    errors, status = "", 0
    for word in ",".join(words).split(","):
        name = word.partition("=")[2] or word
        try:
            jobs = selected(asked.state["jobs"], name)
        except ValueError:
            jobs = []
        said = [VERBS[keyword](job, asked) for job in jobs] or [UNKNOWN]
        wrong = next((text for text in said if text), "")
        status = 1 if wrong else 0
        errors += f"{wrong} for job {name}\n" if wrong else ""
        errors += f"slurm_suspend error: {wrong}\n" if wrong and keyword in WITH_MORE else ""
    return status, "", errors if status else ""
