"""The client of the local scheduler: Slurm's words on a machine without Slurm.

The daemon behind it (`daemon`) is started on demand, is shared by all clients with the same
state directory, jobs included, and outlives them. Every call is one connection, so a scheduler
object may be used by several threads and across a fork.
"""

from __future__ import annotations

import json
import os
from typing import Any

from slurm import forks
from slurm.agent.errors import AgentError
from slurm.agent.programs import scrubbed_environment
from slurm.local.arrays import LARGEST_SIZE, MAX_ARRAY_SIZE
from slurm.local.client import DaemonClient, Unreachable
from slurm.local.holds import FIRST_PAUSE
from slurm.local.jobs import LIVE
from slurm.local.machine import machine_room
from slurm.local.state import PROTOCOL, StateDirectory, StateError

END_TIMEOUT = 30.0  # seconds for a daemon to be gone
_UMASK_LOCK = forks.Lock()


class LocalScheduler:
    """The scheduler whose queue, journal and socket are in `state_dir`.

    `max_cpus` and `max_mem` (megabytes) bound what the jobs that run at once ask for (default: what
    the running daemon has, and the machine's for a new one); the last submission that names one
    wins. Jobs are started by what they ask for; none is ended because it uses more memory.
    `max_array_size` bounds the arrays of this client: an index is below it, as with MaxArraySize.
    `idle_timeout`, `kill_wait` (between SIGTERM and SIGKILL) and `requeue_pause` (before a job that was
    lost starts again, for the first time) are seconds and hold for a daemon this client starts.

    >>> scheduler = LocalScheduler("~/scheduler", max_cpus=2)
    >>> scheduler.is_running()  # before the first request
    False

    Every method raises `AgentError`: of kind ``refused`` when the scheduler says no, and
    ``unreachable`` when it cannot be reached or started.
    """

    # It knows its tokens by heart: one that it does not know may be submitted at once.
    latest_job: float = 0.0
    search_pauses: tuple[float, ...] = ()

    def __init__(
        self,
        state_dir: str,
        *,
        max_cpus: int | None = None,
        max_mem: int | None = None,
        max_array_size: int = MAX_ARRAY_SIZE,
        idle_timeout: float = 30.0,
        kill_wait: float = 5.0,
        requeue_pause: float = FIRST_PAUSE,
    ) -> None:
        if max_cpus is not None and max_cpus < 1:
            raise ValueError(f"max_cpus={max_cpus}: a scheduler needs at least one cpu")
        if max_mem is not None and max_mem < 1:
            raise ValueError(f"max_mem={max_mem}: a scheduler needs at least one megabyte")
        if not 1 <= max_array_size <= LARGEST_SIZE:
            raise ValueError(f"max_array_size={max_array_size}: not from 1 to {LARGEST_SIZE}")
        self._state = StateDirectory(state_dir)
        self._umask = _umask()
        self._bounds = {"max_cpus": max_cpus, "max_mem": max_mem}
        self._max_array_size = max_array_size
        self._end_timeout = END_TIMEOUT + kill_wait
        self._client = DaemonClient(
            self._state,
            {
                "max_cpus": max_cpus or 0,
                "max_mem": max_mem or 0,
                "idle_timeout": idle_timeout,
                "kill_wait": kill_wait,
                "requeue_pause": requeue_pause,
            },
        )

    def submit(
        self,
        script: str,
        cwd: str,
        options: dict[str, str],
        submit_options: dict[str, str],
        token: str,
        orchestrator: bool,
    ) -> str:
        """Queue the job script at the path `script`; its job id, or that of an earlier submission of both it and `token`.

        The job runs in `cwd` with this process's environment. `submit_options` win over `options`.
        An `orchestrator` waits for other jobs and takes no cpu and no memory from them. With the
        option ``array`` the answer is the array's id; its elements are ``<id>_<index>``.
        """
        script = os.path.join(os.path.abspath(cwd), script)
        _force_to_disk(script)
        answer: str = self._call(
            "submit",
            script=script,
            cwd=os.path.abspath(cwd),
            options=options,
            submit_options=submit_options,
            token=token,
            orchestrator=orchestrator,
            environment=scrubbed_environment(),
            umask=self._umask,
            max_array_size=self._max_array_size,
            **self._bounds,
        )
        return answer

    def query(self, job_ids: list[str]) -> list[dict[str, Any]]:
        """What is known of these jobs: one row for each id, ids nobody knows are left out.

        Each a dict of job_id, state, reason, exit_code (``code:signal``), node, start and end (Unix
        seconds or None), restarts and max_rss (kilobytes, 0 if not known). The id of an array stands for all of it, see
        `array_observation`.
        """
        rows: list[dict[str, Any]] = self._read("query", [], job_ids=job_ids)
        return rows

    def offers(self, kinds: list[str]) -> dict[str, list[dict[str, str]]]:
        """One machine has one queue by any name: its refusals say what there is themselves."""
        return {}

    def usage(self, job_ids: list[str]) -> list[dict[str, str]]:
        """What these jobs used, in ``sacct``'s words: a row for each that has ended, an empty one for one nobody knows."""
        rows = {row["job_id"]: row for row in self._read("usage", [], job_ids=job_ids)}
        known = {job_id: rows.get(job_id, {}) for job_id in job_ids}
        over = {job_id: row for job_id, row in known.items() if row.get("state") not in LIVE}
        return [{"JobID": job_id, **_usage_of(row)} for job_id, row in over.items()]

    def cancel(self, job_ids: list[str]) -> None:
        """Cancel jobs; one that has ended or is not known is no error."""
        self._read("cancel", None, job_ids=job_ids)

    def requeue(self, job_id: str) -> None:
        """End a running job, or what runs of an array, as `cancel` does, and have it wait again.

        It starts anew in the same directory, with one more restart.
        """
        self._call("requeue", job_id=job_id)

    def release(self, job_id: str) -> None:
        """Have a job, or what is held of an array, start again that was lost too often: ``scontrol release``.

        Its reason is JobHoldMaxRequeue until then, see `holds`.
        """
        self._call("release", job_id=job_id)

    def limits(self) -> dict[str, int]:
        """What this scheduler bounds: ``max_array_size``, in Slurm's sense of MaxArraySize."""
        return {"max_array_size": self._max_array_size}

    def find_submission(self, token: str, script: str = "", asked_at: float = 0.0) -> str | None:
        """The job an earlier submission with this token became, and with this `script` if that is given, whatever its time."""
        job_id: str | None = self._call("find_by_token", token=token, script=script)
        return job_id

    def queue(self) -> list[dict[str, Any]]:
        """All jobs that have not ended: what `query` says, and name, cpus, partition and the like."""
        rows: list[dict[str, Any]] = self._read("queue", [])
        return rows

    def listed(self, since: float) -> dict[str, Any]:
        """All jobs that had not ended by then, and no others: what `queue` says of each is all that is on record."""
        rows: list[dict[str, Any]] = self._read("listed", [], since=since)
        return {"queue": rows, "accounts": [], "problem": ""}

    def unended(self) -> list[dict[str, Any]]:
        """`queue`, which has no others. Behind the ``comment`` of each is its script."""
        return [
            {**row, "comment": f"{row.get('comment', '')}|{row.get('script', '')}"}
            for row in self.queue()
        ]

    def ended(self, jobs: dict[str, list[str]]) -> dict[str, float]:
        """Those of these jobs that it knows and that have ended, and when; the first word of each is its token.

        Another scheduler's job may have the same id.
        """
        known = [one for one, words in jobs.items() if self.find_submission(words[0]) == one]
        live = {row["job_id"].split("_")[0] for row in self.queue()} if known else set()
        rows = self.query([one for one in known if one not in live])
        return {row["job_id"]: row["end"] or 0.0 for row in rows}

    def info(self) -> dict[str, Any]:
        """The daemon's ``max_cpus``, ``max_mem`` and ``pid`` (0 where none has been started); how many jobs are ``running`` and ``pending``."""
        machine = machine_room()
        bounds = {
            "max_cpus": self._bounds["max_cpus"] or machine.cpus,
            "max_mem": self._bounds["max_mem"] or machine.mem,
        }
        nothing = {**bounds, "pid": 0, "running": 0, "pending": 0}
        info: dict[str, Any] = self._read("info", nothing)
        return info

    def is_running(self) -> bool:
        """Whether there is a daemon at the moment; asking starts none."""
        try:
            return self._client.is_running()
        except StateError as error:
            raise AgentError("unreachable", str(error)) from None

    def shutdown(self, kill_jobs: bool = False) -> None:
        """End the daemon, if there is one, and return when it is gone.

        Its jobs go on, and the next daemon takes them up; with `kill_jobs` they are cancelled, also
        those of a daemon that was killed.
        """
        if not self._has_begun:
            return
        if kill_jobs or self.is_running():
            self._call("shutdown", kill_jobs=kill_jobs)
        if not self._client.await_end(self._end_timeout):
            raise AgentError(
                "unreachable", f"the local scheduler did not end; see {self._state.log}"
            )

    def _read(self, operation: str, nothing: Any, **parameters: Any) -> Any:
        """The answer to a question; `nothing` where there has been no job, and asking is to make no directory."""
        return self._call(operation, **parameters) if self._has_begun else nothing

    @property
    def _has_begun(self) -> bool:
        return os.path.lexists(self._state.path)

    def _call(self, operation: str, **parameters: Any) -> Any:
        request = {"protocol": PROTOCOL, "op": operation, **parameters}
        try:
            answer = json.loads(self._client.ask(json.dumps(request).encode() + b"\n"))
        except Unreachable as error:
            # Of a submission that was never sent nobody need ask what has become of it.
            refused = operation == "submit" and not error.sent
            raise AgentError("refused" if refused else "unreachable", str(error)) from None
        if "error" in answer:
            raise AgentError(answer["kind"], answer["error"])
        return answer["ok"]


def _usage_of(row: dict[str, Any]) -> dict[str, str]:
    if not row.get("start") or not row.get("end"):
        return {}
    used = {
        "ExitCode": row["exit_code"],
        "NodeList": row["node"],
        "ElapsedRaw": str(int(row["end"] - row["start"])),
        "AllocCPUS": str(row["cpus"]),
    }
    if row["max_rss"]:
        used["MaxRSS"] = f"{row['max_rss']}K"
    if row["cpu_ms"]:
        used["TotalCPU"] = f"00:{row['cpu_ms'] // 60000:02}:{row['cpu_ms'] % 60000 / 1000:06.3f}"
    if row["mem"]:
        used["ReqMem"] = f"{row['mem']}M"
    if row["time_limit"]:
        used["TimelimitRaw"] = str(-(-row["time_limit"] // 60))
    return used


def _force_to_disk(script: str) -> None:
    """Have a script outlive a power loss, as its job does: unlike Slurm, this scheduler keeps no copy of it."""
    try:
        handle = os.open(script, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:  # the scheduler says what is wrong with it
        return
    try:
        os.fsync(handle)
    except OSError as error:
        raise AgentError("refused", f"{script}: {error.strerror}") from None
    finally:
        os.close(handle)


def _umask() -> int:
    """This process's umask, which cannot be read without setting it; hence the lock."""
    with _UMASK_LOCK:
        umask = os.umask(0o077)
        os.umask(umask)
    return umask
