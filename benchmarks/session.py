"""One run: its cluster, the programs on it, and what has been found so far."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks import peers
from benchmarks.driver import BenchmarkError, Driver, reason_of
from benchmarks.measure import Line, Series
from benchmarks.project import Project
from benchmarks.remote import SHARED, LoginNode
from slurm.testing import DockerCluster

ROOT = Path(__file__).parents[1]
WORK = ROOT / "benchmarks" / ".work"
# A checkout has a cluster of its own.
PROJECT = f"slurm-bench-{zlib.crc32(os.fsencode(ROOT)):08x}"
SCRIPT = f"{SHARED}/bare/job.sh"
NODES = ("c1", "c2")
# The released slurm-sdk has its jobs run by `python`, which Debian does not have, and import itself.
NODE_PYTHON = "/usr/local/bin/python"
WRAPPER = f"""#!/bin/sh
PYTHONPATH={SHARED}:{SHARED}/slurm-sdk:$PYTHONPATH exec python3 "$@"
"""


class Session:
    """What a benchmark gets. `quick` runs take few samples, to try the harness out."""

    def __init__(self, cluster: DockerCluster, *, quick: bool = False) -> None:
        self.cluster = cluster
        self.login = LoginNode(cluster)
        self.quick = quick
        self.start_seconds: float | None = None
        self.series: list[Series] = []
        self.lines: list[Line] = []
        self.comment = ""
        self.facts: dict[str, object] = {}
        self._drivers = contextlib.ExitStack()

    def rounds(self, count: int) -> int:
        """How many rounds to take where a whole run takes `count`."""
        return min(count, 2) if self.quick else count

    # What was found

    def record(self, name: str, unit: str, values: Sequence[float]) -> Series:
        """Keep samples."""
        series = Series(name, unit, tuple(values))
        self.series.append(series)
        return series

    def note(self, *lines: Line) -> None:
        """Add lines to the table."""
        self.lines += lines

    # Programs

    def release(self) -> None:
        """End all programs that were started."""
        self._drivers.close()

    def start(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> Driver:
        """Start a program of `clients`, in the checkout unless told; it ends with the benchmark."""
        log = WORK / f"{name}.log"
        return self._drivers.enter_context(Driver(name, argv, log=log, cwd=cwd, env=env))

    def project_program(self, project: Project, base: str, name: str) -> Driver:
        """A program of a user's project, whose jobs are in the directory `base` there."""
        argv = [
            sys.executable,
            "-m",
            "benchmarks.clients.project",
            str(self.cluster.slurmfile),
            base,
        ]
        return self.start(name, argv, {**os.environ, **project.environment}, project.folder)

    def ours(self, python: str = "python3") -> Driver:
        """This SDK over ssh, its agent run by `python`."""
        where = ["ssh", SHARED, str(self.cluster.slurmfile), python]
        return self.start("sdk-over-ssh", [sys.executable, "-m", "benchmarks.clients.sdk", *where])

    def ours_on_login(self) -> Driver:
        """This SDK on the login node."""
        self.login.copy(
            "src", {"src/slurm": ROOT / "src" / "slurm", "src/cloudpickle": _cloudpickle()}
        )
        return self._on_login("sdk-on-login", "sdk", "slurm", SHARED, path=f"{SHARED}/src")

    def bare(self) -> Driver:
        """Slurm's own commands on the login node."""
        return self._on_login("bare", "login_node")

    def submitit(self) -> Driver:
        """submitit on the login node. Raises `NotPossible`."""
        self.login.copy("submitit", {"submitit": peers.packages("submitit", WORK)})
        where = f"{SHARED}/submitit"
        return self._on_login(
            "submitit", "peer_submitit", "slurm", f"{SHARED}/jobs-submitit", path=where
        )

    def submitit_here(self, folder: Path) -> Driver:
        """submitit's local executor. Raises `NotPossible`."""
        python = peers.environment("submitit", WORK)
        argv = [str(python), "-m", "benchmarks.clients.peer_submitit", "local", str(folder)]
        return self.start("submitit-local", argv, peers.clean_environment())

    def peer_here(self, peer: str, *arguments: str) -> Driver:
        """A peer on this machine. Raises `NotPossible`."""
        python = peers.environment(peer, WORK)
        argv = [str(python), "-m", f"benchmarks.clients.peer_{peer}", *arguments]
        environment = peers.clean_environment()
        # parsl starts programs of its own by their names.
        environment["PATH"] = os.pathsep.join([str(python.parent), environment.get("PATH", "")])
        return self.start(peer, argv, environment)

    def paramiko(self) -> Driver:
        """paramiko's ``exec_command``. Raises `NotPossible`."""
        python = peers.environment("paramiko", WORK)
        where = [*self.login.key_arguments(), str(self.cluster.access.known_hosts)]
        return self.start(
            "paramiko",
            [str(python), "-m", "benchmarks.clients.peer_paramiko", *where],
            peers.clean_environment(),
        )

    def released_sdk(self) -> Driver:
        """The released slurm-sdk. Raises `NotPossible`."""
        python = peers.environment("slurm-sdk", WORK)
        known_hosts = self.cluster.access.known_hosts.read_text("utf-8")
        home = WORK / "home"
        (home / ".ssh").mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / ".ssh" / "known_hosts").write_text(known_hosts, "utf-8")
        where = [*self.login.key_arguments(), f"{SHARED}/jobs-released"]
        return self.start(
            "slurm-sdk-released",
            [str(python), "-m", "benchmarks.clients.peer_slurm_sdk", *where],
            {**peers.clean_environment(), "HOME": str(home)},
        )

    def released_with_nodes(self) -> Driver:
        """The same, with what its jobs import on the nodes. Raises `NotPossible`."""
        found = peers.packages("slurm-sdk", WORK, nodes=True)
        self.login.copy("slurm-sdk", {"slurm-sdk": found})
        for node in NODES:
            install = f"cat >{NODE_PYTHON} && chmod 755 {NODE_PYTHON}"
            self.cluster.exec(node, ["sh", "-c", f"printf %s {shlex.quote(WRAPPER)} | ({install})"])
        return self.released_sdk()

    # The cluster

    def prepare(self) -> None:
        """Copy this package to the cluster, and the script that bare sbatch submits."""
        folder = ROOT / "benchmarks"
        found = [*folder.glob("*.py"), *folder.glob("clients/*.py")]
        sources = {str(path.relative_to(ROOT)): path for path in found}
        self.login.copy("", {**sources, "probe": folder / "clients" / "probe"})
        ours = self.ours()
        script = ours.ask("script")
        self.comment = script["comment"]
        self.bare().ask("write", path=SCRIPT, text=script["text"])
        self.release()

    def accept_jobs(self, running: bool) -> None:
        """Have jobs run, or only be queued: then all measured submissions meet an idle machine."""
        state = "UP" if running else "DOWN"
        self.cluster.exec(
            "slurmctld", ["scontrol", "update", "PartitionName=cpu", f"State={state}"]
        )

    @contextlib.contextmanager
    def queue_only(self) -> Iterator[None]:
        """Jobs are queued and do not run; they are gone afterwards."""
        self.accept_jobs(False)
        try:
            yield
        finally:
            self.release()
            self.bare().ask("cancel_all")
            self.release()
            self.accept_jobs(True)

    def _on_login(self, name: str, module: str, *arguments: str, path: str = "") -> Driver:
        words = ["env", f"PYTHONPATH={path}", "python3", "-m", f"benchmarks.clients.{module}"]
        command = f"cd {shlex.quote(SHARED)} && exec {shlex.join([*words, *arguments])}"
        return self.start(name, self.login.ssh(command))


def try_to_start(
    starters: Mapping[str, Callable[[], Driver]],
) -> tuple[dict[str, Driver], dict[str, str]]:
    """Those of the peers that start, and why the others do not."""
    drivers: dict[str, Driver] = {}
    reasons: dict[str, str] = {}
    for name, start in starters.items():
        try:
            drivers[name] = start()
        except BenchmarkError as error:
            reasons[name] = reason_of(error)
    return drivers, reasons


def _cloudpickle() -> Path:
    import cloudpickle

    return Path(cloudpickle.__file__).parent
