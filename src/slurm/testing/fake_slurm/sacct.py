"""``sacct``: what the accounts have of jobs, those that the controller has forgotten too."""

from __future__ import annotations

import pwd
import time
from collections.abc import Callable

from .asked import Answer, Asked, about
from .jobs import nodes_of, selected, settle
from .options import Grammar, Refused, has_none, listed
from .rows import Row, rows_of
from .states import ENDED
from .store import Job
from .values import long_elapsed, memory_text, moment, time_of

GRAMMAR = Grammar(
    "sacct",
    """a|allusers X|allocations D|duplicates n|noheader P|parsable2 p|parsable j|jobs= o|format=
    S|starttime= E|endtime= u|user= name= delimiter= V|version h|help !A|accounts= !array !b|brief
    !B|batch-script !c|completion !e|helpformat !env-vars !federation !f|file= !g|gid= !group=
    !helpreason !helpstate !expand-pattern !i|nnodes= !I|ncpus= !json? !k|timelimit-min=
    !K|timelimit-max= !l|long !L|allclusters !local !M|clusters= !N|nodelist= !noconvert !q|qos=
    !r|partition= !R|reason= !s|state= !T|truncate !U|use-local-uid !uid= !units= !usage !v|verbose
    !W|wckeys= !x|associations= !yaml? !C|cluster=""",
    tries=False,
)
USUAL = "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"
# Of a batch step no more is on record.
OF_STEPS = frozenset(
    [
        "jobid",
        "jobidraw",
        "jobname",
        "alloccpus",
        "ncpus",
        "state",
        "exitcode",
        "start",
        "end",
        "elapsed",
        "elapsedraw",
        "nodelist",
        "nnodes",
        "reqcpus",
        "submit",
    ]
)
OFF = "Slurm accounting storage is disabled\n"
Show = Callable[[Row, Asked], str]


def run(words: list[str], asked: Asked) -> Answer:
    """One call of it."""
    options, arguments = GRAMMAR.read(words)
    answer = about("sacct", options)
    if answer is not None:
        return answer
    if arguments:
        raise Refused(f"sacct: error: Unknown arguments:\nsacct: error:  {arguments[0]}\n")
    columns = _columns(options.get("format", USUAL))
    if not asked.state["accounting"]:
        return 1, "", OFF
    settle(asked.state, asked.now)
    rows = _rows(options, _asked_for(options, asked))
    table = [[_cell(name, row, asked) for name, _ in columns] for row in rows]
    header = [FIELDS[name][0] for name, _ in columns]
    if "parsable" in options or "parsable2" in options:
        mark = options.get("delimiter", "|")
        lines = [] if "noheader" in options else [header]
        last = mark if "parsable" in options else ""
        return 0, "".join(mark.join(line) + last + "\n" for line in lines + table), ""
    widths = [width for _, width in columns]
    if "noheader" not in options:
        table = [header, ["-" * abs(width) for width in widths], *table]
    return 0, "".join(_wide(line, widths) for line in table), ""


def _columns(words: str) -> list[tuple[str, int]]:
    """The fields by their small names, each with its width: below 0 for text to the left."""
    found: dict[str, int] = {}
    names = []
    for word in words.split(","):
        name, percent, width = word.partition("%")
        if name.lower() not in FIELDS:
            if name.lower() in OTHERS or name.lower().startswith("tresusage"):
                raise has_none("sacct", f"field {name}")
            raise Refused(f'sacct: error: Invalid field requested: "{name}"\n')
        names.append(name.lower())
        # Of a field that is named twice both columns have the width that was said last.
        if percent or names[-1] not in found:
            found[names[-1]] = int(width) if percent else FIELDS[names[-1]][1]
    return [(name, found[name]) for name in names]


def _wide(cells: list[str], widths: list[int]) -> str:
    """A line of cells in their widths; one that does not fit ends with a +."""
    shown = []
    for cell, width in zip(cells, widths):
        size = abs(width)
        text = cell if len(cell) <= size else cell[: size - 1] + "+"
        shown.append(text.ljust(size) if width < 0 else text.rjust(size))
    return " ".join(shown) + " \n"


def _asked_for(options: dict[str, str], asked: Asked) -> list[Job]:
    jobs = [job for job in asked.state["jobs"] if job["in_accounts"]]
    words = listed(options.get("jobs"))
    if words is not None:
        jobs = _of_ids(jobs, words)
    elif "user" in options:
        jobs = [job for job in jobs if job["user"] in _users(options["user"])]
    elif "allusers" not in options:
        jobs = [job for job in jobs if job["user"] == asked.user]
    names = listed(options.get("name"))
    jobs = [job for job in jobs if names is None or job["name"] in names]
    if words is not None and "starttime" not in options and "endtime" not in options:
        return jobs
    since = _time(options.get("starttime"), asked.now, _midnight(asked.now))
    until = _time(options.get("endtime"), asked.now, asked.now)
    return [
        job
        for job in jobs
        if job["submitted"] <= until and (job["end"] is None or job["end"] >= since)
    ]


def _of_ids(jobs: list[Job], words: list[str]) -> list[Job]:
    found: list[Job] = []
    for word in words:
        if "." in word:
            raise has_none("sacct", f"step {word}")
        try:
            found += [job for job in selected(jobs, word) if job not in found]
        except ValueError:
            raise Refused(f"sacct: fatal: Bad job/step specified: {word}\n") from None
    return sorted(found, key=lambda job: (job["array"] or job["id"], job["task"] or 0))


def _users(text: str) -> list[str]:
    names = []
    for user in text.split(","):
        try:
            known = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
        except KeyError:
            raise Refused(f"sacct: error: Invalid user id: {user}\n") from None
        names.append(known.pw_name)
    return names


def _time(text: str | None, now: float, usual: float) -> float:
    if text is None:
        return usual
    try:
        return time_of(text, now)
    except ValueError:
        raise Refused(f"Invalid time specification (pos=0): {text}\n") from None


def _midnight(now: float) -> float:
    day = time.localtime(now)
    return time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1))


def _rows(options: dict[str, str], jobs: list[Job]) -> list[Row]:
    """A row for each job, for its runs before where they are asked for, and for its batch step."""
    found = []
    for row in rows_of(jobs):
        if "duplicates" in options:
            found += [row._replace(job={**row.job, **run}) for run in row.job["earlier"]]
        found.append(row)
        if "allocations" not in options and row.job["start"] is not None and row.job["node"]:
            found.append(row._replace(step=".batch"))
    return found


def _cell(name: str, row: Row, asked: Asked) -> str:
    if row.step:
        if name == "jobname":
            return "batch"
        if name == "state":
            return _step_state(row.job)
        if name not in OF_STEPS:
            return ""
    return FIELDS[name][2](row, asked)


def _step_state(job: Job) -> str:
    if job["state"] not in ENDED:
        return "RUNNING"
    if job["exit"] == "0:0":
        return "COMPLETED"
    return "CANCELLED" if job["exit"].startswith("0:") else "FAILED"


def _state(row: Row, asked: Asked) -> str:
    """Who cancelled a job stands behind the word; jobs that Slurm cancels itself have nobody there."""
    job = row.job
    by_slurm = job["reason"] == "DependencyNeverSatisfied"
    if job["state"] == "CANCELLED" and not by_slurm:
        return f"CANCELLED by {_uid(job)}"
    return "RUNNING" if job["state"] == "COMPLETING" else str(job["state"])


def _uid(job: Job) -> str:
    try:
        return str(pwd.getpwnam(job["user"]).pw_uid)
    except KeyError:
        return "0"


def _exit(row: Row, asked: Asked) -> str:
    """A job that was ended from outside has 0:0 here; its step, and scontrol, have the signal."""
    outside = row.job["state"] in ("CANCELLED", "TIMEOUT") and not row.step
    return "0:0" if outside else str(row.job["exit"])


def _ran(job: Job, asked: Asked) -> int:
    if job["start"] is None:
        return 0
    return int(job["end"] if job["end"] is not None else asked.now) - int(job["start"])


def _start(row: Row, asked: Asked) -> str:
    """One that ended in the queue has no start, one that waits may have one."""
    never = row.job["state"] in ENDED and not row.job["node"]
    return "None" if never else moment(row.job["start"], "Unknown")


def _end(row: Row, asked: Asked) -> str:
    return moment(row.job["end"], "Unknown")


def _nodes(row: Row, asked: Asked) -> str:
    return nodes_of(asked.state, row.job) or "None assigned"


def _allocated(row: Row, asked: Asked) -> str:
    return str(row.job["cpus"]) if row.job["node"] else "0"


def _limit(row: Row, asked: Asked) -> str:
    return long_elapsed(row.job["limit"] * 60) if row.job["limit"] else "UNLIMITED"


def _raw_limit(row: Row, asked: Asked) -> str:
    return str(row.job["limit"] or "UNLIMITED")


def _of(name: str) -> Show:
    return lambda row, asked: str(row.job[name])


# The header, the width and the text of each field.
FIELDS: dict[str, tuple[str, int, Show]] = {
    "jobid": ("JobID", -12, lambda row, asked: row.id + row.step),
    "jobidraw": ("JobIDRaw", -12, lambda row, asked: str(row.number) + row.step),
    "jobname": ("JobName", 10, _of("name")),
    "partition": ("Partition", 10, _of("partition")),
    "account": ("Account", 10, _of("account")),
    "alloccpus": ("AllocCPUS", 10, _allocated),
    "ncpus": ("NCPUS", 10, _allocated),
    "reqcpus": ("ReqCPUS", 8, _of("cpus")),
    "state": ("State", 10, _state),
    "exitcode": ("ExitCode", 8, _exit),
    "nodelist": ("NodeList", 15, _nodes),
    "nnodes": ("NNodes", 8, _of("nodes")),
    "submit": ("Submit", 19, lambda row, asked: moment(row.job["submitted"], "Unknown")),
    "start": ("Start", 19, _start),
    "end": ("End", 19, _end),
    "elapsed": ("Elapsed", 10, lambda row, asked: long_elapsed(_ran(row.job, asked))),
    "elapsedraw": ("ElapsedRaw", 10, lambda row, asked: str(_ran(row.job, asked))),
    "timelimit": ("Timelimit", 10, _limit),
    "timelimitraw": ("TimelimitRaw", 12, _raw_limit),
    "reqmem": ("ReqMem", 10, lambda row, asked: memory_text(row.job["memory"])),
    "maxrss": ("MaxRSS", 10, lambda row, asked: ""),
    # Slurm sends it with the end of the job.
    "comment": (
        "Comment",
        14,
        lambda row, asked: row.job["comment"] if row.job["state"] in ENDED else "",
    ),
    "submitline": ("SubmitLine", 20, _of("line")),
    "workdir": ("WorkDir", 20, _of("workdir")),
    "user": ("User", 9, _of("user")),
    "qos": ("QOS", 10, _of("qos")),
    "restarts": ("Restarts", 10, _of("restarts")),
}
# Those that Slurm has beside them.
OTHERS = frozenset(
    [
        "admincomment",
        "allocnodes",
        "alloctres",
        "associd",
        "avecpu",
        "avecpufreq",
        "avediskread",
        "avediskwrite",
        "avepages",
        "averss",
        "avevmsize",
        "blockid",
        "cluster",
        "constraints",
        "consumedenergy",
        "consumedenergyraw",
        "container",
        "cputime",
        "cputimeraw",
        "dbindex",
        "derivedexitcode",
        "eligible",
        "extra",
        "failednode",
        "flags",
        "gid",
        "group",
        "layout",
        "licenses",
        "maxdiskread",
        "maxdiskreadnode",
        "maxdiskreadtask",
        "maxdiskwrite",
        "maxdiskwritenode",
        "maxdiskwritetask",
        "maxpages",
        "maxpagesnode",
        "maxpagestask",
        "maxrssnode",
        "maxrsstask",
        "maxvmsize",
        "maxvmsizenode",
        "maxvmsizetask",
        "mcslabel",
        "mincpu",
        "mincpunode",
        "mincputask",
        "ntasks",
        "planned",
        "plannedcpu",
        "plannedcpuraw",
        "priority",
        "qosraw",
        "qosreq",
        "reason",
        "reqcpufreq",
        "reqcpufreqgov",
        "reqcpufreqmax",
        "reqcpufreqmin",
        "reqnodes",
        "reqtres",
        "reservation",
        "reservationid",
        "sluid",
        "stderr",
        "stdin",
        "stdout",
        "suspended",
        "systemcomment",
        "systemcpu",
        "totalcpu",
        "uid",
        "usercpu",
        "wckey",
        "wckeyid",
        "all",
    ]
)
