"""``squeue``: the jobs that the controller knows."""

from __future__ import annotations

import pwd
import time
from collections.abc import Callable

from .asked import Answer, Asked, about
from .jobs import end_of, look, nodes_of, selected, settle
from .options import Grammar, Refused, has_none, listed
from .rows import Row, rows_of
from .states import CODES, LIVE, states_of
from .store import Job
from .tables import check_format, filled
from .values import elapsed, memory_text, moment

GRAMMAR = Grammar(
    "squeue",
    """a|all h|noheader j|job|jobs= l|long n|name= o|format= p|partition= r|array S|sort= t|states=
    u|user= V|version w|nodelist= me help !A|account= !federation !hide !i|iterate= !json? !local
    !L|licenses= !M|clusters= !noconvert !O|Format= !only-job-state !q|qos= !R|reservation= !sibling
    !s|step= !start !v|verbose !yaml? !helpformat !helpFormat !helpstate !usage !Q|quiet""",
)
SHORT = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
LONG = "%.18i %.9P %.8j %.8u %.8T %.10M %.9l %.6D %R"
WITH_REASON = ("PENDING", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "DEADLINE")
Show = Callable[[Row, Asked], str]


def run(words: list[str], asked: Asked) -> Answer:
    """One call of it."""
    options, arguments = GRAMMAR.read(words)
    answer = about("squeue", options)
    if answer is not None:
        return answer
    if arguments:
        raise Refused(f"squeue: error: Unrecognized option: {arguments[0]}\n")
    form = options.get("format", LONG if "long" in options else SHORT)
    check_format("squeue", form, FIELDS)
    settle(asked.state, asked.now)
    jobs, errors = _asked_for(options, asked)
    states = states_of(options["states"]) if "states" in options else LIVE
    shown = [job for job in jobs if job["state"] in states]
    rows = _sorted(list(rows_of(shown, apart="array" in options)), options.get("sort"))
    lines = [time.strftime("%a %b %d %H:%M:%S %Y")] if "long" in options else []
    if "noheader" not in options:
        lines.append(filled(form, lambda letter: FIELDS[letter][0]))
    lines += [_line(form, row, asked) for row in rows]
    look(jobs, asked.now)
    return 0, "".join(f"{line}\n" for line in lines), errors


def _line(form: str, row: Row, asked: Asked) -> str:
    return filled(form, lambda letter: FIELDS[letter][1](row, asked))


def _asked_for(options: dict[str, str], asked: Asked) -> tuple[list[Job], str]:
    """The jobs that it was asked for, in whatever state, and what it says to standard error."""
    jobs = [job for job in asked.state["jobs"] if job["in_queue"]]
    errors = ""
    words = listed(options.get("jobs"))
    if words:
        jobs = _of_ids(jobs, words)
    users = [asked.user] if "me" in options else listed(options.get("user"))
    if users is not None:
        names, errors = _names(users)
        jobs = [job for job in jobs if job["user"] in names]
    for option, field in (("name", "name"), ("partition", "partition"), ("nodelist", "node")):
        wanted = listed(options.get(option))
        if wanted is not None:
            jobs = [job for job in jobs if job[field] in wanted]
    return jobs, errors


def _of_ids(jobs: list[Job], words: list[str]) -> list[Job]:
    found: list[Job] = []
    for word in words:
        try:
            found += selected(jobs, word)
            known = selected(jobs, word.partition("_")[0])
        except ValueError:
            raise Refused(f"squeue: error: Invalid job id: {word}\n") from None
        # Of several ids, those that nobody knows are passed over.
        if len(words) == 1 and not known:
            raise Refused("slurm_load_jobs error: Invalid job id specified\n")
    return found


def _names(users: list[str]) -> tuple[list[str], str]:
    """Their names, and what is said of those that nobody has."""
    names = []
    for user in users:
        try:
            known = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
            names.append(known.pw_name)
        except KeyError:
            return names or [""], f"squeue: error: Invalid user: {user}\n\n"
    return names, ""


def _sorted(rows: list[Row], order: str | None) -> list[Row]:
    """By partition, by the name of the state and by priority, as squeue does, or by id."""
    by_id = sorted(rows, key=lambda row: (row.job["array"] or row.job["id"], row.job["task"] or 0))
    if order in ("i", "-i"):
        return by_id if order == "i" else by_id[::-1]
    if order is not None:
        raise has_none("squeue", f"order {order}")
    return sorted(
        by_id, key=lambda row: (row.job["partition"], row.job["state"], -row.job["priority"])
    )


def _ran(job: Job, asked: Asked) -> float:
    if job["start"] is None:
        return 0.0
    end = job["end"] if job["end"] is not None else asked.now
    return float(max(0.0, int(end) - int(job["start"])))


def _end(row: Row, asked: Asked) -> str:
    begun = row.job["start"] is not None
    return moment(end_of(row.job), "NONE" if begun and not row.job["limit"] else "N/A")


def _start(row: Row, asked: Asked) -> str:
    job = row.job
    return moment(job["start"] if job["start"] is not None else job["begin"], "N/A")


def _limit(job: Job) -> str:
    return elapsed(job["limit"] * 60) if job["limit"] else "UNLIMITED"


def _left(row: Row, asked: Asked) -> str:
    job = row.job
    return elapsed(job["limit"] * 60 - _ran(job, asked)) if job["limit"] else "UNLIMITED"


def _where(row: Row, asked: Asked) -> str:
    waits = row.job["state"] in WITH_REASON
    return f"({row.job['reason']})" if waits else nodes_of(asked.state, row.job)


def _depends(row: Row, asked: Asked) -> str:
    return str(row.job["dependency"]) if row.job["depends"] else "(null)"


def _uid(row: Row, asked: Asked) -> str:
    try:
        return str(pwd.getpwnam(row.job["user"]).pw_uid)
    except KeyError:
        return row.job["user"] if row.job["user"].isdigit() else "4294967294"


def _of(name: str, none: str = "") -> Show:
    """The field of a job as it is."""
    return lambda row, asked: str(row.job[name] if row.job[name] not in (None, "") else none)


def _option(name: str, none: str = "") -> Show:
    """The option that it was submitted with."""
    return lambda row, asked: str(row.job["options"].get(name) or none)


# The header and the text of each field.
FIELDS: dict[str, tuple[str, Show]] = {
    "i": ("JOBID", lambda row, asked: row.id),
    "A": ("JOBID", lambda row, asked: str(row.number)),
    "F": ("ARRAY_JOB_ID", lambda row, asked: str(row.job["array"] or row.job["id"])),
    "K": ("ARRAY_TASK_ID", lambda row, asked: row.task),
    "t": ("ST", lambda row, asked: CODES[row.job["state"]]),
    "T": ("STATE", _of("state")),
    "r": ("REASON", _of("reason")),
    "R": ("NODELIST(REASON)", _where),
    "N": ("NODELIST", lambda row, asked: nodes_of(asked.state, row.job)),
    "B": ("EXEC_HOST", _of("node", "n/a")),
    "e": ("END_TIME", _end),
    "S": ("START_TIME", _start),
    "V": ("SUBMIT_TIME", lambda row, asked: moment(row.job["submitted"], "N/A")),
    "k": ("COMMENT", _of("comment", "(null)")),
    "o": ("COMMAND", _of("script", "(null)")),
    "Z": ("WORK_DIR", _of("workdir")),
    "P": ("PARTITION", _of("partition")),
    "M": ("TIME", lambda row, asked: elapsed(_ran(row.job, asked))),
    "L": ("TIME_LEFT", _left),
    "l": ("TIME_LIMIT", lambda row, asked: _limit(row.job)),
    "u": ("USER", _of("user")),
    "U": ("UID", _uid),
    "j": ("NAME", _of("name")),
    "C": ("CPUS", _of("cpus")),
    "D": ("NODES", _of("nodes")),
    "Q": ("PRIORITY", _of("priority")),
    "a": ("ACCOUNT", _of("account", "(null)")),
    "q": ("QOS", _of("qos")),
    "E": ("DEPENDENCY", _depends),
    "m": ("MIN_MEMORY", lambda row, asked: memory_text(row.job["memory"])),
    "c": ("MIN_CPUS", _option("cpus-per-task", "1")),
    "b": (
        "TRES_PER_NODE",
        lambda row, asked: f"gres/{row.job['gres']}" if row.job["gres"] else "N/A",
    ),
    "f": ("FEATURES", _option("constraint", "(null)")),
    "n": ("REQ_NODES", _option("nodelist")),
    "w": ("WCKEY", _option("wckey", "(null)")),
    "x": ("EXC_NODES", _option("exclude")),
    "y": ("NICE", _option("nice", "0")),
}
