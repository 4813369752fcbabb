"""How the login node of a dockerised cluster is entered, where that is as hard as at sites.

- `second_factor`: it asks for a password after the key.
- `bastion`: a jump host is before it, a machine of its own that runs nothing and lets nobody through but to the login node.
- `talking_login`: banner, message of the day and start-up files print, on stdout and stderr.

``docker/login.sh`` makes them so. Who is to be let in without a terminal has ssh ask a program, ``SSH_ASKPASS``, that
prints the password; it lies beside the keys.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from slurm.testing.commands import explain
from slurm.testing.errors import ClusterError

if TYPE_CHECKING:
    from slurm.testing.access import Access
    from slurm.testing.shape import Shape

LOGIN_TIMEOUT = 120.0


def login_words(shape: Shape) -> list[str]:
    """What ``docker/login.sh`` is told on the login node.

    >>> from slurm.testing.shape import Shape
    >>> login_words(Shape(second_factor=True, talking_login=True)), login_words(Shape(bastion=True))
    (['second-factor', 'talking'], [])
    """
    wanted = {"second-factor": shape.second_factor, "talking": shape.talking_login}
    return [word for word, is_wanted in wanted.items() if is_wanted]


def answering(access: Access) -> dict[str, str]:
    """The environment in which ssh answers the login node's question itself; none where it asks nothing."""
    if not access.asks:
        return {}
    return {"SSH_ASKPASS": str(access.answer), "SSH_ASKPASS_REQUIRE": "force"}


class Enterable:
    """What a `DockerCluster` can do about its login. All raise `ClusterError`."""

    access: Access
    shape: Shape

    @property
    def second_factor(self) -> str:
        """The password that the login node asks for after the key: what a user would type. All users have the same."""
        if not self.access.second_factor.is_file():
            raise ClusterError(f"the cluster {self.access.project} asks for no second factor")
        return self.access.second_factor.read_text("utf-8").strip()

    def log_in(self, user: str = "") -> None:
        """Do what ``slurm login`` does for a user, with the answer given: clients of this machine are let in from now on.

        Where nothing is asked for, nothing needs be done. `down` logs out.
        """
        if self.shape.second_factor:
            self._slurm_login(user)

    def log_out(self, user: str = "") -> None:
        """Have clients asked again; those that are connected lose their connection."""
        if self.access.second_factor.is_file() and self.access.exists():
            self._slurm_login(user, "--exit")

    def _slurm_login(self, user: str, *options: str) -> None:
        files = self.access.of(user or self.access.user)
        argv = [sys.executable, "-m", "slurm.cli", "login", "--slurmfile", str(files.slurmfile)]
        try:
            done = subprocess.run(
                [*argv, "--env", "default", *options],
                env={**os.environ, **answering(files)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LOGIN_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"slurm login took more than {LOGIN_TIMEOUT:g} s") from error
        if done.returncode != 0:
            raise ClusterError(f"slurm login failed: {explain(done)}")
