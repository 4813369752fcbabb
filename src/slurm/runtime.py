"""What a running job knows of itself."""

from __future__ import annotations

import datetime
import functools
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from slurm.agent.directories import make_private_directory
from slurm.job_dir.paths import SHARED
from slurm.node.binding import CallBinder
from slurm.node.job_id import own_job_id
from slurm.node.node_list import expand_node_list, expand_task_counts
from slurm.node.stopping import own_job
from slurm.node.time_left import ask_end_time, end_time_of

# Above what services use and below what Linux gives to outgoing connections.
FIRST_PORT, PORTS = 20000, 10000

_asked_end_time = functools.lru_cache(maxsize=1)(ask_end_time)


@dataclass(frozen=True)
class JobContext:
    """A job from the inside, read from Slurm's environment variables.

    Injected into a task that annotates a parameter with this type; see "OUTPUT ENVIRONMENT
    VARIABLES" of Slurm's ``sbatch`` manual for the variables behind the fields.

    - `rank`, `local_rank`, `node_rank`: of this process among all of the job, among those on its node,
      and of its node. All are 0 for a task's function; they count in what it starts with ``srun``.
    - `ntasks`, `local_world_size`: how many processes there are in all, and on this node.
    - `cpus_on_node`: the cpus of the job on this node; `gpus`: the devices it may use here.
    - `array_job_id`, `array_task_id`: in an array, Slurm's numbers; `array_index`: the item's place
      among those that were mapped. None outside of one.
    - `attempt`: 1, and one more for each requeue.
    - `end_time`: when the time limit is reached, in Unix seconds; see `deadline`.
    - `export`: what of its environment ``srun`` hands on unless it is told otherwise, as sbatch's ``--export`` spells it.

    >>> job = JobContext("12", "train", Path("/jobs/12"), node_list="c[1-2]", num_nodes=2)
    >>> job.hostnames
    ['c1', 'c2']
    >>> job.torchrun_args(nproc_per_node=4)[:3]
    ['--nnodes=2', '--nproc-per-node=4', '--rdzv-id=12']
    """

    job_id: str
    job_name: str
    job_dir: Path
    partition: str = ""
    node_list: str = ""
    num_nodes: int = 1
    ntasks: int = 1
    cpus_per_task: int = 1
    attempt: int = 1
    rank: int = 0
    local_rank: int = 0
    node_rank: int = 0
    local_world_size: int = 1
    cpus_on_node: int = 1
    gpus: tuple[str, ...] = ()
    array_job_id: str | None = None
    array_task_id: int | None = None
    array_index: int | None = None
    end_time: float | None = None
    export: str = "ALL"

    @property
    def shared_dir(self) -> Path:
        """A directory in the job directory for what should be handed on; made on first use.

        >>> context = current_job_context({"SLURM_JOB_ID": "7", "JOB_DIR": "."})
        >>> context.shared_dir.is_dir()
        True
        """
        path = self.job_dir / SHARED
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    # Time

    @property
    def deadline(self) -> datetime.datetime | None:
        """When the job reaches its time limit, in UTC; None without a limit, or when nobody can tell.

        As it was when the job started. Where Slurm does not say so in the environment (22.05 does
        not), the scheduler is asked, once.

        >>> job = JobContext("12", "train", Path("/jobs/12"), end_time=1767222000)
        >>> print(job.deadline)
        2025-12-31 23:00:00+00:00
        """
        end = self.end_time
        if end is None:
            end = _asked_end_time(self.job_id)
        if end == float("inf"):
            return None
        return datetime.datetime.fromtimestamp(end, datetime.timezone.utc)

    @property
    def time_left(self) -> float | None:
        """Seconds until `deadline`, not below zero; None without one.

        >>> job = JobContext("12", "train", Path("/jobs/12"), end_time=time.time() + 60)
        >>> 0 < job.time_left <= 60
        True
        """
        deadline = self.deadline
        return None if deadline is None else max(0.0, deadline.timestamp() - time.time())

    # Its end

    @property
    def should_stop(self) -> bool:
        """Whether the job has to end soon: save what is worth keeping, then return or `requeue`.

        True once Slurm has sent the warning, a minute or so before the time limit, and in a task with
        ``requeue=True`` when it is about to be preempted. Always False in other processes than that
        of the task's function.

        >>> job = JobContext("12", "train", Path("/jobs/12"))
        >>> for step in range(3):
        ...     if job.should_stop:
        ...         break
        ...     print("step", step)
        step 0
        step 1
        step 2
        """
        return own_job.told

    def requeue(self) -> NoReturn:
        """Put this job back into the queue, to run again in the same directory with `attempt` + 1.

        Does not return: the function is left as by ``sys.exit``, its ``finally`` blocks are run, and
        nothing is left as its result. A job that somebody has cancelled meanwhile only ends.

        Raises `SlurmError` when the job cannot be requeued: its task is without ``requeue=True``, it
        has been requeued as often as ``requeue=N`` allows, or the scheduler refuses.

        >>> from slurm import JobContext, task
        >>> @task(requeue=True)
        ... def second_time_lucky(job: JobContext) -> int:
        ...     if job.attempt == 1:
        ...         job.requeue()
        ...     return job.attempt
        >>> with cluster:
        ...     second_time_lucky().get_result()
        2
        """
        own_job.requeue()

    # Several nodes

    @property
    def world_size(self) -> int:
        """How many processes the job has in all; the same as `ntasks`.

        >>> job = JobContext("12", "train", Path("/jobs/12"), ntasks=8)
        >>> job.world_size
        8
        """
        return self.ntasks

    @property
    def hostnames(self) -> list[str]:
        """The job's nodes by name, the one that runs the task's function first.

        >>> job = JobContext("12", "train", Path("/jobs/12"), node_list="gpu[03,07-08]")
        >>> job.hostnames
        ['gpu03', 'gpu07', 'gpu08']
        """
        return expand_node_list(self.node_list)

    @property
    def master_addr(self) -> str:
        """Where the processes of this job meet: its first node; on a single node the loopback address.

        >>> job = JobContext("12", "train", Path("/jobs/12"), node_list="c[1-2]", num_nodes=2)
        >>> job.master_addr
        'c1'
        """
        return self.hostnames[0] if self.num_nodes > 1 else "127.0.0.1"

    @property
    def master_port(self) -> int:
        """A port for it: the same on every node and in every attempt, another for the next job.

        >>> job = JobContext("12", "train", Path("/jobs/12"))
        >>> job.master_port
        20012
        """
        numbers = re.findall(r"[0-9]+", self.job_id)
        return FIRST_PORT + sum(map(int, numbers)) % PORTS

    def distributed_environment(self) -> dict[str, str]:
        """The variables with which ``torch.distributed`` and its like find each other (``env://``).

        They are those of this process: in a program that ``srun`` starts for every rank, call it
        there. See `torchrun_args` for a launcher that does this by itself.

        >>> job = JobContext("12", "train", Path("/jobs/12"), rank=3, ntasks=8)
        >>> environment = job.distributed_environment()
        >>> environment["RANK"], environment["WORLD_SIZE"]
        ('3', '8')
        """
        return {
            "MASTER_ADDR": self.master_addr,
            "MASTER_PORT": str(self.master_port),
            "WORLD_SIZE": str(self.ntasks),
            "RANK": str(self.rank),
            "LOCAL_RANK": str(self.local_rank),
            "LOCAL_WORLD_SIZE": str(self.local_world_size),
            "NODE_RANK": str(self.node_rank),
        }

    def torchrun_args(self, nproc_per_node: int | None = None) -> list[str]:
        """The options of ``torchrun``, the same on every node, where each finds its own rank.

        `nproc_per_node` is how many processes it starts on each: by default one for every one of
        `gpus`, and one where there are none.

        >>> job = JobContext("12", "train", Path("/jobs/12"), node_list="c[1-2]", num_nodes=2)
        >>> " ".join([*job.srun_args(), "torchrun", *job.torchrun_args(), "train.py"])
        'srun --nodes=2 ... torchrun --nnodes=2 --nproc-per-node=1 ... --rdzv-endpoint=c1:... train.py'
        """
        return [
            f"--nnodes={self.num_nodes}",
            f"--nproc-per-node={nproc_per_node or len(self.gpus) or 1}",
            f"--rdzv-id={self.job_id}",
            "--rdzv-backend=c10d",
            f"--rdzv-endpoint={self.master_addr}:{self.master_port}",
        ]

    def srun_args(self) -> list[str]:
        """What to put before a command to run it once on every node, with all that the job has there.

        The command has the environment of this process, also where the job was submitted with ``export="NONE"``. Empty on a single node: there the command alone does. When it fails on one node, Slurm ends it
        on the others.

        >>> job = JobContext("12", "train", Path("/jobs/12"), num_nodes=2, cpus_on_node=8)
        >>> " ".join([*job.srun_args(), "hostname"])
        'srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --cpus-per-task=8 --kill-on-bad-exit=1 hostname'
        """
        if self.num_nodes == 1:
            return []
        # sbatch hands its own --export on in SLURM_EXPORT_ENV, which srun takes for an --export of its own (input
        # environment variables of srun(1)): with NONE it would pass on the variables that begin with SLURM_, and no others.
        everything = [] if self.export.upper() == "ALL" else ["--export=ALL"]
        return [
            "srun",
            *everything,
            f"--nodes={self.num_nodes}",
            f"--ntasks={self.num_nodes}",
            "--ntasks-per-node=1",
            f"--cpus-per-task={self.cpus_on_node}",
            "--kill-on-bad-exit=1",
        ]


def current_job_context(environ: Mapping[str, str] = os.environ) -> JobContext:
    """The context of the job this process runs in, in any thread and in what the job starts.

    Raises ``RuntimeError`` outside of a job.

    >>> current_job_context({"SLURM_JOB_ID": "7", "JOB_DIR": "/jobs/train"}).job_id
    '7'
    """
    if "SLURM_JOB_ID" not in environ or "JOB_DIR" not in environ:
        raise RuntimeError("current_job_context() works inside a job only: SLURM_JOB_ID is not set")

    def number(name: str, default: int) -> int:
        return int(environ.get(name) or default)

    nodes, node_rank = number("SLURM_JOB_NUM_NODES", 1), number("SLURM_NODEID", 0)
    counts = expand_task_counts(
        environ.get("SLURM_STEP_TASKS_PER_NODE") or environ.get("SLURM_TASKS_PER_NODE", "")
    )
    cpus_per_task = number("SLURM_CPUS_PER_TASK", 1)
    array_task = environ.get("SLURM_ARRAY_TASK_ID")
    index = environ.get("SLURM_SDK_ARRAY_INDEX")
    if index is not None:  # an item of a pack has a directory when somebody asks for it
        make_private_directory(environ["JOB_DIR"])
    return JobContext(
        job_id=own_job_id(environ) or environ["SLURM_JOB_ID"],
        job_name=environ.get("SLURM_JOB_NAME", ""),
        job_dir=Path(environ["JOB_DIR"]),
        partition=environ.get("SLURM_JOB_PARTITION", ""),
        node_list=environ.get("SLURM_JOB_NODELIST", ""),
        num_nodes=nodes,
        ntasks=number("SLURM_NTASKS", nodes * number("SLURM_NTASKS_PER_NODE", 1)),
        cpus_per_task=cpus_per_task,
        attempt=number("SLURM_RESTART_COUNT", 0) + 1,
        rank=number("SLURM_PROCID", 0),
        local_rank=number("SLURM_LOCALID", 0),
        node_rank=node_rank,
        local_world_size=counts[node_rank] if node_rank < len(counts) else 1,
        cpus_on_node=number("SLURM_CPUS_ON_NODE", cpus_per_task),
        gpus=_gpus(environ),
        array_job_id=environ.get("SLURM_ARRAY_JOB_ID"),
        array_task_id=None if array_task is None else int(array_task),
        array_index=None if index is None else int(index),
        end_time=end_time_of(environ),
        export=environ.get("SLURM_EXPORT_ENV") or "ALL",
    )


def bind_job_context(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    context: JobContext | None = None,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with which to call `function`, a `JobContext` filled in where it annotates one.

    `context` is that of the job this process runs in unless given. Raises ``TypeError`` when the
    function cannot be called like this, ``RuntimeError`` when it wants a context outside of a job.

    >>> def train(job: JobContext, rate: float) -> str:
    ...     return f"{job.job_id} at {rate}"
    >>> args, kwargs = bind_job_context(train, [0.1], {}, JobContext("12", "train", Path("/jobs/12")))
    >>> train(*args, **kwargs)
    '12 at 0.1'
    """
    binder = CallBinder(function)
    if context is None and JobContext in binder.injected.values():
        context = current_job_context()
    bound = binder.bind(args, kwargs, {JobContext: context})
    return bound.args, bound.kwargs


def _gpus(environ: Mapping[str, str]) -> tuple[str, ...]:
    for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        devices = environ.get(name, "")
        if devices and devices != "NoDevFiles":  # which is how Slurm said "none" once
            return tuple(devices.split(","))
    return ()
