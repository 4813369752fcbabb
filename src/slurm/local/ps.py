"""What ``ps`` knows of processes: the same questions on Linux and macOS.

Asked only when a job is ended by force or its supervisor was killed. Where there is no ``ps``, as in
slim containers, it knows nothing.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator


def descendant_groups(process: int) -> set[int]:
    """The process groups of `process` and of all that descend from it."""
    children: dict[int, list[tuple[int, int]]] = {}
    for fields in _processes("pid", "ppid", "pgid"):
        child, parent, group = map(int, fields)
        children.setdefault(parent, []).append((child, group))
    groups, unseen = {process}, [process]
    while unseen:
        for child, group in children.pop(unseen.pop(), []):
            groups.add(group)
            unseen.append(child)
    return groups


def any_alive(groups: set[int]) -> bool:
    """Whether a process is left in these groups; a dead one not yet reaped by init is none."""
    if not any(map(_group_exists, groups)):
        return False
    members = _processes("pgid", "stat")
    return any(int(group) in groups and stat[0] != "Z" for group, stat in members)


def leader_age(group: int) -> float | None:
    """Seconds since the leader of a process group was started; None when it does not live."""
    for pid, pgid, elapsed in _processes("pid", "pgid", "etime"):
        if int(pid) == int(pgid) == group:
            days, _, clock = elapsed.rpartition("-")
            seconds = 0
            for part in clock.split(":"):
                seconds = seconds * 60 + int(part)
            return float(int(days or "0") * 86400 + seconds)
    return None


def signal_group(group: int, number: int) -> None:
    """Signal a process group, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _processes(*columns: str) -> Iterator[list[str]]:
    # One -o each: POSIX takes all that follows a "=" for the header.
    arguments = [word for column in columns for word in ("-o", f"{column}=")]
    try:
        done = subprocess.run(
            ["ps", "-A", *arguments], capture_output=True, text=True, timeout=5, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return
    for line in done.stdout.splitlines():
        fields = line.split()
        if len(fields) == len(columns):
            yield fields
