"""Programs that this process runs."""

import contextlib
import functools
import os
import threading
import time
from typing import Any, Dict, List, Optional, Set, Tuple

from .errors import AgentError

SCRUBBED_PREFIXES = (
    *("SLURM_", "SBATCH_", "SRUN_", "SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_", "SINFO_", "PMI"),
)
# By which Slurm's commands find their controller, and which is ours.
KEPT_VARIABLES = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_ENV")
# And who they say that they are, with auth/jwt; what a job has of it was its submitter's, and is old.
KEPT_OUTSIDE_OF_JOBS = ("SLURM_JWT",)
FIRST_WAITS = (0.00005,) * 10 + (0.0001,) * 10  # seconds
# Held while a program is being started. A process that another thread forks meanwhile would keep its pipes open, and
# so whoever reads from it would not see its end: who forks waits for this lock.
STARTING: threading.Lock = threading.Lock()


def scrubbed_environment() -> Dict[str, str]:
    """This process's environment without what a surrounding job would leak into a new one.

    And without what its user has told Slurm's commands to do when they are typed.
    """
    kept = KEPT_VARIABLES + (() if in_a_job() else KEPT_OUTSIDE_OF_JOBS)
    return {
        name: value
        for name, value in os.environ.items()
        if name in kept or not name.startswith(SCRUBBED_PREFIXES)
    }


def in_a_job() -> bool:
    """Whether this process is one of a job's."""
    return "SLURM_JOB_ID" in os.environ


@functools.lru_cache(maxsize=1)
def child_class() -> Any:
    """`subprocess.Popen` that is there when its child ends: with a timeout it sleeps a millisecond first."""
    import subprocess

    class Child(subprocess.Popen):  # type: ignore[type-arg]  # Python 3.6 has none
        def wait(self, timeout: Optional[float] = None) -> int:
            for pause in () if timeout is None else FIRST_WAITS:
                if self.poll() is not None:
                    break
                time.sleep(pause)
            return super().wait(timeout)

    return Child


class Program:
    """A program in a session of its own: it ends with all that it started, in the time it was given.

    With `detached`, one that is left early (by Ctrl-C) goes on by itself. `said` is the last line
    that one which took too long had for its user, where Python keeps it.
    """

    def __init__(self, argv: List[str], timeout: float, detached: bool = False) -> None:
        self.argv = argv
        self.timeout = timeout
        self.detached = detached
        self.said: str = ""
        self.process: Any = None
        self._given_up = threading.Event()

    def run(self, data: Optional[bytes] = None, **options: Any) -> Tuple[int, bytes, bytes]:
        """Its exit status and output. Raises `AgentError` "timeout", and OSError where it cannot start.

        "timeout" also when it was killed before it could begin.
        """
        import subprocess

        options.setdefault("stderr", subprocess.PIPE)
        source = subprocess.DEVNULL if data is None else subprocess.PIPE
        with STARTING:
            if self._given_up.is_set():
                raise AgentError("timeout", self.argv[0] + " was given up before it began")
            self.process = child_class()(
                self.argv, stdin=source, stdout=subprocess.PIPE, start_new_session=True, **options
            )
        try:
            out, err = self.process.communicate(data, timeout=self.timeout)
        except subprocess.TimeoutExpired as error:
            self._kill()
            lines = (getattr(error, "stderr", None) or b"").decode("utf-8", "replace").split("\n")
            self.said = next((line.strip() for line in reversed(lines) if line.strip()), "")
            what = "{} was not done after {:.0f} s".format(self.argv[0], self.timeout)
            raise AgentError("timeout", what) from None
        except BaseException:
            if self.detached:
                self._wait(5)
            else:
                self._kill()
            raise
        return self.process.returncode, out, err or b""

    def end(self) -> None:
        """Kill it and what it started, in whatever thread it runs.

        One that is just starting is waited for: this process may be about to end, and leave it behind.
        """
        self._given_up.set()
        with STARTING:
            started = self.process is not None
        if started:
            self._send_kill()

    def _kill(self) -> None:
        """Kill it and what it started; what took itself out of the session is not waited for."""
        self._send_kill()
        self._wait(5)

    def _send_kill(self) -> None:
        import signal

        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
            os.killpg(self.process.pid, signal.SIGKILL)

    def _wait(self, seconds: float) -> None:
        import subprocess

        with contextlib.suppress(subprocess.TimeoutExpired):  # a file server hangs: when it is back
            self.process.wait(seconds)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Programs:
    """Those that run for a client. When it is gone they are ended, and no more are begun."""

    def __init__(self) -> None:
        self._running: Set[Program] = set()
        self._over = False
        self._changing = threading.Lock()

    def run(self, program: Program, data: bytes, **options: Any) -> Tuple[int, bytes, bytes]:
        """As `Program.run`; raises `AgentError` "timeout" after `end`."""
        with self._changing:
            self._running.add(program)
            if self._over:
                program.end()
        try:
            return program.run(data, **options)
        finally:
            with self._changing:
                self._running.discard(program)

    def end(self) -> None:
        """Kill all of them."""
        with self._changing:
            self._over = True
            running = list(self._running)
        for program in running:
            program.end()
