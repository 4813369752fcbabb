"""A run's artifacts through a real ssh: few round trips, past a cut, and names that nobody would choose."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.run_manifests import written

from large_client import connections
from slurm import Cluster
from slurm.api.ssh import SSHCommandBackend
from slurm.errors import TransportError
from slurm.runs import store
from slurm.runs.arrival import Arrived
from slurm.runs.logs import copy_logs
from slurm.runs.policy import load_policy
from slurm.runs.sync import sync_run

pytestmark = pytest.mark.slurm

TIMEOUT = 120.0
MB = 1 << 20
COMPLETED = {"state": "COMPLETED", "ended": True}


class Home:
    """A run at home whose artifacts are in a directory of the cluster."""

    def __init__(self, root: Path, cluster: Cluster, there: str) -> None:
        (root / ".slurm").mkdir()
        changes: dict[str, Any] = {"artifacts": {"remote": there}, "scheduler": COMPLETED}
        self.path = written(root, status="running", **changes)
        self.outputs = self.path.parent / "outputs"
        self.root, self.cluster = root, cluster

    def bring(self, progress: Callable[[str, int, int], object] | None = None) -> Arrived:
        policy = load_policy(self.root)
        return sync_run(store.read(self.path), self.cluster, policy, progress)


@pytest.fixture
def home(tmp_path: Path, cluster: Cluster, workdir: str) -> Home:
    return Home(tmp_path, cluster, workdir)


def make(cluster: Cluster, folder: str, program: str) -> None:
    """Have a program make files there; it is run in the directory."""
    python = cluster.backend.host().executable
    code = f"import os, sys; os.chdir(sys.argv[1])\n{program}"
    status, output = cluster.backend.run_program([python, "-c", code, folder], timeout=TIMEOUT)
    assert status == 0, output


def asked(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the agent is asked from here on."""
    seen: list[str] = []
    backend = cluster.backend
    assert isinstance(backend, SSHCommandBackend)
    real = backend.request

    def request(op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        seen.append(op)
        return real(op, params, blob)

    monkeypatch.setattr(backend, "request", request)
    return seen


def test_three_hundred_files_come_in_few_round_trips(
    home: Home, workdir: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(
        home.cluster,
        workdir,
        "for i in range(300):\n"
        "    os.makedirs(f'deep/{i % 7}', exist_ok=True)\n"
        "    open(f'deep/{i % 7}/{i}', 'w').write(str(i) * 100)",
    )
    seen = asked(home.cluster, monkeypatch)
    found = home.bring()
    assert (found.files, found.complete) == (300, True)
    assert (home.outputs / "deep/4/11").read_text() == "11" * 100
    assert len(seen) <= 5
    seen.clear()
    assert home.bring().came == 0
    assert seen == ["tree"]


def test_a_large_file_goes_on_past_a_cut(home: Home, workdir: str) -> None:
    size = 30 * MB
    make(home.cluster, workdir, f"open('large', 'wb').write(os.urandom({size}))")
    cuts: list[int] = []

    def cut(path: str, done: int, total: int) -> None:
        if done >= total // 2 and not cuts:
            cuts.extend(connections())
            for pid in cuts:
                os.kill(pid, signal.SIGKILL)

    found = home.bring(cut)
    assert cuts
    assert (found.complete, found.came) == (True, size)
    [there] = home.cluster.backend.sum_parts([(f"{workdir}/large", 0, size)])

    assert hashlib.sha256((home.outputs / "large").read_bytes()).hexdigest() == there.sha256


def test_one_that_was_given_up_is_continued(home: Home, workdir: str) -> None:
    size = 30 * MB
    make(home.cluster, workdir, f"open('large', 'wb').write(os.urandom({size}))")

    def give_up(path: str, done: int, total: int) -> None:
        if done >= total // 2:
            raise TransportError("no route to host")

    with pytest.raises(TransportError):
        home.bring(give_up)
    assert not (home.outputs / "large").exists()
    found = home.bring()
    assert found.complete
    assert found.came <= size // 2


def test_names_that_nobody_would_choose(home: Home, workdir: str) -> None:
    names = [b"caf\xe9", b"new\nline", b"-rf", b"$(id)", "snow\u2603".encode(), b"a\\b", b" "]
    make(
        home.cluster,
        workdir,
        f"for name in {names!r}:\n    open(name, 'wb').write(name)\n"
        "os.symlink('/etc/passwd', 'out'); os.symlink('-rf', 'in'); os.mkfifo('pipe')",
    )
    found = home.bring()
    here = {os.fsencode(path.name): path.read_bytes() for path in home.outputs.iterdir()}
    assert here == {**{name: name for name in names}, b"in": b"-rf"}
    assert {one.path for one in found.skipped} == {"out", "pipe"}


def test_the_policys_rsync_is_run(home: Home, workdir: str) -> None:
    """By a program in its place: it is told the host and the directory."""
    (home.root / ".slurm" / "policy.yaml").write_text(
        'sync.rsync_command: sh -c \'printf %s "$0" > "$1"said\' {{source}} {{destination}}\n'
    )
    assert home.bring().complete
    said = (home.outputs / "said").read_text()
    assert said.endswith(f":{workdir}/")
    assert home.cluster.backend.command.hostname in said  # type: ignore[attr-defined]


def test_logs_come_home(home: Home, workdir: str) -> None:
    make(home.cluster, workdir, "open('slurm-4711.out', 'w').write('done')")
    manifest = store.change(
        home.path, lambda found: found.having("submission", job_dir=workdir, script="run.sbatch")
    )
    assert copy_logs(manifest, home.cluster.backend) == (["logs/slurm-4711.out"], "")
    assert (home.path.parent / "logs/slurm-4711.out").read_text() == "done"
