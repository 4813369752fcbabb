"""The files by which one dockerised cluster is reached: keys, ssh and SDK configuration."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shlex
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slurm.testing.errors import ClusterError
from slurm.testing.shape import BASTION, LOGIN, USER
from slurm.testing.shape_files import SHAPE_FILE

HOST = "127.0.0.1"
USERS = "users"


@dataclass(frozen=True)
class Access:
    """Where the files of the cluster `project` lie: in `folder`, which only its owner may enter.

    They let in `user`, also to the `nodes`. `python` is the interpreter of jobs where that is none of the system's; where the
    code is `there` already, none is sent along. `bastion`: whether they lead through one; `asks`: whether the login node asks for
    a password after the key. `relay` is the command by which ssh gets there where no port of this machine leads there.
    """

    project: str
    folder: Path
    user: str = USER
    nodes: Sequence[str] = ()
    python: str = ""
    there: bool = False
    bastion: bool = False
    asks: bool = False
    relay: str = ""

    @property
    def identity_file(self) -> Path:
        """The user's private key."""
        return self.folder / "id_ed25519"

    @property
    def second_factor(self) -> Path:
        """The password that the login node asks for, where it does."""
        return self.folder / "second_factor"

    @property
    def answer(self) -> Path:
        """A program that prints that password, for ``SSH_ASKPASS``."""
        return self.folder / "answer"

    @property
    def known_hosts(self) -> Path:
        """The keys of login node, nodes and bastion, pinned."""
        return self.folder / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """For ``ssh -F``; the host's name in it is the project's."""
        return self.folder / "ssh_config"

    @property
    def slurmfile(self) -> Path:
        """For `Cluster.from_env`."""
        return self.folder / "Slurmfile.toml"

    @property
    def env_file(self) -> Path:
        """For a shell to source: ``SLURMFILE``."""
        return self.folder / "cluster.env"

    @property
    def shape_file(self) -> Path:
        """What the cluster was like when it was brought up, for `Shape.from_json`."""
        return self.folder / "shape.json"

    @property
    def rest_file(self) -> Path:
        """Where slurmrestd answers, if there is one."""
        return self.folder / "rest_url"

    @property
    def lock(self) -> Path:
        """For processes that share the cluster; held while one of them starts it."""
        return self.folder / "lock"

    def of(self, user: str) -> Access:
        """The files that let another user in."""
        return (
            self
            if user == self.user
            else replace(self, folder=self.folder / USERS / user, user=user)
        )

    def exists(self) -> bool:
        """Whether the cluster was brought up and its files were not removed since."""
        return self.slurmfile.is_file()

    def port(self) -> int | None:
        """Where on 127.0.0.1 the files lead to; None where there are none."""
        if not self.exists():
            return None
        found = re.search(r"^ +Port ([0-9]+)$", self.ssh_config.read_text("utf-8"), re.MULTILINE)
        return int(found.group(1)) if found else None

    def rest_port(self) -> int | None:
        """Where on 127.0.0.1 slurmrestd answers; None where there is none."""
        if not self.rest_file.is_file():
            return None
        found = re.search(r":([0-9]+)$", self.rest_file.read_text("utf-8"), re.MULTILINE)
        return int(found.group(1)) if found else None

    def write_rest(self, port: int) -> None:
        """Write down where slurmrestd answers."""
        _write_text(self.rest_file, f"http://{HOST}:{port}\n")

    def write(
        self,
        *,
        port: int,
        host_key: str,
        write_private_key: Callable[[int], None],
        bastion_key: str = "",
        write_second_factor: Callable[[int], None] | None = None,
    ) -> None:
        """Write all files; the Slurmfile last, for it says that the others are there.

        `host_key` is the public key as ``ssh-keygen -y`` prints it, and so is `bastion_key`, where there is one.
        `write_private_key` gets the descriptor of the file that is to hold the private key, `write_second_factor` that of
        the password's.
        """
        self.make_folder()
        _write(self.identity_file, write_private_key)
        if write_second_factor is not None:
            _write(self.second_factor, write_second_factor)
            program = f"#!/bin/sh\nexec cat {shlex.quote(str(self.second_factor))}\n"
            _write_text(self.answer, program, 0o700)
        outside = f"[{HOST}]:{port}"
        keys = dict.fromkeys(
            [LOGIN, *self.nodes] if self.bastion else [outside, *self.nodes], host_key
        )
        keys.update({outside: bastion_key} if self.bastion else {})
        lines = [f"{host} {' '.join(key.split()[:2])}\n" for host, key in keys.items()]
        _write_text(self.known_hosts, "".join(lines))
        _write_text(self.ssh_config, self._ssh_config(port))
        quoted = shlex.quote(str(self.slurmfile))
        _write_text(self.env_file, f"SLURMFILE={quoted}\nexport SLURMFILE\n")
        _write_text(self.slurmfile, self._slurmfile(port))

    def make_folder(self) -> None:
        """Make the folder, which keeps itself out of git. Raises `ClusterError`."""
        if '"' in str(self.folder) or "\n" in str(self.folder):
            raise ClusterError(
                f"ssh cannot read files in {str(self.folder)!r}: choose another folder"
            )
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            _write_text(self.folder / ".gitignore", "*\n")
        except OSError as error:
            raise ClusterError(f"cannot write to {self.folder}: {error.strerror}") from error

    def remove(self) -> None:
        """Remove the files, and the folders made for them where nothing else is in them."""
        for folder in self.folder.glob(f"{USERS}/*"):
            replace(self, folder=folder).remove()
        _remove_if_empty(self.folder / USERS)
        mine = (
            self.shape_file,
            self.rest_file,
            self.folder / SHAPE_FILE,
            self.slurmfile,
            self.env_file,
            self.ssh_config,
            self.known_hosts,
            self.identity_file,
            self.second_factor,
            self.answer,
        )
        for path in (*mine, self.folder / ".gitignore"):
            path.unlink(missing_ok=True)
        _remove_if_empty(self.folder)
        if self.folder.parent.name == DEFAULT_PARENT:
            _remove_if_empty(self.folder.parent)

    def _ssh_config(self, port: int) -> str:
        common = f"""\
    User {self.user}
    IdentityFile {_ssh_path(self.identity_file)}
    IdentitiesOnly yes
    {"NumberOfPasswordPrompts 1" if self.asks else "BatchMode yes"}
    StrictHostKeyChecking yes
    UserKnownHostsFile {_ssh_path(self.known_hosts)}
    GlobalKnownHostsFile /dev/null
"""
        relay = f"    ProxyCommand {self.relay}\n" if self.relay else ""
        outside = f"    HostName {HOST}\n    Port {port}\n{relay}{common}"
        login = f"Host {self.project}\n{outside}"
        if self.bastion:
            gate = f"{self.project}-{BASTION}"
            login = f"Host {self.project}\n    HostName {LOGIN}\n    ProxyJump {gate}\n{common}"
            login += f"Host {gate}\n{outside}"
        nodes = " ".join(node for node in self.nodes if node != self.project)
        return f"{login}Host {nodes}\n    ProxyJump {self.project}\n{common}" if nodes else login

    def _slurmfile(self, port: int) -> str:
        python = f'python = "{self.python}"\n' if self.python else ""
        packaging = '\n[default.packaging]\ntype = "none"\n' if self.there else ""
        return f"""\
[default.cluster]
backend = "ssh"
job_base_dir = "~/slurm_jobs"
{python}
[default.cluster.backend_config]
{self._host_of_slurmfile(port)}{packaging}"""

    def _host_of_slurmfile(self, port: int) -> str:
        if self.bastion or self.relay:  # of which an ssh_config alone can tell
            return f'hostname = "{self.project}"\nconfig_file = {_toml_path(self.ssh_config)}\n'
        return f"""\
hostname = "{HOST}"
port = {port}
username = "{self.user}"
identity_file = {_toml_path(self.identity_file)}
known_hosts_file = {_toml_path(self.known_hosts)}
"""


DEFAULT_PARENT = ".slurm-cluster"


def default_folder(project: str, base: Path | None = None) -> Path:
    """Where the files of `project` go: ``.slurm-cluster/<project>`` in `base` or here."""
    return (base or Path.cwd()) / DEFAULT_PARENT / project


def free_port() -> int:
    """A port on 127.0.0.1 that nobody has, below those that kernels give to whoever asks for any."""
    while True:
        port = random.randrange(20000, 32000)  # no secret
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind((HOST, port))
            return port


def _ssh_path(path: Path) -> str:
    return '"' + str(path).replace("%", "%%") + '"'


def _toml_path(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)


def _write_text(path: Path, text: str, mode: int = 0o600) -> None:
    def write(descriptor: int) -> None:
        os.write(descriptor, text.encode())

    _write(path, write, mode)


def _write(path: Path, write: Callable[[int], None], mode: int = 0o600) -> None:
    """Only for its owner, and whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        write(descriptor)
        os.fsync(descriptor)
        os.replace(partial, path)
    finally:
        os.close(descriptor)
        partial.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
