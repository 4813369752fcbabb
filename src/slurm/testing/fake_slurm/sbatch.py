"""``sbatch``: takes a job, or refuses it."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from typing import Any

from .asked import Answer, Asked, about
from .jobs import apply, new_job, settle
from .options import Grammar, has_none
from .store import Job, State
from .submitted import fields_of, indexes_of, refused
from .values import hosts, moment

GRAMMAR = Grammar(
    "sbatch",
    """a|array= A|account= b|begin= comment= c|cpus-per-task= d|dependency= D|chdir= e|error= export=
    C|constraint= x|exclude= exclusive? gpus-per-node= G|gpus= gres= H|hold J|job-name=
    kill-on-invalid-dep= L|licenses= mail-type= mail-user= mem= mem-per-cpu= n|ntasks= nice?
    no-requeue ntasks-per-node= ntasks-per-socket= N|nodes= o|output= open-mode= p|partition= parsable
    q|qos= Q|quiet requeue signal= test-only t|time= V|version w|nodelist= W|wait wckey= wrap= h|help
    !acctg-freq= !batch= !bb= !bbf= !cluster-constraint= !contiguous !container= !container-id=
    !S|core-spec= !cores-per-socket= !cpu-freq= !cpus-per-gpu= !deadline= !delay-boot=
    !m|distribution= !export-file= !extra= !extra-node-info= !get-user-env? !gid= !gpu-bind=
    !gpu-freq= !gpus-per-socket= !gpus-per-task= !gres-flags= !hint= !ignore-pbs !i|input= !k|no-kill?
    !mcs-label= !mem-bind= !mem-per-gpu= !mincpus= !M|clusters= !network= !F|nodefile=
    !ntasks-per-core= !ntasks-per-gpu= !oom-kill-step? !O|overcommit !s|oversubscribe !power= !prefer=
    !priority= !profile= !propagate? !reboot !reservation= !resv-ports? !segment= !spread-job !stepmgr
    !switches= !thread-spec= !threads-per-core= !time-min= !tmp= !tres-bind= !tres-per-task= !uid=
    !usage !use-min-nodes !v|verbose !wait-all-nodes= !sockets-per-node=""",
    status=255,
    permute=False,
)
# What sbatch reads from its environment, as an option of the script that it knows.
VARIABLES = [
    "account",
    "array-inx",
    "constraint",
    "dependency",
    "export",
    "gpus",
    "gres",
    "hold",
    "job-name",
    "mem-per-cpu",
    "no-requeue",
    "open-mode",
    "output",
    "partition",
    "qos",
    "requeue",
    "signal",
    "timelimit",
    "wckey",
]
FIRST_PRIORITY = 4294901760  # of priority/basic: each job comes after those before it
OTHER_NAMES = {"array-inx": "array", "timelimit": "time"}
NO_SHEBANG = (
    "This does not look like a batch script.  The first",
    "line must start with #! followed by the path to an interpreter.",
    "For instance: #!/bin/sh",
)


def run(words: list[str], asked: Asked) -> Answer:
    """One call of it."""
    typed, arguments = GRAMMAR.read(words)
    answer = about("sbatch", typed)
    if answer is not None:
        return answer
    name, script = _script(typed, arguments)
    options = {**_in_script(script), **_in_environment(), **typed}
    if "wait" in options:
        raise has_none("sbatch", "option --wait")
    state = asked.state
    settle(state, asked.now)
    fields = fields_of(state, options, asked.now)
    unnamed = os.path.basename(name) or ("wrap" if "wrap" in typed else "sbatch")
    fields.update(name=fields["name"] or unnamed, user=asked.user)
    fields.update(script=os.path.abspath(name) if name else "(null)", arguments=arguments[1:])
    fields.update(line=" ".join(["sbatch", *words]))
    if options.get("array"):
        fields["indexes"], fields["throttle"] = indexes_of(state, options["array"])
    if "test-only" in options:
        return 0, "", _would_start(state, fields, asked.now)
    job = _added(state, fields, asked.now)
    if _run_here(state):
        _keep(asked, job, script, options.get("export", "ALL"))
    number = job["array"] or job["id"]
    quiet = "quiet" in options and "parsable" not in options
    said = f"{number}\n" if "parsable" in options else f"Submitted batch job {number}\n"
    return 0, "" if quiet else said, ""


def _script(typed: dict[str, str], arguments: list[str]) -> tuple[str, str]:
    """The path of the script, "" without one, and what is in it."""
    if "wrap" in typed:
        if arguments:
            raise refused("Script arguments not permitted with --wrap option")
        return "", f"#!/bin/sh\n# This script was created by sbatch --wrap.\n\n{typed['wrap']}\n"
    name = arguments[0] if arguments else ""
    try:
        if not name:
            script = sys.stdin.read()
        elif stat.S_ISDIR(os.stat(name).st_mode):
            script = ""
        else:
            with open(name, encoding="utf-8", errors="surrogateescape") as file:
                script = file.read()
    except OSError:
        raise refused(f"Unable to open file {name}") from None
    if not script:
        raise refused("Batch script is empty!")
    if not script.startswith("#!"):
        raise refused(*NO_SHEBANG)
    return name, script


def _in_script(script: str) -> dict[str, str]:
    """The options in its lines ``#SBATCH``, which end with the first command."""
    words: list[str] = []
    for line in script.splitlines()[1:]:
        if line.startswith("#SBATCH"):
            words += _words(line[len("#SBATCH") :])
        elif line.strip() and not line.startswith("#"):
            break
    return GRAMMAR.read(words)[0]


def _words(line: str) -> list[str]:
    """The words of such a line, as far as a comment in it."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise refused(f"Unmatched quote in the script: {line.strip()}") from None
    comment = next((place for place, word in enumerate(words) if word.startswith("#")), None)
    return words[:comment]


def _in_environment() -> dict[str, str]:
    found = {}
    for name in VARIABLES:
        value = os.environ.get("SBATCH_" + name.upper().replace("-", "_"))
        if value is not None:
            found[OTHER_NAMES.get(name, name)] = value
    return found


def _added(state: State, fields: dict[str, Any], now: float) -> Job:
    """The job, or the first of an array's; the last task has the number of the array, as in Slurm."""
    fields = {**fields, "runs": _run_here(state)}
    indexes = fields.get("indexes") or []
    array = state["next_id"]
    made = []
    if not indexes:
        made.append(new_job(state, now, **fields))
    for place, task in enumerate(indexes, start=1):
        number = array if place == len(indexes) else array + place
        made.append(new_job(state, now, id=number, array=array, task=task, **fields))
    for job in made:
        job["priority"] = 0 if job["held"] else FIRST_PRIORITY - array
        _plan(state, job, now)
    settle(state, now)
    return made[0]


def _plan(state: State, job: Job, now: float) -> None:
    """Have the job become what a test has said that all become."""
    steps = [dict(step) for step in state["plan"]]
    if steps and steps[0]["state"] == "PENDING" and steps[0]["after"] is None:
        apply(job, steps.pop(0), now)
    job["next"] = steps


def _keep(asked: Asked, job: Job, script: str, export: str) -> None:
    """What running it takes: its script as it is now, and the environment of its submitter."""
    number = job["array"] or job["id"]
    for folder in ("scripts", "environments"):
        os.makedirs(asked.store.path(folder), mode=0o700, exist_ok=True)
    path = asked.store.path("scripts", str(number))
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(script)
    os.chmod(path, 0o700)
    with open(asked.store.path("environments", str(number)), "w", encoding="utf-8") as file:
        json.dump(_exported(export), file)


def _exported(export: str) -> dict[str, str]:
    """The environment that a job begins with."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SBATCH_", "SLURM_"))
    }
    words = export.split(",")
    basic: dict[str, str] = {
        name: mine[name] for name in ("HOME", "PATH", "USER", "LOGNAME") if name in mine
    }
    found: dict[str, str] = mine if "ALL" in words else {} if "NONE" in words else basic
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            found[name] = value
        elif name in mine:
            found[name] = mine[name]
    return found


def _would_start(state: State, fields: dict[str, Any], now: float) -> str:
    nodes = hosts([node["name"] for node in state["nodes"]][: fields["nodes"]])
    return (
        f"sbatch: Job {state['next_id']} to start at {moment(now, '')} using {fields['cpus']} processors "
        f"on nodes {nodes} in partition {fields['partition']}\n"
    )


def _run_here(state: State) -> bool:
    """Whether jobs are to run as processes; those of a plan are only said to."""
    return bool(state["runs"] and not state["plan"])
