"""What ssh says when there is no connection, as an error that says how to mend it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from slurm.errors import AuthenticationFailed, HostKeyError, TransportError


def explain(target: str, what: str, said: Sequence[str], login: str = "") -> TransportError:
    """The error for a connection to `target` that was lost or never was.

    `what` is what was seen here, `said` the last lines of ssh and of the login shell; `login` is
    the command by which the user logs in by hand.
    """
    words = "; ".join(line for line in said if line.strip())[-1000:]
    message = f"{target}: {words or what}"
    login = login or f"ssh {target} true"
    if "Host key verification failed" in words or "IDENTIFICATION HAS CHANGED" in words:
        return HostKeyError(
            f"{message}. The host key must be in your known_hosts before a job is sent: "
            f"check it with the cluster's administrators, then run: {login}"
        )
    if "Permission denied" in words or "Too many authentication failures" in words:
        return AuthenticationFailed(
            f"{message}. Log in once by hand to see what is missing: {login}"
        )
    return TransportError(message)
