"""Looks around on a machine of a cluster. The text of this file is run there, by the Python that runs the agent.

`run` answers one request of `slurm.cluster_checks.asking`, in JSON. Standard library only, nothing of
``slurm``; the Python may be as old as the agent's, 3.6.
"""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import zlib
from typing import Any, Callable, Dict, List, Tuple

PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct", "sacctmgr")
TIMEOUT = 20  # seconds for one command of Slurm
MOST_JOBS = 5000  # that fit into an answer
KEPT = 400  # characters of what a command said of its failure
CONFIG = (
    "AccountingStorageEnforce",
    "AccountingStorageType",
    "ClusterName",
    "MaxArraySize",
    "MaxJobCount",
    "MinJobAge",
    "SLURM_VERSION",
)
QUEUE = (
    ("job_id", "%i"),
    ("partition", "%P"),
    ("user", "%u"),
    ("state", "%T"),
    ("time", "%M"),
    ("time_limit", "%l"),
    ("nodes", "%D"),
    ("cpus", "%C"),
    ("reason", "%R"),
    ("name", "%j"),
)
LIMITS = ("account", "qos", "maxjobs", "maxsubmit", "defaultqos")


def run(request: Dict[str, Any]) -> None:
    """Print the answer to a request, packed, on a line: no more than 64 KB of what is printed here arrives."""
    packed = zlib.compress(json.dumps(answer(request)).encode(), 9)
    sys.stdout.write("\n" + base64.b64encode(packed).decode() + "\n")


def answer(request: Dict[str, Any]) -> Dict[str, Any]:
    """What there is: of ``parts``, each a name of a function here, with the ``base`` where that is one."""
    said: Dict[str, Any] = {
        "host": socket.gethostname(),
        "python": list(sys.version_info[:3]),
        "executable": sys.executable,
        "time": time.time(),
    }
    for part in request["parts"]:
        said[part] = PARTS[part](request)
    said["took"] = time.time() - said["time"]
    return said


def programs(request: Dict[str, Any]) -> Dict[str, Any]:
    """Where each of Slurm's commands is, and what it says of its version; None for one that is not there."""
    found: Dict[str, Any] = {}
    for name in PROGRAMS:
        path = shutil.which(name)
        found[name] = None
        if path is not None:
            _, out, err = _said([name, "--version"])
            found[name] = {"path": path, "version": (out or err).strip().split("\n")[0][:KEPT]}
    return found


def controller(request: Dict[str, Any]) -> Dict[str, Any]:
    """Whether the controller answers, and of its configuration what bounds jobs."""
    code, out, err = _said(["scontrol", "show", "config"])
    fields = dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", out, re.MULTILINE))
    config = {name: fields[name] for name in CONFIG if name in fields}
    return {"code": code, "error": (err or out).strip()[-KEPT:] if code else "", "config": config}


def accounting(request: Dict[str, Any]) -> Dict[str, Any]:
    """Whether accounts are kept, and what this user may charge and is limited to."""
    code, out, err = _said(["sacct", "-n", "-X", "-P", "-S", "now", "-o", "JobID"])
    said: Dict[str, Any] = {"code": code, "error": (err or out).strip()[-KEPT:] if code else ""}
    user = _user()
    show = ["sacctmgr", "-n", "-P", "show"]
    code, out, _ = _said([*show, "assoc", "user=" + user, "format=" + ",".join(LIMITS)])
    rows = [line.split("|") for line in out.split("\n") if line.count("|") == len(LIMITS) - 1]
    said["associations"] = [dict(zip(LIMITS, row)) for row in rows] if code == 0 else []
    code, out, _ = _said([*show, "user", user, "format=defaultaccount"])
    said["default_account"] = out.strip().split("\n")[0] if code == 0 else ""
    return said


def partitions(request: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The partitions: their limits, and what their nodes have, and have free.

    The nodes of each are counted by state, with cpus, memory (megabytes) and gpus, all and those of running jobs.
    """
    found: Dict[str, Dict[str, Any]] = {}
    for fields in _records(["scontrol", "-o", "-a", "show", "partition"], "PartitionName"):
        found[fields["PartitionName"]] = {
            "partition": fields["PartitionName"],
            "default": fields.get("Default") == "YES",
            "state": fields.get("State", ""),
            "max_time": fields.get("MaxTime", ""),
            "default_time": fields.get("DefaultTime", ""),
            "default_memory": _default_memory(fields),
            "max_nodes": fields.get("MaxNodes", ""),
            "accounts": fields.get("AllowAccounts", ""),
            "nodes": {},
            **{kind: {"total": 0, "used": 0, "free": 0} for kind in ("cpus", "memory", "gpus")},
        }
    for fields in _records(["scontrol", "-o", "-d", "-a", "show", "node"], "NodeName"):
        for name in fields.get("Partitions", "").split(","):
            if name in found:
                _count(found[name], fields)
    return list(found.values())


def _count(partition: Dict[str, Any], node: Dict[str, str]) -> None:
    """Add a node to a partition. What is free of a node that takes no jobs is nothing."""
    state = node.get("State", "UNKNOWN").lower()
    partition["nodes"][state] = partition["nodes"].get(state, 0) + 1
    takes_jobs = not re.search("down|drain|fail|maint|unknown|not_responding|reboot|[*]", state)
    have = {
        "cpus": (_number(node.get("CPUTot")), _number(node.get("CPUAlloc"))),
        "memory": (_number(node.get("RealMemory")), _number(node.get("AllocMem"))),
        "gpus": (_gpus(node.get("Gres", "")), _gpus(node.get("GresUsed", ""))),
    }
    for kind, (total, used) in have.items():
        partition[kind]["total"] += total
        partition[kind]["used"] += used
        partition[kind]["free"] += max(0, total - used) if takes_jobs else 0


def _default_memory(partition: Dict[str, str]) -> str:
    """What a job gets that names no memory, as ``2048M a cpu``; nothing where that is all of a node."""
    for name, of in (("DefMemPerCPU", "a cpu"), ("DefMemPerNode", "a node")):
        if partition.get(name, "").isdigit():
            return f"{partition[name]}M {of}"
    return ""


def _gpus(gres: str) -> int:
    """How many gpus are in a list of generic resources, such as ``gpu:a100:4(S:0-1),lustre:1``."""
    return sum(int(count) for count in re.findall(r"(?:^|,)gpu(?::[^:,(]+)?:(\d+)", gres))


def _number(text: Any) -> int:
    return int(text) if text and text.isdigit() else 0


def queue(request: Dict[str, Any]) -> Dict[str, Any]:
    """The jobs that have not ended: of this user, or of all with ``all_users``."""
    fields = "|".join(field for _, field in QUEUE)
    whose = [] if request.get("all_users") else ["-u", _user()]
    code, out, err = _said(["squeue", "-h", "-a", *whose, "-o", fields])
    names = [name for name, _ in QUEUE]
    rows = [line.split("|", len(names) - 1) for line in out.split("\n")]
    jobs = [dict(zip(names, row)) for row in rows if len(row) == len(names)]
    error = (err or out).strip()[-KEPT:] if code else ""
    return {"error": error, "jobs": jobs[:MOST_JOBS], "complete": len(jobs) <= MOST_JOBS}


def base(request: Dict[str, Any]) -> Dict[str, Any]:
    """The directory for jobs, or the first above it that is there: whose it is, and what its file system has."""
    path = os.path.expanduser(request["base"])
    said: Dict[str, Any] = {"path": path, "exists": os.path.isdir(path), "problem": ""}
    try:
        there = path
        while not os.path.lexists(there):
            there = os.path.dirname(there)
        about = os.stat(there)
        room = os.statvfs(there)
    except OSError as error:
        return dict(said, problem=f"{error.filename or path}: {error.strerror}")
    said.update(
        {
            "there": there,
            "is_directory": os.path.isdir(there),
            "writable": os.access(there, os.W_OK | os.X_OK),
            "own": about.st_uid == os.getuid(),
            "mode": about.st_mode & 0o7777,
            "others_can_write": _others_can_write(about),
            "free": room.f_bavail * room.f_frsize,
            "files_free": room.f_favail if room.f_files else None,
            "noexec": bool(room.f_flag & os.ST_NOEXEC),
            "file_system": _file_system(there),
            "quota": _over_quota(),
        }
    )
    return said


def _others_can_write(about: Any) -> bool:
    import grp
    import pwd

    if about.st_mode & 0o002:
        return True
    if not about.st_mode & 0o020:
        return False
    try:  # the own group that many systems give users has nobody else in it
        user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(about.st_gid)
    except KeyError:
        return True
    private = user.pw_gid == about.st_gid and group.gr_name == user.pw_name
    return not (private and set(group.gr_mem) <= {user.pw_name})


def _file_system(path: str) -> str:
    """What kind of file system a path is on, as ``nfs4``; nothing where that cannot be told."""
    try:
        with open("/proc/self/mounts") as mounts:
            fields = [line.split() for line in mounts]
    except OSError:
        return ""
    path = os.path.realpath(path)
    above = [one for one in fields if (path + "/").startswith(one[1].rstrip("/") + "/")]
    return max(above, key=lambda one: len(one[1]))[2] if above else ""


def _over_quota() -> str:
    """What ``quota`` says where this user has used up one; it has no answer at many sites."""
    if shutil.which("quota") is None:
        return ""
    code, out, _ = _said(["quota", "-q"])
    return " ".join(out.split())[:KEPT] if code == 1 else ""


def seen(request: Dict[str, Any]) -> Dict[str, Any]:
    """What a file holds that somebody has written on another machine; None where it is not there."""
    try:
        with open(request["seen"]) as file:
            return {"content": file.read(KEPT), "problem": ""}
    except OSError as error:
        return {"content": None, "problem": error.strerror}


def _records(argv: List[str], first: str) -> List[Dict[str, str]]:
    """What ``scontrol -o`` shows, a dictionary for each line; values with spaces in them are not whole."""
    code, out, _ = _said(argv)
    lines = out.split("\n") if code == 0 else []
    pairs = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
    return [one for one in pairs if first in one]


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _said(argv: List[str]) -> Tuple[int, str, str]:
    """What a command says; 127 where there is none, 124 where it gave no answer."""
    try:
        done = subprocess.run(  # noqa: UP022 - Python 3.6 has no capture_output
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 124, "", f"{argv[0]} gave no answer in {TIMEOUT} s"
    except OSError as error:
        return 127, "", f"{argv[0]}: {error.strerror}"
    return (
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


PARTS: Dict[str, Callable[[Dict[str, Any]], Any]] = {
    "programs": programs,
    "controller": controller,
    "accounting": accounting,
    "partitions": partitions,
    "queue": queue,
    "base": base,
    "seen": seen,
}
