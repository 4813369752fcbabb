"""``sacct``: what the accounts have of jobs, those that the controller has forgotten too."""

from __future__ import annotations

import pwd
import time

from .asked import Answer, Asked, about
from .jobs import selected, settle
from .options import Grammar, Refused, has_none, listed
from .rows import Row, rows_of
from .sacct_fields import FIELDS, OTHERS, cell
from .store import Job
from .values import time_of

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
OFF = "Slurm accounting storage is disabled\n"


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
    table = [[cell(name, row, asked) for name, _ in columns] for row in rows]
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
    for word, width in zip(cells, widths):
        size = abs(width)
        text = word if len(word) <= size else word[: size - 1] + "+"
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
