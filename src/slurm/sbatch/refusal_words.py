"""What ``sbatch`` says when it refuses a job, and what can be done about it. Pure.

The words are those of Slurm 22.05 and 24.11, which mostly say the same; what the older one accepts and
leaves pending for ever (more nodes than there are) the newer one refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

Rows = Sequence[Mapping[str, str]]

SAYS = re.compile(r"^\S*sbatch\S*: (error: )?(Batch job submission failed: )?")
# What was wrong, by what sbatch says; the first that fits.
WORDS: tuple[tuple[str, str], ...] = (
    ("partition", r"invalid partition|no partition specified|not permitted to use this partition"),
    ("partition", r"required partition not available"),
    ("account", r"invalid account"),
    ("qos", r"invalid qos|qos not permitted|qos specification"),
    ("time", r"time limit is invalid|time limit specification"),
    ("limit", r"violates accounting/qos policy|(assoc|qos)(grp|max)\w+"),
    ("feature", r"invalid feature"),
    ("gres", r"invalid generic resource|invalid gres|gres specification"),
    ("nodelist", r"invalid node name"),
    ("reservation", r"reservation is invalid|reservation .*access"),
    ("licenses", r"invalid license"),
    ("clusters", r"no cluster .* known|invalid entry for --cluster"),
    ("dependency", r"dependency problem(?!:)|invalid (--)?dependency"),
    ("begin", r"invalid --begin"),
    ("size", r"node configuration is not available|partition configuration not available"),
    ("size", r"node count specification|memory required by task|more processors requested"),
    ("size", r"can ?not be satisfied"),
)
# What has to be asked for each.
ASKED: Mapping[str, str] = {
    **dict.fromkeys(("partition", "time", "feature", "gres", "size"), "partitions"),
    **dict.fromkeys(("account", "qos"), "accounts"),
}
SIZES = (
    *("nodes", "ntasks", "ntasks-per-node", "cpus-per-task", "mincpus", "cpus-per-gpu"),
    *("mem", "mem-per-cpu", "mem-per-gpu", "tmp", "gres", "gpus", "gpus-per-node", "gpus-per-task"),
    *("nodelist", "exclude", "constraint", "partition"),
)
OPTIONS: Mapping[str, Sequence[str]] = {
    "size": SIZES,
    "limit": ("account", "qos", "time", *SIZES),
    "time": ("time", "time-min", "deadline", "partition"),
    "feature": ("constraint", "prefer"),
    "gres": ("gres", "gpus", "gpus-per-node", "gpus-per-task"),
    "account": ("account", "partition"),
    "qos": ("qos", "account", "partition"),
}
NAMED_BY: Mapping[str, str] = {
    "nodelist": "sinfo -N",
    "reservation": "scontrol show reservation",
    "licenses": "scontrol show license",
    "clusters": "sacctmgr show clusters",
}
HOW: Mapping[str, str] = {
    "dependency": "Slurm knows no such job, or it can no longer end so: name those of a program with .after(job)",
    "begin": "as now+1hour, 16:00 or 2030-01-20T16:00:00",
}
NONE = ("", "(null)", "N/A", "n/a")
UNTOLD = (("nodes", "1"), ("ntasks", "1"))
LESS = "ask for less, or choose another partition="


def plain(said: str) -> str:
    """What sbatch said, on one line and each thing once, without the words that stand before everything.

    >>> plain("sbatch: error: Batch job submission failed: Invalid qos specification")
    'Invalid qos specification'
    """
    lines = (SAYS.sub("", line.strip()) for line in said.splitlines())
    return "; ".join(dict.fromkeys(filter(None, lines)))


def kind_of(said: str) -> str:
    """What was wrong: one of the words in `WORDS`; empty where nobody can tell.

    >>> kind_of("sbatch: error: Batch job submission failed: Invalid qos specification")
    'qos'
    """
    return next((kind for kind, words in WORDS if re.search(words, said, re.IGNORECASE)), "")


def advice(kind: str, options: Mapping[str, str], rows: Rows) -> str:
    """What was asked for, what there is, and which option to change; `rows` are those that `ASKED` names.

    >>> advice("partition", {"partition": "gpus"}, [{"partition": "cpu*", "available": "up"}])
    'partition=gpus; there are the partitions cpu (default): choose one with partition='
    """
    wanted = OPTIONS.get(kind, (kind,))
    pairs = [(name, options[name]) for name in wanted if options.get(name)]
    asked = ", ".join(
        f"{name.replace('-', '_')}={value}" for name, value in pairs if (name, value) not in UNTOLD
    )
    return "; ".join(filter(None, (asked, _what_there_is(kind, options, rows))))


def _what_there_is(kind: str, options: Mapping[str, str], rows: Rows) -> str:
    if kind == "partition":
        shown = _listed(_partition(row) for row in rows)
        return f"there are the partitions {shown}: choose one with partition=" if shown else ""
    if kind in ("account", "qos"):
        return _accounts(kind, rows)
    if kind == "limit":
        return (
            "a limit of your account or QOS (sacctmgr show assoc, sacctmgr show qos): ask for less"
        )
    if kind in HOW:
        return HOW[kind]
    if kind in NAMED_BY:
        return f"{NAMED_BY[kind]} names those there are"
    own = _of_partition(options.get("partition", ""), rows)
    if kind == "time":
        shown = _listed(f"{_name(row)} {_limit(row)}" for row in own)
        return (
            f"at most: {shown}; ask for less with time=, or choose another partition="
            if shown
            else ""
        )
    if kind == "feature":
        shown = _listed(
            one for row in rows for one in row["features"].split(",") if one not in NONE
        )
        return f"features that nodes have: {shown or 'none'}"
    if kind == "gres":
        shown = _listed(_gres(row) for row in rows)
        return f"gres that nodes have: {shown or 'none'}"
    if kind != "size" or not own:
        return ""
    # Slurm takes a node for one of 1 MB where slurm.conf has no RealMemory for it.
    without = options.get("mem") and all(_number(row["memory"]) <= 1 for row in own)
    way = "these nodes take no mem=, leave it out with mem=None" if without else LESS
    return f"{_sizes(own)}: {way}"


def _sizes(rows: Rows) -> str:
    """How many nodes each partition has, and the largest in what a job can ask for."""
    parts = []
    for name in dict.fromkeys(map(_name, rows)):
        own = [row for row in rows if _name(row) == name]
        count = sum(_number(row["nodes"]) for row in own)
        largest = dict.fromkeys(
            _node(
                max(
                    own,
                    key=lambda row: tuple(map(_number, (row[first], row["cpus"], row["memory"]))),
                )
            )
            for first in ("cpus", "memory", "gres")
        )
        most = own[0]["job_size"].rpartition("-")[2]
        jobs = f" (a job takes at most {most})" if most.isdigit() and int(most) < count else ""
        parts.append(
            f"partition {name} has {count} node{'' if count == 1 else 's'}{jobs}, the largest node with "
            + " or ".join(largest)
        )
    return "; ".join(parts)


def _node(row: Mapping[str, str]) -> str:
    gres = _gres(row)
    have = f"{row['cpus']} cpus, {row['memory']}M of memory"
    return f"{have} and {gres}" if gres else f"{have} and no gres"


def _accounts(kind: str, rows: Rows) -> str:
    """The accounts that the user may charge, each with its QOS."""
    shown = _listed(
        f"{row['account']} (qos {row['qos'].replace(',', ', ')})" if row["qos"] else row["account"]
        for row in rows
        if row["account"]
    )
    if not shown:
        return "no account of yours is known (sacctmgr show assoc): ask the site's administrators"
    return f"your accounts are {shown}: choose with account= and qos="


def _of_partition(wanted: str, rows: Rows) -> Rows:
    """The rows of the partitions that were asked for, or of the default one; all where that tells nothing."""
    names = wanted.split(",") if wanted else []
    own = [
        row for row in rows if (_name(row) in names if names else row["partition"].endswith("*"))
    ]
    return own or rows


def _partition(row: Mapping[str, str]) -> str:
    more = " (default)" if row["partition"].endswith("*") else ""
    down = "" if row["available"] == "up" else f" ({row['available']})"
    return _name(row) + more + down


def _name(row: Mapping[str, str]) -> str:
    return row["partition"].rstrip("*")


def _limit(row: Mapping[str, str]) -> str:
    return "no limit" if row["time_limit"] == "infinite" else row["time_limit"]


def _gres(row: Mapping[str, str]) -> str:
    """A node's gres without what is said of sockets: ``gpu:a100:4(S:0-1)``."""
    text = re.sub(r"\([^)]*\)", "", row["gres"])
    return "" if text in NONE else text


def _number(text: str) -> int:
    """The number in a field: the last one of gres such as ``gpu:a100:4(S:0-1)``; 0 for none."""
    found = re.findall(r"\d+", re.sub(r"\([^)]*\)", "", text))
    return int(found[-1]) if found else 0


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, names)))
