"""Slurm's way of writing many nodes, taken apart. Pure: nobody is asked."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

# Names and bracketed numbers, in any order: rack[0-1]-node[01-04]-ib
NAME = re.compile(r"(?:[^\[\],\s]|\[[0-9,-]+\])+")
NUMBERS = re.compile(r"\[([0-9,-]+)\]")
RANGE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
COUNT = re.compile(r"([0-9]+)(?:\(x([0-9]+)\))?")


def expand_node_list(text: str) -> list[str]:
    """The host names in a node list such as ``SLURM_JOB_NODELIST``, as ``scontrol show hostnames``.

    >>> expand_node_list("c[1-3,7],login")
    ['c1', 'c2', 'c3', 'c7', 'login']
    >>> expand_node_list("rack[0-1]n[08-09]")
    ['rack0n08', 'rack0n09', 'rack1n08', 'rack1n09']

    Raises ``ValueError`` for what is no node list.
    """
    if not text:
        return []
    hosts: list[str] = []
    end = -1
    for match in NAME.finditer(text):
        if match.start() != end + 1 or (match.start() and text[end] != ","):
            break
        hosts += _hosts(match[0])
        end = match.end()
    if end != len(text):
        raise ValueError(f"{text!r} is no node list such as c[1-3,7],login")
    return hosts


def _hosts(name: str) -> Iterator[str]:
    """The hosts behind one name; the last brackets count fastest."""
    parts = NUMBERS.split(name)
    choices = [list(_numbers(part)) if i % 2 else [part] for i, part in enumerate(parts)]
    return map("".join, itertools.product(*choices))


def _numbers(text: str) -> Iterator[str]:
    for part in text.split(","):
        match = RANGE.fullmatch(part)
        if match is None:
            raise ValueError(f"{text!r} in a node list are no numbers: this is no node list")
        first, last = match[1], match[2] or match[1]
        for number in range(int(first), int(last) + 1):
            yield f"{number:0{len(first)}}"


def expand_task_counts(text: str) -> list[int]:
    """The tasks on each node, of ``SLURM_TASKS_PER_NODE``.

    >>> expand_task_counts("2(x3),1")
    [2, 2, 2, 1]
    """
    counts: list[int] = []
    for part in text.split(",") if text else ():
        match = COUNT.fullmatch(part)
        if match is None:
            raise ValueError(f"{text!r} are no task counts such as 2(x3),1")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts
