"""What there is of processes: from ``/proc`` on Linux, from ``ps`` elsewhere.

Asked only when a job is signalled or ended by force, leaves something behind, or its supervisor was
killed. Where there is neither, nothing is known.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

PROC = "/proc"
SAME_START = 2.0  # seconds, where there are no ticks to compare


class Process(NamedTuple):
    """A process; `state` begins with Z when it is dead but not reaped, `age` is in seconds."""

    pid: int
    parent: int
    group: int
    state: str
    age: float


def descendants(ancestor: int, others: Callable[[int], bool] = lambda pid: False) -> list[Process]:
    """All that descend from a process, without itself, and without `others` and what descends from those."""
    children: dict[int, list[Process]] = {}
    for process in _processes():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    unseen = [ancestor]
    while unseen:
        for child in children.pop(unseen.pop(), []):
            if not others(child.pid):
                found.append(child)
                unseen.append(child.pid)
    return found


def any_alive(groups: set[int]) -> bool:
    """Whether a process is left in these groups; a dead one not yet reaped by init is none."""
    if not any(map(_group_exists, groups)):
        return False
    return any(one.group in groups and one.state[0] != "Z" for one in _processes())


def birth_of(pid: int) -> list[object] | None:
    """What no other process with this id has in common with it: the boot, and the clock ticks from then to its start.

    None where nobody can say, or there is no such process. A clock that is set changes neither.
    """
    try:
        return [boot_id(), int(_fields(pid)[19])]
    except (OSError, ValueError, IndexError):
        return None


@functools.lru_cache(maxsize=1)
def boot_id() -> str:
    """The name that Linux gives to the time from one start of the machine to the next. Raises OSError."""
    return _read("sys/kernel/random/boot_id").strip()


def is_leader(pid: int, birth: object, start: float) -> bool:
    """Whether the process `pid`, which leads a group, is the one that was born then.

    Where its `birth` is not known, `start`, by the clock, has to do.
    """
    for process in _processes():
        if process.pid == process.group == pid:
            if birth is not None or process.state[0] in "ZX":
                return birth is not None and birth == birth_of(pid) and process.state[0] not in "ZX"
            return abs(time.time() - process.age - start) <= SAME_START
    return False


def with_environment(*settings: str) -> list[int]:
    """The living processes of this user that were started with all these ``NAME=value``; where /proc says so."""
    wanted = {os.fsencode(setting) for setting in settings}
    pids = (int(name) for name in _listed(PROC) if name.isdigit())
    return [pid for pid in pids if wanted <= environment_of(pid) and not _is_dead(pid)]


def environment_of(pid: int) -> set[bytes]:
    """The ``NAME=value`` that a process was started with; nothing where that is not to be known."""
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:
            return set(file.read().split(b"\0"))
    except OSError:
        return set()


def holders_of(path: str) -> list[int]:
    """The other processes of this user that have the file `path` open; where /proc says so."""
    found = []
    for name in _listed(PROC):
        if name.isdigit() and int(name) != os.getpid():
            for handle in _listed(f"{PROC}/{name}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"{PROC}/{name}/fd/{handle}") == path:
                        found.append(int(name))
                        break
    return found


def catches(pid: int, number: int) -> bool | None:
    """Whether a process has a handler for a signal; None where nobody can say."""
    try:
        lines = _read(str(pid), "status").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
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


def _processes() -> Iterator[Process]:
    if os.path.exists(f"{PROC}/self/stat"):
        return _from_proc()
    return _from_ps()


def _from_proc() -> Iterator[Process]:
    uptime = float(_read("uptime").split()[0])
    ticks = os.sysconf("SC_CLK_TCK")
    for name in os.listdir(PROC):
        if not name.isdigit():
            continue
        try:
            fields = _fields(int(name))
        except OSError:  # it has just ended
            continue
        age = uptime - int(fields[19]) / ticks
        yield Process(int(name), int(fields[1]), int(fields[2]), fields[0], age)


def _fields(pid: int) -> list[str]:
    """Those of ``/proc/PID/stat`` from the state on: a program's name, before it, may be anything."""
    return _read(str(pid), "stat").rpartition(")")[2].split()


def _is_dead(pid: int) -> bool:
    try:
        return _fields(pid)[0] in "ZX"
    except (OSError, IndexError):
        return True


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(*names: str) -> str:
    with open("/".join((PROC, *names)), encoding="utf-8", errors="replace") as file:
        return file.read()


def _from_ps() -> Iterator[Process]:
    import subprocess

    # One -o each: POSIX takes all that follows a "=" for the header.
    columns = ("pid", "ppid", "pgid", "stat", "etime")
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
            pid, parent, group, state, elapsed = fields
            yield Process(int(pid), int(parent), int(group), state, _seconds(elapsed))


def _seconds(elapsed: str) -> float:
    days, _, clock = elapsed.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return float(int(days or "0") * 86400 + seconds)
