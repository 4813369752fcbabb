"""What in the description of a cluster makes sense: each check raises `ClusterError` with one line that says what does not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from slurm.config.checks import suggestion
from slurm.node.node_list import expand_node_list
from slurm.testing.errors import ClusterError

# Nothing that a shell, slurm.conf or Compose would read as more than a value.
SETTING = re.compile(r"[A-Za-z]+=[^\s\"'\\#$]+")
HOST = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
PARTITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
ACCOUNT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
MOST_IN_ONE = 1000
MEMORY = re.compile(r"([0-9]+)([MGT]?)")
OWN_ARGUMENTS = {"NodeName": "nodes", "PartitionName": "partitions"}


def listed(given: Any, what: str) -> Sequence[Any]:
    """A list, and not the text of one of its items."""
    if isinstance(given, str):
        raise ClusterError(f"{what} is a list of names, not the text {given!r}")
    return list(given)


def hosts(names: str) -> list[str]:
    """The names of nodes that Slurm writes in one."""
    for first, last in re.findall(r"([0-9]+)-([0-9]+)", names):
        if int(last) - int(first) > MOST_IN_ONE:
            raise ClusterError(f"{names!r} are more nodes than a machine can pretend")
    try:
        found = expand_node_list(names)
    except ValueError as error:
        raise ClusterError(str(error)) from None
    for host in found:
        if not HOST.fullmatch(host):
            raise ClusterError(
                f"the node name {host!r} must be of small letters, digits and '-', and begin with a letter"
            )
    return found


def megabytes(memory: int | str, names: str) -> int:
    """An amount of memory as Slurm's configuration has it.

    >>> megabytes("2G", "c1"), megabytes(500, "c1")
    (2048, 500)
    """
    found = MEMORY.fullmatch(str(memory))
    if found is None:
        raise ClusterError(f"memory of {names} is megabytes or one like 64G, not {memory!r}")
    return int(found[1]) * {"": 1, "M": 1, "G": 1024, "T": 1024 * 1024}[found[2]]


def gpus(given: int | str, names: str) -> None:
    """How many, with or without a type."""
    if not re.fullmatch(r"([a-z][a-z0-9_-]*:)?[0-9]{1,2}", str(given)):
        raise ClusterError(f"gpus of {names} is a number or one like a100:4, not {given!r}")


def at_least(least: int, given: object, what: str) -> None:
    """A whole number."""
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise ClusterError(f"{what} must be a whole number of at least {least}, not {given!r}")


def yes_or_no(given: object, what: str) -> None:
    """True or False, and no text that is one of them to somebody alone."""
    if not isinstance(given, bool):
        raise ClusterError(f"{what} is True or False, not {given!r}")


def name(given: str, what: str, pattern: re.Pattern[str]) -> None:
    """A name that Slurm takes and gives back as it is."""
    if not pattern.fullmatch(given):
        kind = "letters" if pattern is PARTITION else "small letters"
        raise ClusterError(f"the {what} name {given!r} must be of {kind}, digits, '-' and '_'")


def user(given: str) -> None:
    """A name for a new user of Debian's."""
    if not USER.fullmatch(given) or given in ("root", "slurm", "munge", "mysql", "sshd", "nobody"):
        raise ClusterError(
            f"the user name {given!r} must be of small letters, digits, '-' and '_', and none of the system's"
        )


def once(names: Sequence[str], what: str) -> None:
    """Nothing has the name of another."""
    for one, times in Counter(names).items():
        if times > 1:
            raise ClusterError(f"there are two of the {what} {one!r}: each has a name of its own")


def known(names: Sequence[str], there: Sequence[str], who: str, what: str) -> None:
    """What is named is there."""
    for one in names:
        if one not in there:
            raise ClusterError(
                f"{who} names the {what} {one!r}, which there is not{suggestion(one, there)}; "
                f"there are {', '.join(there)}"
            )


def settings(given: Mapping[str, Any], words: Collection[str], who: str) -> None:
    """Words of Slurm's with values that stand on one line; `words` are those that there are, where that is known."""
    for key, value in given.items():
        line = f"{key}={value}"
        if key in OWN_ARGUMENTS:
            raise ClusterError(f"{line!r} is no setting of {who}: say it with {OWN_ARGUMENTS[key]}")
        if not SETTING.fullmatch(line):
            raise ClusterError(f"{line!r} is no setting of {who} with a plain value")
        if words and key not in words:
            raise ClusterError(f"{who}: Slurm has no {key!r} there{suggestion(key, sorted(words))}")


def without_accounting(given: Mapping[str, Collection[Any]]) -> None:
    """Nothing is wanted that is kept in the database of accounting."""
    wanted = [word for word, names in given.items() if names]
    if wanted:
        raise ClusterError(
            f"{' and '.join(wanted)} need accounting: leave out accounting=False (--no-accounting), or them"
        )


def size(given: str) -> None:
    """What a file system in memory may hold."""
    if not re.fullmatch(r"([1-9][0-9]*[kmg])?", given):
        raise ClusterError(f"the size {given!r} must be one like 500k, 64m or 2g")


def packages(given: Sequence[str]) -> None:
    """Names of Debian packages."""
    for one in given:
        if not PACKAGE.fullmatch(one):
            raise ClusterError(f"{one!r} is no name of a Debian package")


def requirements(given: Sequence[str]) -> None:
    """Requirements as pip has them: a name and conditions, or an address; no options and no files."""
    if not given:
        return
    from packaging.requirements import InvalidRequirement, Requirement  # late: few have any

    for line in given:
        try:
            Requirement(line)
        except InvalidRequirement as error:
            why = str(error).partition("\n")[0]
            raise ClusterError(
                f"{line!r} is no requirement of pip's, as numpy>=2 is one: {why}"
            ) from None
