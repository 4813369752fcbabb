"""Parts of a shape as text: a name, and words with values: ``c[1-4] cpus=16 memory=64G Features=ib``.

Words in small letters are fields of the part's class; those that begin with a capital go to its `settings`. Lists have commas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from slurm.config.checks import suggestion
from slurm.testing.errors import ClusterError

YES, NO = ("yes", "true", "1"), ("no", "false", "0")


def fields_of(kind: type[Any], text: str) -> dict[str, Any]:
    """The arguments of a part's class that a text stands for. Raises `ClusterError`.

    >>> from slurm.testing.shape_parts import Account
    >>> fields_of(Account, "physics users=dev,ann MaxSubmitJobs=3")
    {'name': 'physics', 'users': ['dev', 'ann'], 'settings': {'MaxSubmitJobs': '3'}}
    """
    first, *own = [one.name for one in fields(kind) if one.name != "settings"]
    name, *words = text.split() or [""]
    what = f"{kind.__name__.lower() if kind.__name__ != 'QOS' else 'QOS'} {text!r}"
    if not name or "=" in name:
        raise ClusterError(f"{what} must begin with a name, as in {_example(first, own)}")
    found: dict[str, Any] = {first: name}
    settings: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ClusterError(f"{what}: {word!r} is no word with a value, as in {own[0]}=...")
        if key[:1].isupper():
            settings[key] = value
        elif key in own:
            found[key] = _value(kind, key, value, what)
        else:
            raise ClusterError(
                f"{what}: there is no {key!r}{suggestion(key, own)}; there are {', '.join(own)}, "
                "and Slurm's own words, which begin with a capital"
            )
    return {**found, "settings": settings} if settings else found


def settings_of(lines: Sequence[str]) -> dict[str, str]:
    """Lines of ``slurm.conf`` by name. Raises `ClusterError`.

    >>> settings_of(["SlurmdTimeout=10", "AuthInfo=cred_expire=5"])
    {'SlurmdTimeout': '10', 'AuthInfo': 'cred_expire=5'}
    """
    found = {}
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if not equals:
            raise ClusterError(f"{line!r} is no setting of slurm.conf, as SlurmdTimeout=10 is one")
        found[name] = value
    return found


def truth(value: str, what: str) -> bool:
    """What a text says of a thing that is or is not. Raises `ClusterError`.

    >>> truth("yes", "mpi"), truth("False", "mpi")
    (True, False)
    """
    if value.lower() not in (*YES, *NO):
        raise ClusterError(f"{what} is yes or no, not {value!r}")
    return value.lower() in YES


def _value(kind: type[Any], key: str, value: str, what: str) -> Any:
    declared = {one.name: str(one.type) for one in fields(kind)}[key]
    if declared == "bool":
        return truth(value, f"{what}: {key}")
    if declared == "Sequence[str]":
        return value.split(",")
    if value.isdecimal() and declared.startswith("int"):
        return int(value)
    if declared == "int":
        raise ClusterError(f"{what}: {key} is a whole number, not {value!r}")
    return value


def _example(first: str, own: Sequence[str]) -> str:
    return f"{first.upper()} {own[0]}=..."
