"""`DockerCluster`: a real Slurm in Docker that can be started, used and removed from Python."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from slurm.job_dir.tracebacks import UsersFrames
from slurm.testing import access
from slurm.testing.commands import ExecCommands, SshCommands
from slurm.testing.compose import RELEASES, ComposeProject, explain, plain
from slurm.testing.disturbing import START_TIMEOUT, Disturbable
from slurm.testing.environment import make_environment
from slurm.testing.errors import ClusterError, ClusterStartError, module_of_extra
from slurm.testing.shape import USER, Shape
from slurm.testing.shape_files import ENVIRONMENT
from slurm.testing.shape_parts import QOS, Account, Node, Partition

USABLE = {"idle", "mixed", "allocated", "completing"}
KEYS = "/etc/ssh/keys"
LOG_LINES = 15
STARTED, SAME = "was started", "ran already, in the same shape: it is used again"
TAKEN = "port is already allocated|address already in use|[Pp]orts are not available"

logger: logging.Logger = logging.getLogger("slurm.testing")


class DockerCluster(Disturbable):
    """A real Slurm in containers: two nodes, partitions ``cpu`` and ``gpu``, accounting, ssh, unless told otherwise.

    - `project`: the name of the compose project; clusters with different names live side by side.
    - `ssh_port`: where on 127.0.0.1 its login node answers; None or 0 takes a free port, and keeps it.
    - `debian_release`: ``trixie`` (Slurm 24.11) or ``bookworm`` (22.05).
    - `state_dir`: the folder for the files by which it is reached, ``.slurm-cluster/<project>`` in
      the working directory unless told.
    - `settings`: lines of ``slurm.conf`` that are to be others: ``{"SlurmdTimeout": 10}``.
    - `shared_size`: what the shared volume holds, as ``64m``: it is in memory then, and can be filled.
    - `containers`: whether jobs can be run in containers: the image has Charliecloud, Podman and crun then.
    - `packages`: names of Debian packages that its image is to have as well, as ``python3-pip``, which it has not by itself.
    - `nodes`, `partitions`: each a `Node` or a `Partition`, or a text: ``"c[1-4] cpus=16 memory=64G gpus=0"``, ``"short
      nodes=c1 MaxTime=10"``.
    - `users`: names of users beside ``dev``; `of_user` has the files that let them in.
    - `accounts`, `qos`: each an `Account` or a `QOS`, or a text: ``"physics users=dev MaxSubmitJobs=10"``, ``"gold
      preempts=normal"``. Once there are any, Slurm enforces them.
    - `requirements`: what pip is to install into an environment on the shared volume, which is the Python of jobs then. It is
      downloaded here: the nodes need no network.
    - `editable`: the root of a Python project. It is mounted on login node and nodes, read only, and importable there with what
      it depends on, as after ``pip install --editable``.

    As a context manager it is up inside the block and gone after it. Raises `ClusterError` for
    arguments that make no sense.
    """

    def __init__(  # noqa: PLR0913 - all that a cluster can be
        self,
        project: str = "slurm-tasks",
        *,
        ssh_port: int | None = None,
        debian_release: str = RELEASES[0],
        state_dir: str | os.PathLike[str] | None = None,
        settings: Mapping[str, str | int] | None = None,
        shared_size: str | None = None,
        containers: bool = False,
        packages: Sequence[str] = (),
        nodes: Sequence[Node | str] = (),
        partitions: Sequence[Partition | str] = (),
        users: Sequence[str] = (),
        accounts: Sequence[Account | str] = (),
        qos: Sequence[QOS | str] = (),
        requirements: Sequence[str] = (),
        editable: str | os.PathLike[str] | None = None,
    ) -> None:
        self.shape: Shape = Shape.of(
            nodes=nodes,
            partitions=partitions,
            users=users,
            accounts=accounts,
            qos=qos,
            packages=packages,
            requirements=requirements,
            editable=editable,
            settings={name: str(value) for name, value in (settings or {}).items()},
            shared_size=shared_size or "",
            containers=containers,
        )
        chosen = Path(state_dir) if state_dir is not None else access.default_folder(project)
        folder = chosen.expanduser().absolute()
        self.compose: ComposeProject = ComposeProject(
            project, debian_release, ssh_port or 0, self.shape, folder
        )
        python = f"{ENVIRONMENT}/bin/python" if self.shape.has_environment else ""
        self.access: access.Access = access.Access(
            project, folder, USER, self.nodes, python, bool(self.shape.editable)
        )

    def __repr__(self) -> str:
        return f"DockerCluster({self.project!r}, state_dir={str(self.state_dir)!r})"

    def __enter__(self) -> DockerCluster:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.down()

    @property
    def project(self) -> str:
        """The compose project's name, which is also the login node's name in `ssh_config`."""
        return self.compose.name

    @property
    def state_dir(self) -> Path:
        """The folder of the files below."""
        return self.access.folder

    @property
    def slurmfile(self) -> Path:
        """What `slurm.Cluster.from_env` reads."""
        return self.access.slurmfile

    @property
    def ssh_config(self) -> Path:
        """For ``ssh -F <ssh_config> <project>``; a node's name in the place of the project's leads there."""
        return self.access.ssh_config

    @property
    def python(self) -> str:
        """The Python of jobs on its nodes."""
        return self.access.python or "python3"

    def of_user(self, user: str) -> access.Access:
        """The files that let one of its users in: `slurmfile`, `ssh_config`. Raises `ClusterError` for nobody of them."""
        if user not in self.shape.people:
            known = ", ".join(self.shape.people)
            raise ClusterError(f"there is no user {user!r} on the cluster; there are {known}")
        return self.access.of(user)

    # ---------------------------------------------------------------------------------- life

    def up(self) -> str:
        """Start the cluster, or mend one that runs, and write the files by which it is reached.

        One that runs in another shape is removed, with all that is in it, and made anew. Returns when all nodes take
        jobs, and says in a line what was done. Installs Docker where it can and must. Raises
        `ClusterStartError`, and then nothing that this call started is left.
        """
        with UsersFrames():
            module_of_extra("testcontainers.compose")
        self.access.make_folder()
        with self._gone_on_failure():
            self.compose.prepare_docker()
            existing = self.compose.running_release()
            if existing not in (None, self.compose.release):
                raise ClusterStartError(
                    f"the cluster {self.project} runs {existing}, not {self.compose.release}: "
                    "take it down first, or choose another project name"
                )
            done = self._made_way(existed=existing is not None)
            self.compose.write()
            self.compose.build()
            with self._removed_on_failure(existed=done == SAME):
                port = self._start_at(self.compose.port or self.access.port())
                self.wait_until_ready(*self.nodes)
                self._write_access(port)
                make_environment(self)
            self.access.shape_file.write_text(self.shape.to_json(), "utf-8")
        return f"The cluster {self.project} {done}."

    def down(self) -> None:
        """Remove the cluster's containers, volumes and network, and the files in `state_dir`."""
        self.compose.remove()
        self.access.lock.unlink(missing_ok=True)
        self.access.remove()

    def is_up(self) -> bool:
        """Whether the cluster answers now, both nodes take jobs, and the files here lead to it."""
        if not self.access.exists():
            return False
        published = self.compose.run("port", "login", "22", check=False).stdout.strip()
        port = published.rpartition(":")[2]
        return port == str(self.access.port()) and self._usable_nodes() == set(self.nodes)

    # ----------------------------------------------------------------------------------- use

    def exec(
        self,
        service: str,
        argv: Sequence[str],
        *,
        user: str = "root",
        check: bool = True,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` in the container of `service`, without a shell.

        Raises `ClusterError` if it fails and `check` is set, or takes more than `timeout` seconds.
        """
        self._known([service])
        return self.compose.exec(service, argv, user=user, check=check, timeout=timeout)

    @property
    def over_exec(self) -> ExecCommands:
        """Commands and files on its machines, through the engine, as any user."""
        return ExecCommands(self)

    @property
    def over_ssh(self) -> SshCommands:
        """Commands and files on login node and nodes, through ssh, as one of the users."""
        return SshCommands(self)

    def status(self) -> str:
        """What ``docker compose ps`` and ``sinfo`` print. Raises `ClusterError` if it is not up."""
        services = self.compose.run("ps", "--all").stdout
        if len(services.splitlines()) < 2:
            raise ClusterError(f"the cluster {self.project} is not up")
        nodes = self.exec("login", ["sinfo", "--long", "--Node"], check=False)
        shown = nodes.stdout if nodes.returncode == 0 else f"sinfo: {explain(nodes)}\n"
        return f"{services}\n{shown}"

    def logs(self, *services: str, tail: int | None = None) -> str:
        """What the daemons of `services` wrote (all unless named), or its last `tail` lines."""
        lines = "all" if tail is None else str(tail)
        return plain(self.compose.run("logs", "--tail", lines, *services).stdout)

    def shell(self) -> int:
        """A login shell on the login node, on the caller's terminal; its exit status."""
        if not self.access.exists():
            raise ClusterError(f"the cluster {self.project} is not up")
        argv = ["ssh", "-F", str(self.ssh_config), self.project]
        return subprocess.run(argv, check=False).returncode

    # ------------------------------------------------------------------------------- private

    def _start_at(self, port: int | None) -> int:
        """Start all services, the login node at `port` or a free one; returns which.

        That is chosen here: Docker would choose another one whenever the login node starts again.
        """
        self.compose = replace(self.compose, port=port or access.free_port())
        try:
            return self.compose.start(START_TIMEOUT)
        except ClusterError as error:
            if port or not re.search(TAKEN, str(error)):
                raise
        return self._start_at(None)  # somebody was faster

    def _usable_nodes(self) -> set[str]:
        done = self.exec("login", ["sinfo", "--all", "-h", "-N", "-o", "%N %T"], check=False)
        rows = (line.split() for line in done.stdout.splitlines())
        return {row[0] for row in rows if len(row) == 2 and row[1] in USABLE}

    def _made_way(self, *, existed: bool) -> str:
        """What `up` does, after a cluster of another shape was removed."""
        if not existed:
            return STARTED
        if self.compose.running_shape() == self.shape.digest:
            return SAME
        others = self._differences()
        logger.info(
            "The shape of the cluster %s has changed%s: it is made anew.", self.project, others
        )
        self.compose.remove()
        return f"was made anew, for its shape has changed{others}"

    def _differences(self) -> str:
        """In which words the shape is another one than before, as far as that is known."""
        try:
            before = Shape.from_json(self.access.shape_file.read_text("utf-8"))
        except (OSError, ClusterError):
            return ""
        return f" ({', '.join(self.shape.differences(before))})"

    def _write_access(self, port: int) -> None:
        public = self.exec("login", ["ssh-keygen", "-y", "-f", f"{KEYS}/host_ed25519"]).stdout
        for user in self.shape.people:

            def write_private_key(descriptor: int, user: str = user) -> None:
                self.compose.exec("login", ["cat", f"{KEYS}/{user}_ed25519"], stdout=descriptor)

            files = self.access.of(user)
            files.write(port=port, host_key=public, write_private_key=write_private_key)

    @contextmanager
    def _gone_on_failure(self) -> Iterator[None]:
        """Whatever goes wrong is a `ClusterStartError`, and an empty folder does not stay."""
        try:
            yield
        except BaseException as error:
            if not self.access.exists():
                self.access.remove()
            if isinstance(error, ClusterError) and not isinstance(error, ClusterStartError):
                message = f"the cluster {self.project} did not start: {error}"
                raise ClusterStartError(message) from error
            raise

    @contextmanager
    def _removed_on_failure(self, *, existed: bool) -> Iterator[None]:
        """Also when interrupted; a cluster that ran before is left as it is."""
        try:
            yield
        except BaseException as error:
            unexplained = isinstance(error, ClusterError) and not isinstance(
                error, ClusterStartError
            )
            last_words = self._last_words() if unexplained else ""
            if not existed:
                self.compose.remove()
                self.access.remove()
            if last_words:
                message = f"the cluster {self.project} did not start: {error}\n{last_words}"
                raise ClusterStartError(message) from error
            raise

    def _last_words(self) -> str:
        """The last lines of each daemon, under its name."""
        parts = []
        for service in self.services:
            arguments = ("logs", "--no-log-prefix", "--tail", str(LOG_LINES), service)
            written = plain(self.compose.run(*arguments, check=False).stdout).rstrip()
            parts.append(f"--- {service}\n{written or '(wrote nothing)'}")
        return "\n".join(parts)
