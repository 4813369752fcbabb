"""`DockerCluster`: a real Slurm in Docker that can be started, used and removed from Python."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from slurm.job_dir.tracebacks import UsersFrames
from slurm.testing import access, releases
from slurm.testing.commands import explain
from slurm.testing.compose import ComposeProject, plain
from slurm.testing.engine import REST_PORT, is_elsewhere, relay_command, relay_of
from slurm.testing.environment import make_environment
from slurm.testing.errors import ClusterError, module_of_extra
from slurm.testing.features import Features, features_of
from slurm.testing.login import Enterable
from slurm.testing.node_commands import ExecCommands, SshCommands
from slurm.testing.relay import Relay
from slurm.testing.rest import RestService, known, rest_of, said_of_rest
from slurm.testing.shape import REST_SERVICE, USER, Shape
from slurm.testing.shape_files import ENVIRONMENT
from slurm.testing.shape_parts import QOS, Account, Node, Partition
from slurm.testing.starting import SAME, Startable

USABLE = {"idle", "mixed", "allocated", "completing"}


class DockerCluster(Startable, Enterable):
    """A real Slurm in containers: two nodes, partitions ``cpu`` and ``gpu``, accounting, ssh, unless told otherwise.

    - `project`: the name of the compose project; clusters with different names live side by side.
    - `ssh_port`: where on 127.0.0.1 its login node answers; None or 0 takes a free port, and keeps it.
    - `release`: Debian's name of it, which picks Slurm's version: one of `slurm.testing.releases.RELEASES`.
    - `state_dir`: the folder for the files by which it is reached, ``.slurm-cluster/<project>`` in
      the working directory unless told.
    - `settings`: lines of ``slurm.conf`` that are to be others: ``{"SlurmdTimeout": 10}``.
    - `shared_size`: what the shared volume holds, as ``64m``: it is in memory then, and can be filled.
    - `containers`: whether jobs can be run in containers: the image has Charliecloud, Podman and crun then.
    - `mpi`: whether jobs can be programs of MPI: the image has Open MPI and mpi4py then.
    - `packages`: names of Debian packages that its image is to have as well, as ``python3-pip``, which it has not by itself.
    - `nodes`, `partitions`: each a `Node` or a `Partition`, or a text: ``"c[1-4] cpus=16 memory=64G gpus=0"``, ``"short
      nodes=c1 MaxTime=10"``.
    - `users`: names of users beside ``dev``; `of_user` has the files that let them in.
    - `accounts`, `qos`: each an `Account` or a `QOS`, or a text: ``"physics users=dev MaxSubmitJobs=10"``, ``"gold
      preempts=normal"``. Once there are any, Slurm enforces them.
    - `rest`: whether slurmrestd answers: `rest` says where, and has tokens.
    - `accounting`: whether jobs go on record. Without it there is no slurmdbd, and ``sacct`` says so, as on many small sites.
    - `emulated_nodes`: how many nodes there are beside those, in the partition ``emulated``: one machine has them all, so that a
      thousand fit. Their jobs truly run there.
    - `requirements`: what pip is to install into an environment on the shared volume, which is the Python of jobs then. It is
      downloaded here: the nodes need no network.
    - `editable`: the root of a Python project. It is mounted on login node and nodes, read only, and importable there with what
      it depends on, as after ``pip install --editable``.
    - `second_factor`: the login node asks for a password after the key: that of the property `second_factor`. `log_in`
      answers, once for all clients.
    - `bastion`: it is reached through a jump host alone, which runs nothing and leads nowhere else.
    - `talking_login`: it prints before and after the login, and whenever a shell starts, on stdout and stderr.

    As a context manager it is up inside the block and gone after it. Raises `ClusterError` for
    arguments that make no sense.
    """

    def __init__(  # noqa: PLR0913 - all that a cluster can be
        self,
        project: str = "slurm-tasks",
        *,
        ssh_port: int | None = None,
        release: str = releases.DEFAULT,
        state_dir: str | os.PathLike[str] | None = None,
        settings: Mapping[str, str | int] | None = None,
        shared_size: str | None = None,
        containers: bool = False,
        mpi: bool = False,
        packages: Sequence[str] = (),
        nodes: Sequence[Node | str] = (),
        partitions: Sequence[Partition | str] = (),
        users: Sequence[str] = (),
        accounts: Sequence[Account | str] = (),
        qos: Sequence[QOS | str] = (),
        requirements: Sequence[str] = (),
        editable: str | os.PathLike[str] | None = None,
        second_factor: bool = False,
        bastion: bool = False,
        talking_login: bool = False,
        rest: bool = False,
        accounting: bool = True,
        emulated_nodes: int = 0,
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
            mpi=mpi,
            second_factor=second_factor,
            bastion=bastion,
            talking_login=talking_login,
            rest=rest,
            accounting=accounting,
            emulated_nodes=emulated_nodes,
        )
        chosen = Path(state_dir) if state_dir is not None else access.default_folder(project)
        folder = chosen.expanduser().absolute()
        self.compose: ComposeProject = ComposeProject(
            project, release, ssh_port or 0, self.shape, folder
        )
        python = f"{ENVIRONMENT}/bin/python" if self.shape.has_environment else ""
        elsewhere = is_elsewhere(os.environ.get("DOCKER_HOST", ""))
        self.access: access.Access = access.Access(
            project,
            folder,
            USER,
            self.nodes,
            python,
            bool(self.shape.editable),
            self.shape.bastion,
            self.shape.second_factor,
            relay_of(f"{project}-{self.shape.entrance}-1") if elsewhere else "",
        )

        self._rest_relay: Relay | None = None

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
        known(user, self.shape.people)
        return self.access.of(user)

    @property
    def rest(self) -> RestService:
        """Its slurmrestd. Raises `ClusterError` where there is none."""
        return rest_of(self)

    def rest_relay(self) -> Relay:
        """A port of this machine that leads to its slurmrestd through the engine, until `down`."""
        if self._rest_relay is None:
            container = f"{self.project}-{REST_SERVICE}-1"
            self._rest_relay = Relay(relay_command(container, REST_PORT))
        return self._rest_relay

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
            self._require_its_release(existing)
            done = self._made_way(existed=existing is not None)
            self.compose.write()
            self.compose.image.build()
            with self._removed_on_failure(existed=done == SAME):
                rest_port = self.access.rest_port() if self.shape.rest else None
                port = self._start_at(self.compose.port or self.access.port(), rest_port)
                if done == SAME:  # else what is healthy was so a moment ago
                    self.wait_until_ready(*self.nodes)
                self._write_access(port)
                make_environment(self)
            self.access.shape_file.write_text(self.shape.to_json(), "utf-8")
        return f"The cluster {self.project} {done}."

    def down(self) -> None:
        """Remove the cluster's containers, volumes and network, and the files in `state_dir`."""
        self.log_out()
        if self._rest_relay is not None:
            self._rest_relay.close()
            self._rest_relay = None
        self.compose.remove()
        self.access.lock.unlink(missing_ok=True)
        self.access.remove()

    def is_up(self) -> bool:
        """Whether the cluster answers now, all nodes take jobs, and the files here lead to it."""
        if not self.access.exists():
            return False
        published = self.compose.run("port", self.shape.entrance, "22", check=False).stdout.strip()
        port = published.rpartition(":")[2]
        return port == str(self.access.port()) and self._usable_nodes() == {
            *self.nodes,
            *self.shape.emulated_hosts,
        }

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

    @property
    def features(self) -> Features:
        """What it has of what sites have. Raises `ClusterError` if it is not up."""
        config = self.exec("slurmctld", ["scontrol", "show", "config"]).stdout
        release = self.compose.running_release() or self.compose.release
        return features_of(self.shape, releases.release_named(release), config)

    def status(self) -> str:
        """What ``docker compose ps`` and ``sinfo`` print, and its `features`. Raises `ClusterError` if it is not up."""
        services = self.compose.run("ps", "--all").stdout
        if len(services.splitlines()) < 2:
            raise ClusterError(f"the cluster {self.project} is not up")
        nodes = self.exec("login", ["sinfo", "--long", "--Node"], check=False)
        shown = nodes.stdout if nodes.returncode == 0 else f"sinfo: {explain(nodes)}\n"
        try:
            features = str(self.features)
        except ClusterError as error:
            features = str(error)
        rest = f"slurmrestd: {said_of_rest(self)}\n" if self.access.rest_port() else ""
        return f"{services}\n{shown}\n{rest}features: {features}"

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

    def _usable_nodes(self) -> set[str]:
        done = self.exec("login", ["sinfo", "--all", "-h", "-N", "-o", "%N %T"], check=False)
        rows = (line.split() for line in done.stdout.splitlines())
        return {row[0] for row in rows if len(row) == 2 and row[1] in USABLE}
