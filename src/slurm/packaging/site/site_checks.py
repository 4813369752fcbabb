"""Asking a cluster whether an environment of the site is what it is said to be, before anything is submitted."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slurm.errors import ConfigError, PackagingError
from slurm.packaging.programs import failure
from slurm.packaging.site.setup_script import check_script, described, listing_script

if TYPE_CHECKING:
    from slurm.cluster import Cluster

LOGIN_TIMEOUT, NODE_TIMEOUT = 120.0, 600.0  # seconds
MARGIN = 60.0  # for the answer to come after a timeout
MINUTES = 5  # that a step of srun may take
OLDEST = (3, 9)
# What of a job's options says where it runs, and what it needs there; a step that asks for as much waits for it.
PLACING = (
    *("account", "partition", "qos", "reservation", "constraint", "nodelist", "exclude"),
    *("gres", "gpus", "mem", "mem-per-cpu", "mem-per-gpu"),
)
# For any Python: also for one that is too old, which is then said.
FACTS = (
    "import json, sys; "
    "sys.stdout.write('\\n' + sys.argv[1] + ' python ' + json.dumps(list(sys.version_info[:3])) + '\\n')"
)
# What the shell says of a command that it does not find, and of one that it may not run.
NOT_RUN = {126: "cannot be run", 127: "is no program"}

logger: logging.Logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wanted:
    """What is to be tried out: lines of the setup, an environment of a `kind` and its `name`, or `python`."""

    setup: tuple[str, ...]
    kind: str
    name: str
    python: str


@dataclass(frozen=True)
class Answered:
    """The Python that jobs will run with: its version, and the prefix of its environment, if it is in one."""

    version: tuple[int, int, int]
    prefix: str


def check_on_login_node(wanted: Wanted, cluster: Cluster) -> Answered:
    """Try it out where the scheduler's commands are run, in one round trip. Raises `PackagingError`, `ConfigError`."""
    where = "this machine" if cluster.site.name == "local" else "the login node"
    if "SLURM_JOB_ID" in os.environ and cluster.site.name == "slurm":
        where = "this node"
    return _Check(wanted, cluster, where).answered([], LOGIN_TIMEOUT)


def placed_by(options: Mapping[str, str]) -> list[str]:
    """What srun is told, for a step that gets the nodes of a job with these options.

    >>> placed_by({"partition": "gpu", "time": "10", "gres": "gpu:1"})
    ['--partition=gpu', '--gres=gpu:1']
    """
    return [f"--{name}={options[name]}" for name in PLACING if options.get(name)]


def check_on_compute_node(
    wanted: Wanted, prefix: str, cluster: Cluster, placing: Sequence[str]
) -> Answered:
    """Try it out on a compute node that ``srun`` waits for, as `placed_by` says. Raises `PackagingError`, `ConfigError`."""
    argv = [
        "srun",
        "--nodes=1",
        "--ntasks=1",
        f"--time={MINUTES}",
        "--job-name=check-setup",
        *placing,
    ]
    logger.warning(
        "%s: the packaging's setup is tried out on a compute node, for which srun waits up to %.0f s",
        cluster.site.name,
        NODE_TIMEOUT,
    )
    return _Check(wanted, cluster, "a compute node", prefix).answered(argv, NODE_TIMEOUT)


class _Check:
    """One check on one cluster."""

    def __init__(self, wanted: Wanted, cluster: Cluster, where: str, prefix: str = "") -> None:
        self._wanted = wanted
        self._backend = cluster.backend
        self._where = where
        self._prefix = prefix
        self._mark = f"slurm-sdk-{os.urandom(8).hex()}"

    def answered(self, argv: Sequence[str], timeout: float) -> Answered:
        wanted, mark = self._wanted, self._mark
        request = {
            "script": check_script(wanted.setup, wanted.kind, mark),
            "listing": listing_script(wanted.setup, mark),
            "facts": [FACTS, mark],
            "kind": wanted.kind,
            "name": wanted.name,
            "known": self._prefix,
            "python": "" if wanted.kind else wanted.python,
            "argv": list(argv),
            "timeout": timeout,
        }
        said = self._ask(request, timeout)
        if "problem" in said:
            raise PackagingError(
                f"{said['problem']} on {self._where} ({said['host']}); mend it, or the packaging's {wanted.kind}"
            )
        return self._understood(said, timeout)

    def _ask(self, request: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """What the checker answers there; it may take twice the time, and srun some to end."""
        python = self._backend.host().executable
        status, output = self._backend.run_program(
            [python, "-I", "-"], input=_program(request), timeout=2 * timeout + MARGIN
        )
        printed = output.decode("utf-8", "replace")
        try:
            said: dict[str, Any] = json.loads((printed.splitlines() or [""])[-1])
        except ValueError:
            what = f"the packaging's setup could not be tried out on {self._where} with {python}"
            raise failure(f"{what}: it exited with {status}", printed) from None
        return said

    def _understood(self, said: Mapping[str, Any], timeout: float) -> Answered:
        step, more, printed = last_step(str(said["output"]), self._mark)
        if step == "python":
            major, minor, micro = json.loads(more)
            if (major, minor) < OLDEST:
                raise ConfigError(
                    f"{self._python} on {self._where} is Python {major}.{minor}: jobs need 3.9 or newer; name another "
                    "one with the packaging's python"
                )
            return Answered((major, minor, micro), str(said.get("prefix") or ""))
        ended = f"was not done after {timeout:.0f} s"
        status = said["status"]
        if step == "":
            how = ended if status is None else f"exited with {status}"
            raise failure(
                f"the packaging's setup could not be tried out on {self._where}: it {how}", printed
            )
        if step == "ready":
            raise self._no_python(status, ended, printed)
        # One that was told to end for its time says that it ended.
        word, ended_with = more.split() if more and status is not None else ("ended", status)
        raise self._failed_line(int(step), word, ended_with, ended, printed)

    @property
    def _python(self) -> str:
        wanted = self._wanted
        return (
            f"the Python of the {wanted.kind} environment {wanted.name}"
            if wanted.kind
            else wanted.python
        )

    def _no_python(self, status: int | None, ended: str, printed: str) -> Exception:
        after = " after the setup" if self._wanted.setup else ""
        how = ended if status is None else NOT_RUN.get(status, "")
        if status in NOT_RUN:
            return ConfigError(
                f"{self._python} {how} on {self._where}{after}: name one that is with the packaging's python"
            )
        how = how or f"exited with {status}"
        return _with_output(f"{self._python} {how} on {self._where}{after}", printed, "python")

    def _failed_line(
        self, number: int, word: str, status: object, ended: str, printed: str
    ) -> Exception:
        how = f"{ended} on {self._where}"
        if status is not None:
            said = "failed" if word == "failed" else "ended the shell"
            how = f"{said} on {self._where} with status {status}"
        return _with_output(f"{described(self._wanted.setup, number)} {how}", printed, "setup")


def last_step(output: str, mark: str) -> tuple[str, str, str]:
    """How far a check script got: the last word behind the mark that was no end, what is to be known of it, what it printed.

    Of a line that has failed, that is the line's number, and how it ended.

    >>> last_step("\\nm 1\\nloading\\n\\nm 2\\nno such module\\n\\nm failed 1\\n", "m")
    ('2', 'failed 1', 'no such module\\n\\n')
    >>> last_step("srun: error: no such partition\\n", "m")
    ('', '', 'srun: error: no such partition\\n')
    """
    first, *steps = re.split(rf"^{re.escape(mark)} (.*)$\n?", output, flags=re.MULTILINE)
    found = [("", first), *zip(steps[::2], steps[1::2])]
    words, printed = found.pop()
    more = ""
    if words.startswith(("failed", "ended")) and found:
        more, (words, printed) = words, found.pop()
    step, _, rest = words.partition(" ")
    return step, more or rest, printed


def _with_output(what: str, printed: str, key: str) -> PackagingError:
    """The error of what failed: the line in which it says why, how to mend it, and its last lines."""
    lines = [line.rstrip() for line in printed.splitlines() if line.strip()]
    reasons = [line.strip() for line in lines if re.search("(?i)error|not found|unable", line)]
    reason = (reasons or [line.strip() for line in lines[-1:]] or ["it printed nothing"])[0]
    tail = "".join(f"\n  {line}" for line in lines[-20:]) if len(lines) > 1 else ""
    return PackagingError(f"{what}: {reason}; mend it in the packaging's {key}{tail}")


def _program(request: Mapping[str, Any]) -> bytes:
    from importlib import resources

    text = resources.files("slurm.packaging.site").joinpath("setup_checker.py").read_text("utf-8")
    return f"{text}\n\nrun(json.loads({json.dumps(request)!r}))\n".encode()
