"""A command of the policy, such as rsync, in place of the SDK's own way to bring artifacts home."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Sequence
from pathlib import Path

from slurm.api.base import BackendBase
from slurm.config.findings import printable
from slurm.errors import RemoteFileError
from slurm.runs.arrival import KEPT, Arrived, alone, at_home, remote_of, said
from slurm.runs.design import Design
from slurm.runs.fetch import Fetch
from slurm.runs.home import Home
from slurm.runs.manifest import Manifest
from slurm.runs.places import outputs_of
from slurm.runs.policy import RSYNC
from slurm.runs.sharing import make_directory
from slurm.runs.sync_plan import MOST_FILES, plan

TERMINAL = 2  # where the command's output goes


def bring_by_command(
    manifest: Manifest, design: Design, backend: BackendBase, argv: Sequence[str], root: Path
) -> Arrived:
    """Have a command of the policy bring them, without a shell; then look whether they are here as on the cluster."""
    outputs = outputs_of(manifest)
    try:
        with alone(manifest):
            make_directory(outputs)
            done = subprocess.run(
                argv, cwd=root, stdin=subprocess.DEVNULL, stdout=TERMINAL, check=False
            )
    except OSError as error:
        why = said(outputs, error) if error.filename != argv[0] else str(error.strerror)
        return dataclasses.replace(at_home(manifest, design), error=f"{argv[0]}: {why}")
    here = at_home(manifest, design)
    if done.returncode:
        how = f"exit status {done.returncode}"
        if done.returncode < 0:
            how = f"signal {-done.returncode}"
        return dataclasses.replace(
            here, error=f"{argv[0]} ended with {how} ({RSYNC} of the policy)"
        )
    other = _differing(manifest, design, backend)
    if not other:
        return here
    more = f" and {len(other) - 1} more" if len(other) > 1 else ""
    text = f"{printable(other[0])}{more}: not as on the cluster, after {argv[0]}"
    return dataclasses.replace(here, error=text)


def rsync_source(backend: BackendBase, remote: str) -> str:
    """What ``{{source}}`` of an rsync command stands for: with the host, where there is one."""
    from slurm.api.ssh import SSHCommandBackend

    if remote.startswith("~/"):
        remote = f"{backend.host().home}{remote[1:]}"
    place = remote.rstrip("/") + "/"
    if not isinstance(backend, SSHCommandBackend):
        return place
    command = backend.command
    host = f"[{command.hostname}]" if ":" in command.hostname else command.hostname
    return f"{command.username}@{host}:{place}" if command.username else f"{host}:{place}"


def _differing(manifest: Manifest, design: Design, backend: BackendBase) -> list[str]:
    """The files that are here, and not as they are on the cluster, as far as the backend can tell."""
    remote = remote_of(manifest, design)
    home = Home(outputs_of(manifest))
    try:
        found = plan(backend.list_tree(remote, MOST_FILES).files, design, 1 << 62).wanted
    except RemoteFileError:
        return []
    here = [file for file in found if home.find(file.path) is not None]
    same = Fetch(backend, remote, home, outputs_of(manifest).parent / KEPT).same(here)
    right = {file.path for file in same}
    return [file.path for file in here if file.path not in right]
