"""What ssh says when there is no connection, as an error of one line that says how to mend it. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from slurm.errors import AuthenticationFailed, HostKeyError, TransportError

MOST = 1000  # characters of what was said, in an error

# Lines of ssh that are no reason.
ASIDE = re.compile(
    r"Control ?[Ss]ocket .*|mux_client_.*|Pseudo-terminal will not be allocated.*|Disconnected from .*"
    r"|Warning: Permanently added .*|stdio forwarding failed"
)
CHANGED = re.compile(r"Host key for (\S+) has changed.*")
OFFENDING = re.compile(r"Offending (?:\S+ )?key in (.+):\d+")
REVOKED = re.compile(r".*host key .*(?:is marked as|was) revoked.*")
UNKNOWN = re.compile(r"No .*host key is known for (\S+).*")
UNCHECKED = re.compile(r"Host key verification failed\.?")
DENIED = re.compile(
    r"\S+: Permission denied \([^)]*\)\.?|.*Too many authentication failures.*"
    r"|.*[Pp]assword change required.*|.*[Pp]assword (?:has|is) expired.*"
)
# In a connection that `slurm login` made, one session for each client.
FULL = re.compile(r"mux_client_.*Session open refused by peer.*")

# What else ssh says, and what the user can do about it; the first line that fits is the reason.
REASONS = (
    (
        re.compile(r".*Could not resolve hostname.*"),
        "Give the host's full name, or an alias of your ssh_config",
    ),
    (
        re.compile(r"channel \d+: open failed: .*"),
        "The jump host cannot reach it: check the name and the port as seen from there",
    ),
    (
        re.compile(r"ssh: connect to host .*refused.*"),
        "Nothing listens there: check the host and the port",
    ),
    (
        re.compile(r"ssh: connect to host .*|Connection (?:to .* )?timed out.*"),
        "Check the address, and whether you are in the right network or VPN",
    ),
    (
        re.compile(
            r".*(?:[Bb]ad configuration option|Bad owner or permissions|user config file).*"
        ),
        "Mend your ssh_config",
    ),
    (
        re.compile(r"Unable to negotiate with .*"),
        "The host's ssh and yours have no algorithm in common: see ssh_config(5)",
    ),
    (
        re.compile(r"No user exists for uid \d+"),
        "ssh itself needs an entry in passwd for this user: add one, or run as a user that has one",
    ),
    (
        re.compile(r".*python.*not found.*|.*not found.*python.*", re.IGNORECASE),
        "Name an interpreter that is there with python=",
    ),
    (  # as shells say it of the command that they were given; rc files have their own name before that
        re.compile(
            r"-?\w*sh:(?: line)? ?\d*:? ?(?:exec: )?(?:\S+: (?:No such file or directory|(?:command )?not found"
            r"|Permission denied|cannot execute.*|Is a directory|.*Exec format error)"
            r"|(?:no such file or directory|command not found|permission denied): \S+)",
            re.IGNORECASE,
        ),
        "Name an interpreter that is there with python=",
    ),
)
NO_AGENT = "No agent began there (exit status {}): if python= is no Python 3.6 or newer there, name one that is"
HUNG_UP = re.compile(r"kex_exchange_identification: .*|Connection (?:closed|reset) by \S+ port \d+")


def explain(
    target: str, what: str, said: Sequence[str], login: str = "", ended: int | None = None
) -> TransportError:
    """The error for a connection to `target` that was lost or never was.

    `what` is what was seen here, `said` the last lines of ssh and of the login shell; `login` is
    the command by which the user logs in; `ended` the exit status of what was to be the agent, if it ended before it was.

    >>> explain("hpc", "closed", ["Hi!", "me@hpc: Permission denied (keyboard-interactive)."])
    AuthenticationFailed('hpc: me@hpc: Permission denied (keyboard-interactive). Nothing can be asked \
here; log in once for all programs: slurm login hpc')
    """
    lines = [_printable(line) for line in said if line.strip()]
    login = login or shlex.join(["slurm", "login", target])
    for kind, found in (
        (HostKeyError, _about_host_key(lines, login)),
        (AuthenticationFailed, _about_authentication(lines, login)),
    ):
        if found:
            return kind(f"{target}: {found}")
    reason = _known_reason(lines)
    if not reason:
        reason = _other_words(lines) or what
        if ended is not None:
            reason = f"{_sentence(reason)} {NO_AGENT.format(ended)}"
    return TransportError(f"{target}: {reason}")


def _about_host_key(lines: Sequence[str], login: str) -> str:
    if changed := _first(CHANGED, lines):
        offending = _first(OFFENDING, lines)
        file = ["-f", offending[1]] if offending else []
        remove = shlex.join(["ssh-keygen", "-R", changed[1], *file])
        return (
            f"{_sentence(changed[0])} Its key is not the one you know: it was replaced, or somebody "
            f"is in between. Only if its administrators confirm a new key: {remove}, then: {login}"
        )
    if revoked := _first(REVOKED, lines):
        return f"{_sentence(revoked[0])} Ask its administrators for a new key"
    if found := _first(UNKNOWN, lines) or _first(UNCHECKED, lines):
        where = "" if _first(UNKNOWN, lines) or not _by_jump(lines) else " (of a jump host)"
        return (
            f"{_sentence(found[0].rstrip('.') + where)} Compare it with the key that the site "
            f"publishes and accept it once: {login}"
        )
    return ""


def _about_authentication(lines: Sequence[str], login: str) -> str:
    if denied := _first(DENIED, lines):
        if _first(FULL, lines):
            return (
                f"{_sentence(denied[0])} The connection of slurm login carries no more sessions "
                "(its host's MaxSessions): close another client"
            )
        return f"{_sentence(denied[0])} Nothing can be asked here; log in once for all programs: {login}"
    return ""


def _known_reason(lines: Sequence[str]) -> str:
    for pattern, advice in REASONS:
        if found := _first(pattern, lines):
            return f"{_sentence(found[0])} {advice}"
    return ""


def _other_words(lines: Sequence[str]) -> str:
    words = [line for line in lines if not (ASIDE.fullmatch(line) or HUNG_UP.fullmatch(line))]
    hung_up = _first(HUNG_UP, lines)
    if hung_up is None or (words and _by_jump(lines)):  # what stood in for the connection says why
        return "; ".join(words)[-MOST:]
    why = "The host hung up: it may be starting or overloaded, or refuse this address"
    return f"{_sentence('; '.join([*words, hung_up[0]]))} {why}"


def _first(pattern: re.Pattern[str], lines: Sequence[str]) -> re.Match[str] | None:
    return next(filter(None, map(pattern.fullmatch, lines)), None)


def _by_jump(lines: Sequence[str]) -> bool:
    return "Connection closed by UNKNOWN port 65535" in lines


def _sentence(text: str) -> str:
    return text[-MOST:].rstrip(".") + "."


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else " " for c in line).strip()
