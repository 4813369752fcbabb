"""A packaging strategy of a site: the code travels as it is, and each job has a directory of its own on the node's disk."""

from __future__ import annotations

import shlex
from typing import Any

from slurm.errors import ConfigError
from slurm.packaging import Environment, SourcePackagingStrategy


class ScratchPackaging(SourcePackagingStrategy):
    """As the packaging ``source``, with ``TMPDIR`` on the node's own disk; it is gone when the job ends.

    - `root`: an absolute path on the nodes; `keep`: whether the directory stays.
    """

    def __init__(self, *, root: str = "/tmp", keep: bool = False, **source: Any) -> None:
        super().__init__(**source)
        if not root.startswith("/"):
            raise ConfigError(f"root {root!r} is not an absolute path")
        self.root = root
        self.keep = keep

    def generate_setup_commands(self, task: Any, environment: Environment) -> list[str]:
        root = shlex.quote(self.root)
        return [
            *super().generate_setup_commands(task, environment),
            f'TMPDIR=$(mktemp -d -- {root}/job-"${{SLURM_JOB_ID:-local}}"-XXXXXX) || exit 1',
            "export TMPDIR",
        ]

    def generate_cleanup_commands(self, task: Any, environment: Environment) -> list[str]:
        more = [] if self.keep else ['rm -rf -- "$TMPDIR"']
        return [*super().generate_cleanup_commands(task, environment), *more]
