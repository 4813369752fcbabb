"""How Slurm's commands are run."""

import os
from typing import Dict, List, Optional, Tuple

from .errors import AgentError
from .programs import Program, scrubbed_environment
from .tables import SACCT_ORIGIN
from .users import user_name

COMMAND_TIMEOUT = 60.0
SACCT_TIMEOUT = 20.0  # what the queue says must not wait longer for what accounting says
USAGE_TIMEOUT = 15.0  # for a detail of an error that somebody waits for


def squeue_argv(fields: str, states: str = "all") -> List[str]:
    """The ``squeue`` command line for the jobs of this user, those in partitions that a site hides too."""
    return ["squeue", "-h", "-a", "-u", user_name(), "-t", states, "-o", fields]


class Commands:
    """Runs them. Nothing passes a shell: every command is an argument list."""

    def __init__(self) -> None:
        self.accounting: bool = True
        self.submit_lines: bool = True

    def run(
        self,
        argv: List[str],
        cwd: Optional[str] = None,
        locks: Tuple[int, ...] = (),
        timeout: Optional[float] = None,
        variables: Optional[Dict[str, str]] = None,
    ) -> Tuple[int, str, str]:
        timeout = COMMAND_TIMEOUT if timeout is None else timeout
        environment = dict(scrubbed_environment(), **(variables or {}))
        environment["SLURM_TIME_FORMAT"] = "%s"
        environment["SLURM_BITSTR_LEN"] = "0"  # name every task of an array
        program = Program(argv, timeout, detached=bool(locks))
        try:
            code, out, err = program.run(cwd=cwd, env=environment, pass_fds=locks)
        except FileNotFoundError:
            if cwd is not None and not os.path.isdir(cwd):
                raise AgentError("scheduler", cwd + " was removed") from None
            raise AgentError(
                "scheduler",
                "{} is not on the PATH here: is this a Slurm login node?".format(argv[0]),
            ) from None
        except AgentError:
            said = "; it said: " + program.said if program.said else ""
            what = "{} gave no answer in {:.0f} s".format(argv[0], timeout) + said
            raise AgentError("unreachable", what) from None
        except OSError as error:
            raise AgentError(
                "scheduler", "cannot run {}: {}".format(argv[0], error.strerror)
            ) from None
        return code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    def answer(self, argv: List[str], unknown: str = "") -> str:
        """What a command prints that asks the controller; nothing where its error says `unknown`.

        Raises `AgentError` "unreachable" where it fails otherwise.
        """
        code, out, err = self.run(argv)
        if code != 0 and unknown and unknown in err:
            return ""
        if code != 0:
            message = err.strip() or "{} exited with {}".format(argv[0], code)
            raise AgentError("unreachable", message)
        return out

    def sacct(self, arguments: List[str]) -> Tuple[int, str, str]:
        """What ``sacct`` answers; a site without the program is one without accounting."""
        try:
            return self.run(["sacct", *arguments], timeout=SACCT_TIMEOUT)
        except AgentError as error:
            self.accounting = self.accounting and error.kind == "unreachable"
            return 1, "", str(error)

    def sacct_origins(self, which: List[str], fields: str, without: str) -> Tuple[int, str, str]:
        """`fields` of jobs, and where these came from; the fields `without` that where nobody knows."""
        ask = ["-n", "-P", "-X", *which, "-o"]
        if self.submit_lines:
            code, out, err = self.sacct([*ask, fields + SACCT_ORIGIN])
            if code == 0 or "invalid field" not in err.lower():
                return code, out, err
            self.submit_lines = False
        return self.sacct([*ask, without])

    def detail(self, argv: List[str]) -> Tuple[int, str, str]:
        """What a command says that may as well say nothing."""
        try:
            return self.run(argv, timeout=USAGE_TIMEOUT)
        except (AgentError, OSError) as error:
            return 1, "", str(error)

    def accounting_is_off(self, stderr: str) -> bool:
        """Whether this site has no accounting; remembered, so that nobody asks again."""
        if "accounting storage is disabled" in stderr.lower():
            self.accounting = False
        return not self.accounting
