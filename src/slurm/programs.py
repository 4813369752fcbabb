"""What every program does at its edge: an error becomes one line, and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from slurm.errors import ConfigError, RemoteTraceback, SlurmError


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, the usage being a ``--help`` away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def exit_status(
    program: str, body: Callable[[], None], *, verbose: bool = False, interrupted: str = ""
) -> int:
    """Run `body`; errors a user can mend become one line on stderr and an exit status.

    2 for what was wrong before anything was done, 1 for what failed later, 130 for Ctrl-C.
    A reader of the output that went away is no error. `verbose` shows the traceback of a task's own
    exception; `interrupted` says what Ctrl-C left behind.
    """
    try:
        body()
        sys.stdout.flush()
    except ConfigError as error:
        return _said(program, str(error), 2)
    except SlurmError as error:
        return _said(program, str(error), 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if verbose or not isinstance(error.__cause__, RemoteTraceback):
            raise
        # The task's own exception: its traceback is in the job's log, and here with --verbose.
        return _said(program, f"a job raised {type(error).__name__}: {error}", 1)
    except KeyboardInterrupt:
        return _said(program, f"interrupted. {interrupted}".strip(), 130)
    return 0


def _said(program: str, message: str, status: int) -> int:
    sys.stderr.write(f"{program}: {message}\n")
    return status
