"""Running the programs of this machine that build things: uv, pip, docker, podman."""

from __future__ import annotations

import os
from collections.abc import Sequence

from slurm.errors import PackagingError

LINES_KEPT = 20


# Those of `git rev-parse --local-env-vars` that say which repository is meant.
OF_HOOKS = frozenset(
    f"GIT_{name}"
    for name in (
        "DIR",
        "WORK_TREE",
        "INDEX_FILE",
        "OBJECT_DIRECTORY",
        "COMMON_DIR",
        "PREFIX",
        "NAMESPACE",
    )
)


def environment() -> dict[str, str]:
    """This process's variables, without those by which a hook of Git's names the repository that it is of: what is started
    from here is about another one, or about a copy."""
    return {name: value for name, value in os.environ.items() if name not in OF_HOOKS}


def run(
    what: str, argv: Sequence[str], *, timeout: float = 3600.0, held: Sequence[int] = ()
) -> str:
    """Run a program and return what it printed; `what` says in an error what failed.

    `held` are descriptors that it keeps open, such as that of a lock. Raises `PackagingError` when it fails, or is not done
    after `timeout` seconds.
    """
    import subprocess

    try:
        done = subprocess.run(
            argv,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            pass_fds=held,
            check=False,
        )
    except OSError as error:
        raise PackagingError(f"{what}: {argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise PackagingError(f"{what}: {argv[0]} was not done after {timeout:.0f} s") from error
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        raise failure(f"{what}: {argv[0]} exited with {done.returncode}", output)
    return output


def failure(what: str, output: str) -> PackagingError:
    """The error for a program that failed: what, the line in which it says why, and its last lines.

    >>> print(failure("it failed", "working\\nERROR: no network\\nsee the manual\\n"))
    it failed: ERROR: no network
      working
      ERROR: no network
      see the manual
    """
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    reasons = [line.strip() for line in lines if line.lstrip().lower().startswith("error")]
    reason = (reasons or lines or ["it printed nothing"])[-1].strip()
    tail = "".join(f"\n  {line}" for line in lines[-LINES_KEPT:]) if len(lines) > 1 else ""
    return PackagingError(f"{what}: {reason}{tail}")
