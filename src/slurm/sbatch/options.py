"""sbatch options: from Python keywords to checked text, and from there to ``#SBATCH`` lines.

Pure, and strict on purpose: what would fail in the queue, or be read as something else by
``sbatch``, is refused before anything is submitted. Names and rules are those of Slurm 22.05 to
24.11, checked against its ``sbatch``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Optional

from slurm.config.checks import CONTROL, is_encodable
from slurm.errors import ConfigError

if TYPE_CHECKING:
    import datetime


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NEEDS_VALUE = _words(
    """account acctg-freq batch bb bbf begin chdir cluster-constraint clusters comment constraint
    container container-id core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline
    delay-boot dependency distribution error exclude export export-file extra extra-node-info gid
    gpu-bind gpu-freq gpus gpus-per-node gpus-per-socket gpus-per-task gres gres-flags hint input
    job-name kill-on-invalid-dep licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu
    mem-per-gpu mincpus network nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu
    ntasks-per-node ntasks-per-socket open-mode output partition power prefer priority profile qos
    reservation segment signal sockets-per-node switches thread-spec threads-per-core time time-min
    tmp tres-bind tres-per-task uid wait-all-nodes wckey"""
)
FLAGS = _words(
    """contiguous hold ignore-pbs no-requeue overcommit oversubscribe reboot spread-job
    stepmgr use-min-nodes"""
)
VALUE_OR_FLAG = _words(
    "exclusive get-user-env nice no-kill oom-kill-step propagate requeue resv-ports"
)
OPTIONS = NEEDS_VALUE | FLAGS | VALUE_OR_FLAG

NOT_AN_OPTION = {
    "array": "call task.map(items) instead, which submits one array",
    "wait": "call job.wait() or job.get_result() instead",
    "wrap": "the function is the script; put shell commands into it with subprocess",
    "parsable": "the SDK asks for it itself: job.id is the job id",
    "test-only": "print the request of a dry run instead",
    "packaging": "it is an argument of @task(), @workflow() and Cluster()",
    "python": "it is an argument of Cluster(), and a key of a Slurmfile",
    "key": "give it where the task is submitted: task.submit(key=...)(...)",
    "after": "call task.after(job)(...) instead",
    "env": "give variables with export='ALL,NAME=value'",
    "environment": "give variables with export='ALL,NAME=value'",
    "help": "see the manual of sbatch",
    "usage": "see the manual of sbatch",
    "version": "see the manual of sbatch",
    "verbose": "sbatch's answer is read by the SDK",
    "quiet": "sbatch's answer is read by the SDK",
}

TIME_FORMATS = (
    "give minutes as a number, a timedelta, or text: minutes, minutes:seconds, "
    "hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds, UNLIMITED"
)
LARGEST_NUMBER = 10**18
LONGEST_LIMIT = 60 * (2**31 - 1)  # seconds; Slurm keeps minutes in 32 bits
SIZE_ADVICE = (
    "give a size: whole megabytes as a number, or text such as 512M, 4G or 4GB, without a fraction"
)
DIRECTIVE = "#SBATCH --"
# Compiled when they are first used, by `re` itself: most tasks say little of themselves.
PLAIN = r"[A-Za-z0-9_@%+=:,./-]*"
NUMBER = r"[0-9]{1,12}"
SIZE = r"(?i)[0-9]{1,15}([KMGT]B?)?"
COUNT = r"[1-9][0-9]{0,8}"
NODES = r"(?i)[1-9][0-9]{0,8}[km]?([-,:][1-9][0-9]{0,8}[km]?)*"
GPUS = r"([^:,\s]+:)?[0-9]+(,([^:,\s]+:)?[0-9]+)*"


class InvalidOption(ConfigError):
    """An sbatch option is unknown, refused or malformed; the message is one line that names it."""


# Checked text by sbatch's long names; None for an option that is to be left out.
Options = dict[str, Optional[str]]


def normalise(options: Mapping[str, object]) -> Options:
    """Options as Python keywords (``cpus_per_task=4``) as sbatch's long names and checked text.

    True makes a flag (the value ``""``); None and False leave the option out, whoever else has a default for it.
    Text, whole numbers, paths and, for time limits, a `datetime.timedelta` are values; so are members of
    enumerations and numpy's scalars that are such, and lists where sbatch takes a list. The result normalises to
    itself. Raises `InvalidOption`.

    >>> from datetime import timedelta
    >>> normalise({"cpus_per_task": 4, "time": timedelta(minutes=90), "requeue": True, "mem": None})
    {'cpus-per-task': '4', 'time': '0-01:30:00', 'requeue': '', 'mem': None}
    """
    result: Options = {}
    for key, value in options.items():
        name = _long_name(key)
        if name in result:
            raise InvalidOption(f"option {key}: given twice, once with '-' and once with '_'")
        try:
            result[name] = _text(name, value)
        except InvalidOption as error:
            raise InvalidOption(f"option {key}={_shown(value)}: {error}") from None
    return result


def parse_time_limit(text: str) -> int | None:
    """The seconds of a time limit in any of Slurm's spellings; None when it means no limit.

    >>> parse_time_limit("1-02:00")
    93600

    Raises `InvalidOption`.
    """
    if text.upper() in ("UNLIMITED", "INFINITE"):
        return None
    days, dash, rest = text.rpartition("-")
    fields = [days or "0", *rest.split(":")] if dash else text.split(":")
    if (dash and not days) or len(fields) > 3 + bool(dash):
        raise InvalidOption(TIME_FORMATS)
    if not all(re.fullmatch(NUMBER, field) for field in fields):
        raise InvalidOption(TIME_FORMATS)
    numbers = [int(field) for field in fields]
    if dash:
        day, hours, minutes, seconds = [*numbers, 0, 0][:4]
    elif len(numbers) == 3:
        day, (hours, minutes, seconds) = 0, numbers
    else:
        day, hours, (minutes, seconds) = 0, 0, [*numbers, 0][:2]
    total = ((day * 24 + hours) * 60 + minutes) * 60 + seconds
    if total > LONGEST_LIMIT:
        raise InvalidOption(f"longer than Slurm can count; {TIME_FORMATS}")
    return total or None  # sbatch: a limit of zero is no limit


def directive(name: str, value: str) -> str:
    """The ``#SBATCH`` line that gives sbatch exactly `value`; an empty one makes a flag.

    ``%`` keeps the meaning sbatch gives it, see `escape_filename_pattern`. Raises `InvalidOption`
    for a control character: a line break would begin another directive.

    >>> directive("comment", "made by hand")
    '#SBATCH --comment="made by hand"'
    """
    try:
        _refuse_control_characters(value)
    except InvalidOption as error:
        raise InvalidOption(f"option {name}: {error}") from None
    if not value:
        return f"{DIRECTIVE}{name}"
    if not re.fullmatch(PLAIN, value):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        value = f'"{escaped}"'
    return f"{DIRECTIVE}{name}={value}"


def escape_filename_pattern(path: str) -> str:
    """`path` so that ``--output`` means it literally; a pattern such as ``/slurm_%j.out`` may follow.

    Raises `InvalidOption` for a backslash: one anywhere makes Slurm leave every ``%j`` as it is.

    >>> escape_filename_pattern("/jobs/50%") + "/slurm_%j.out"
    '/jobs/50%%/slurm_%j.out'
    """
    if "\\" in path:
        raise InvalidOption(
            f"path {path!r}: Slurm replaces no %j in a file name with a backslash; "
            "choose a directory without one"
        )
    return path.replace("%", "%%")


def _long_name(given: object) -> str:
    key = str.__str__(given) if isinstance(given, str) else str(given)
    name = key.replace("_", "-")
    if name in OPTIONS:
        return name
    key, name = (text if text.isprintable() else ascii(text) for text in (key, name))
    if name in NOT_AN_OPTION:
        raise InvalidOption(f"option {key}: {NOT_AN_OPTION[name]}")
    if name.lstrip("-") in OPTIONS:
        raise InvalidOption(f"option {key}: leave out the dashes before it")
    from slurm.sbatch.other_names import meant  # late: for mistakes only

    hint = meant(name, OPTIONS) or "see the manual of sbatch"
    raise InvalidOption(f"option {key}: sbatch has no --{name}; {hint}")


def _text(name: str, given: object) -> str | None:
    value = given if type(given) in (str, int, bool) else _plain(name, given)
    if value is None or value is False:
        return None
    flag = value is True or value == ""
    if flag and name in NEEDS_VALUE:
        raise InvalidOption("it needs a value; to leave it out give None, in a Slurmfile false")
    if flag:
        return ""
    if name in FLAGS:
        raise InvalidOption("it is a flag: give True, or leave it out")
    text = _plain_text(name, value)
    _refuse_control_characters(text)
    if name in CHECKS:
        CHECKS[name](text)
    return text


def _plain(name: str, value: object) -> object:
    from slurm.sbatch.plain_values import joined, plain  # late: jobs are given text

    if not isinstance(value, (list, tuple)):
        return plain(value)
    try:
        return joined(name, value)
    except ValueError as error:
        raise InvalidOption(str(error)) from None


def _plain_text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        if abs(value) >= LARGEST_NUMBER:
            raise InvalidOption("larger than Slurm can count")
        return str(value)
    import datetime

    if isinstance(value, datetime.timedelta) and name in ("time", "time-min"):
        return _spell(value)
    from slurm.sbatch.plain_values import advice_for

    raise InvalidOption(advice_for(value))


def _shown(value: object) -> str:
    if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
        return "..."  # more digits than Python 3.11 spells
    import reprlib  # for mistakes only; a repr that raises is the user's own

    shown = reprlib.Repr()
    shown.maxstring = shown.maxother = shown.maxlong = 80
    return " ".join(shown.repr(value).split())[:80]


def _spell(limit: datetime.timedelta) -> str:
    if limit.total_seconds() <= 0:
        raise InvalidOption("a time limit is longer than nothing; leave it out for none")
    from slurm.usage import format_duration  # late: jobs are given text

    return format_duration(limit.total_seconds(), "sbatch")


def _refuse_control_characters(text: str) -> None:
    if CONTROL.search(text):
        raise InvalidOption(f"a line break or control character in {text!r}; take it out")
    if not is_encodable(text):
        raise InvalidOption(f"bytes in {text!r} are no UTF-8 text; take them out")


def _time(text: str) -> None:
    parse_time_limit(text)


def _nodes(text: str) -> None:
    low, _, high = text.partition("-")
    if not re.fullmatch(NODES, text) or ((low + high).isdigit() and high and int(low) > int(high)):
        raise InvalidOption("give a positive count or a range, such as 2 or 2-4")


def _file_name(text: str) -> None:
    if text.endswith("/"):
        raise InvalidOption("that is a directory; give the name of a file in it, such as %j.out")
    if text.startswith("~"):
        raise InvalidOption("sbatch knows no ~; give the path in full")


def _matches(pattern: str, advice: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if not re.fullmatch(pattern, text):
            raise InvalidOption(advice)

    return check


def _has_grammar(name: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        from slurm.sbatch.grammar import PROBLEM_OF  # late: few tasks have one

        advice = PROBLEM_OF[name](text)
        if advice:
            raise InvalidOption(advice)

    return check


_size = _matches(SIZE, SIZE_ADVICE)
_count = _matches(COUNT, "give a positive whole number")
_gpus = _matches(GPUS, "give a count, or a type and a count, such as 2 or a100:2")

_requeues = _matches(COUNT, "give True, or how often at most: a positive whole number")

CHECKS: Mapping[str, Callable[[str], None]] = {
    **dict.fromkeys(("time", "time-min"), _time),
    **dict.fromkeys(("mem", "mem-per-cpu", "mem-per-gpu", "tmp"), _size),
    **dict.fromkeys(
        _words("""cores-per-socket cpus-per-gpu cpus-per-task mincpus ntasks ntasks-per-core ntasks-per-gpu
        ntasks-per-node ntasks-per-socket segment sockets-per-node threads-per-core"""),
        _count,
    ),
    **dict.fromkeys(("gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task"), _gpus),
    "nodes": _nodes,
    **dict.fromkeys(("output", "error"), _file_name),
    **{name: _has_grammar(name) for name in ("gres", "dependency", "signal")},
    "requeue": _requeues,
}
