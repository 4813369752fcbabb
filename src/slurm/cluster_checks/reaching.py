"""Whether a cluster is described and can be reached: checks of the Slurmfile and of the connection. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from slurm.api.requests import Host
from slurm.config.findings import Finding, Verdict, printable
from slurm.errors import AuthenticationFailed, ConfigError, HostKeyError, SlurmError

CONNECTION = ("connection", "host-key", "login", "python")
NO_PYTHON = ("Name an interpreter that is there", "No agent began there")


def described(where: str, problem: ConfigError | None = None) -> Finding:
    """Whether the cluster is described: `where` says by what, unless there is a `problem`.

    >>> print(described("--backend local"))
    PASS slurmfile: --backend local
    """
    if problem is None:
        return Finding("slurmfile", Verdict.PASS, printable(where))
    fix = "mend what it names, or write one: slurm init"
    return Finding("slurmfile", Verdict.FAIL, printable(str(problem), 500), fix)


def skipped(names: Sequence[str], because: str) -> Iterator[Finding]:
    """That checks were not made, and why.

    >>> print(*skipped(["login"], "host-key failed"))
    SKIP login: not looked at: host-key failed
    """
    return (Finding(name, Verdict.SKIP, f"not looked at: {because}") for name in names)


def reached(target: str, seconds: float, host: Host) -> Iterator[Finding]:
    """The checks of a connection that is there."""
    version = ".".join(map(str, host.python))
    found = (
        f"{target} answered after {seconds:.2f} s",
        "it is the one that your known_hosts has",
        f"logged in as {host.user}",
        f"Python {version} at {host.executable}",
    )
    for name, text in zip(CONNECTION, found):
        yield Finding(name, Verdict.PASS, printable(text))


def not_reached(problem: SlurmError, login: str, by_hand: str) -> Iterator[Finding]:
    """The checks of a connection that is not there: one has failed, and those behind it were not made.

    `login` is the command by which the user logs in, `by_hand` the one that says more of a connection.

    >>> changed = HostKeyError("hpc: Host key for hpc has changed.")
    >>> for one in not_reached(changed, "slurm login hpc", "ssh -v hpc"):
    ...     print(one.verdict, one.name)
    PASS connection
    FAIL host-key
    SKIP login
    SKIP python
    """
    failed, fix = _failed(problem, login, by_hand)
    place = CONNECTION.index(failed)
    for name in CONNECTION[:place]:
        yield Finding(name, Verdict.PASS, "it got further than this")
    yield Finding(failed, Verdict.FAIL, printable(str(problem), 1000), fix)
    yield from skipped(CONNECTION[place + 1 :], f"{failed} failed")


def _failed(problem: SlurmError, login: str, by_hand: str) -> tuple[str, str]:
    """Which of the checks a problem belongs to, and what to do."""
    if isinstance(problem, HostKeyError):
        return "host-key", f"compare its key with the one that the site publishes, then: {login}"
    if isinstance(problem, AuthenticationFailed):
        return "login", login
    if any(words in str(problem) for words in NO_PYTHON):
        return (
            "python",
            "name a Python 3.6 or newer that is there: --python, or python in [ENV.cluster]",
        )
    return "connection", f"see what ssh says: {by_hand}"
