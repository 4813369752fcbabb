"""A run's artifacts, brought home: all that is wanted, nothing twice, and never outside of ``outputs/``."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import runs_home
from tests.helpers.fakes import FakeBackend
from tests.helpers.runs_home import Distant, Run
from tests.helpers.told import environment, told

from slurm.api.local import LocalBackend
from slurm.api.requests import Tree, TreeFile
from slurm.errors import TransportError
from slurm.runs.arrival import Arrived, BeingSynced
from slurm.runs.home import Home

MB = 1 << 20


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def far() -> Distant:
    return Distant()


def block(size: int) -> bytes:
    return random.Random(size).randbytes(size)


# --- what comes ----------------------------------------------------------------------------------


def test_everything_comes_where_nothing_is_said(run: Run, tmp_path: Path) -> None:
    """From another directory of a machine that shares its file system, with the same code."""
    run.put("metrics.json", "{}")
    run.put("model/best.pt", block(3 * MB))
    run.put("empty")
    local = LocalBackend(state_dir=str(tmp_path / "state"))
    found = run.bring(local)
    assert run.here() == {"metrics.json": b"{}", "model/best.pt": block(3 * MB), "empty": b"x"}
    assert found == Arrived(3, 3 * MB + 3, came=3 * MB + 3)
    modes = {path.stat().st_mode & 0o777 for path in [run.home, *run.home.rglob("*")]}
    assert modes == {0o700, 0o600}
    assert run.bring(local) == Arrived(3, 3 * MB + 3)


def test_many_small_files_come_in_few_round_trips_and_never_again(run: Run, far: Distant) -> None:
    for number in range(300):
        run.put(f"deep/{number % 7}/{number}", str(number))
    found = run.bring(far)
    assert (found.files, found.complete, len(far.asked)) == (300, True, 3)
    far.asked.clear()
    assert run.bring(far).came == 0
    assert far.asked == ["tree"]


def test_what_is_here_with_another_time_is_compared_and_not_fetched(run: Run, far: Distant) -> None:
    for name, size in (("large", 2 * MB), ("small", 10), ("other", 10)):
        run.put(name, block(size))
        run.home.mkdir(exist_ok=True)
        (run.home / name).write_bytes(block(size))
    (run.home / "other").write_bytes(b"0123456789")
    assert run.bring(far).came == 10
    assert run.here()["other"] == block(10)
    far.asked.clear()
    assert run.bring(far).came == 0
    assert far.asked == ["tree"]


def test_patterns_choose_and_what_is_required_always_comes(run: Run, far: Distant) -> None:
    run.design(
        "artifacts:\n  required: [metrics.json, 'model/*.pt']\n"
        "  include: ['*.txt', 'plots/**']\n  exclude: [metrics.json, plots/raw]\n"
    )
    for name in ("metrics.json", "model/a.pt", "a.txt", "plots/a/b.png", "plots/raw/c", "big.bin"):
        run.put(name)
    assert run.bring(far) == Arrived(4, 4, came=4)
    assert set(run.here()) == {"metrics.json", "model/a.pt", "a.txt", "plots/a/b.png"}


@pytest.mark.parametrize("required", ["metrics.json", "'*.pt'", "model/"])
def test_what_is_required_and_not_there_is_missing(required: str, run: Run, far: Distant) -> None:
    run.design(f"artifacts:\n  required: [{required}]\n")
    run.put("deep/metrics.json")
    run.put("model2/deep/a.pt2")
    found = run.bring(far)
    assert (found.missing, found.files) == ((required.strip("'"),), 2)
    assert not found.complete


def test_a_file_above_the_cap_is_skipped_and_missing_if_it_is_required(
    run: Run, far: Distant
) -> None:
    run.design("artifacts: {required: [model.pt, metrics.json]}\n")
    run.put("model.pt", bytes(2000))
    run.put("metrics.json", bytes(600))
    run.put("big", bytes(500))
    run.put("log", bytes(400))
    found = run.bring(far, most_bytes=1024)
    assert set(run.here()) == {"metrics.json", "log"}
    assert found.missing == ("model.pt",)
    assert [one.path for one in found.skipped] == ["model.pt", "big"]
    assert "model.pt: its 2K are more than what is left of 1K (sync.max_size" in found.error


def test_an_artifact_that_leads_elsewhere_is_not_followed(run: Run, far: Distant) -> None:
    secret = run.there.parent / "secret"
    secret.write_text("secret")
    (run.there / "link").symlink_to("../secret")
    os.mkfifo(run.there / "pipe")
    run.put("fine")
    found = run.bring(far)
    assert run.here() == {"fine": b"x"}
    assert found.complete
    assert [one.path for one in found.skipped] == ["link", "pipe"]


def test_odd_names_arrive(run: Run, far: Distant) -> None:
    names = [b"caf\xe9", b"new\nline", b"-rf", b"$(id)", "snow\u2603/man".encode(), b"a\\b", b"~"]
    for name in names:
        run.put(os.fsdecode(name), name)
    assert run.bring(far).files == len(names)
    assert {os.fsencode(name): content for name, content in run.here().items()} == {
        name: name for name in names
    }


def test_progress_is_told_of_all_bytes(run: Run, far: Distant) -> None:
    run.put("large", bytes(2 * MB))
    run.put("small", bytes(10))
    steps: list[tuple[str, int, int]] = []
    run.bring(far, progress=lambda *step: steps.append(step))
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)
    assert steps[-1][1:] == (2 * MB + 10, 2 * MB + 10)
    assert len(steps) > 8


# --- what is here --------------------------------------------------------------------------------


def test_where_they_are_home_by_themselves_they_are_looked_at(run: Run, tmp_path: Path) -> None:
    run.design("artifacts: {required: [metrics.json, model.pt]}\n")
    shared = Run(tmp_path / "shared", artifacts={"remote": str(tmp_path / "link")})
    (tmp_path / "link").symlink_to(shared.home)
    shared.design("artifacts: {required: [metrics.json, model.pt]}\n")
    shared.home.mkdir()
    (shared.home / "metrics.json").write_text("{}")
    local = LocalBackend(state_dir=str(tmp_path / "state"))
    assert shared.bring(local) == Arrived(1, 2, ("model.pt",))
    assert not (shared.path.parent / ".sync").exists()


def test_nothing_is_written_through_a_link_at_home(run: Run, far: Distant, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    run.home.mkdir()
    (run.home / "deep").symlink_to(outside)
    run.put("deep/a", "new")
    found = run.bring(far)
    assert "deep/a: nothing is written through the link 'deep'" in found.error
    assert list(outside.iterdir()) == []
    (run.home / "deep").unlink()
    (outside / "a").write_text("old")
    (run.home / "deep").mkdir()
    (run.home / "deep" / "a").symlink_to(outside / "a")
    assert run.bring(far).complete
    assert (outside / "a").read_text() == "old"
    assert (run.home / "deep" / "a").read_text() == "new"


class Hostile(Distant):
    """One that names files that are not in the directory."""

    def list_tree(self, path: str, most: int) -> Tree:
        names = ("../up", "/etc/passwd", "a/../../up", "a//b", ".")
        others = tuple(TreeFile(name, 1) for name in names)
        return Tree((*others, *super().list_tree(path, most).files))


def test_a_cluster_that_names_files_elsewhere_is_not_believed(run: Run) -> None:
    run.put("fine")
    (run.there.parent / "up").write_text("u")
    found = run.bring(Hostile())
    assert (found.files, len(found.skipped)) == (1, 5)
    assert not (run.path.parent / "up").exists()


@pytest.mark.parametrize("path", ["../up", "/tmp/up", "a/../../up", "", ".", "a//b"])
def test_a_home_takes_nothing_that_leads_out_of_it(path: str, tmp_path: Path) -> None:
    (tmp_path / "part").write_text("x")
    home = Home(tmp_path / "outputs")
    attempts: list[Callable[[], object]] = [
        lambda: home.put(tmp_path / "part", path),
        lambda: home.write(path, b"x"),
        lambda: home.find(path),
    ]
    for attempt in attempts:
        with pytest.raises(PermissionError, match="it leads out of its directory"):
            attempt()
    assert os.listdir(tmp_path) == ["part"]


def test_outputs_may_be_a_link_to_where_there_is_room(
    run: Run, far: Distant, tmp_path: Path
) -> None:
    (tmp_path / "roomy").mkdir()
    run.home.symlink_to(tmp_path / "roomy")
    run.design("artifacts: {required: [deep/a]}\n")
    run.put("deep/a")
    assert run.bring(far).complete
    assert (tmp_path / "roomy" / "deep" / "a").read_bytes() == b"x"


def test_what_stands_in_the_way_is_said_in_one_line(run: Run, far: Distant) -> None:
    run.put("a/b")
    run.home.mkdir()
    (run.home / "a").write_text("a file")
    found = run.bring(far)
    assert found.error == f"{run.home}/a/b: not a directory"
    (run.home / "a").unlink()
    run.put("c")
    (run.home / "c" / "d").mkdir(parents=True)
    assert run.bring(far).error == f"{run.home}/c: is a directory"


def test_one_alone_brings_a_run_home(run: Run, far: Distant) -> None:
    run.put("a")

    def meanwhile(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        far.between = lambda op, params, blob: blob
        with pytest.raises(BeingSynced, match="another process brings its artifacts home"):
            run.bring(Distant())
        return blob

    far.between = meanwhile
    assert run.bring(far).complete


# --- what is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize(("design", "fine"), [("", True), ("artifacts: {required: [a]}\n", False)])
def test_a_directory_that_is_not_there(design: str, fine: bool, run: Run, far: Distant) -> None:
    run.design(design)
    run.there.rmdir()
    found = run.bring(far)
    assert found.complete is fine
    assert found.missing == (() if fine else ("a",))
    assert ("the artifacts' directory is not there" in found.error) is not fine


def test_a_directory_that_nobody_knows(tmp_path: Path, far: Distant) -> None:
    run = Run(tmp_path, artifacts={})
    assert run.bring(far) == Arrived()
    run.design("artifacts: {required: [a]}\n")
    assert "artifacts.remote" in run.bring(far).error
    run.put("a")
    run.design(f"artifacts: {{required: [a], remote: '{run.there}'}}\n")
    assert run.bring(far).complete


def test_a_backend_that_cannot_list_says_so(run: Run, backend: FakeBackend) -> None:
    assert "FakeBackend has no list_tree" in run.bring(backend).error


def test_an_unreachable_cluster_is_the_callers_and_what_came_stays(run: Run, far: Distant) -> None:
    run.put("large", block(2 * MB))
    run.put("a", "small")

    def cut(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if params.get("offset", 0) >= MB:
            raise TransportError("no route to host")
        return blob

    far.between = cut
    with pytest.raises(TransportError, match="no route"):
        run.bring(far)
    assert run.here() == {"a": b"small"}
    again = Distant()
    assert run.bring(again).came == again.read == MB
    assert run.here()["large"] == block(2 * MB)


# --- what changes meanwhile, and what is cut off ---------------------------------------------------


class Garbling(Distant):
    """One whose first answer to an operation has a wrong byte in it."""

    def __init__(self, operation: str) -> None:
        super().__init__()
        self.operation = operation

    def request(self, op: str, params: dict[str, Any], blob: bytes = b"") -> tuple[Any, bytes]:
        answer, out = super().request(op, params, blob)
        if op == self.operation:
            self.operation = ""
            out = b"?" + out[1:]
        return answer, out


@pytest.mark.parametrize(("operation", "size"), [("read_many", 10), ("read", 2 * MB)])
def test_a_wrong_byte_on_the_way_is_noticed(operation: str, size: int, run: Run) -> None:
    run.put("a", block(size))
    run.put("b", b"fine")
    assert run.bring(Garbling(operation)).complete
    assert run.here() == {"a": block(size), "b": b"fine"}


def test_the_version_that_came_is_the_one_that_was_named(run: Run, far: Distant) -> None:
    path = run.put("a", bytes(10))
    run.put("b", b"fine")

    def replacing(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if op == "sums":
            far.between = lambda op, params, blob: blob
            path.write_bytes(block(10))
            os.utime(path, ns=(1, 1))
        return blob

    far.between = replacing
    assert run.bring(far).complete
    assert run.here()["a"] == block(10)
    assert (run.home / "a").stat().st_mtime_ns == 1


@pytest.mark.parametrize("size", [10, 2 * MB])
def test_a_file_that_is_replaced_meanwhile_comes_as_it_is_at_last(
    size: int, run: Run, far: Distant
) -> None:
    path = run.put("a", bytes(size))
    run.put("b", b"fine")

    def replacing(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if op in ("read", "read_many"):
            far.between = lambda op, params, blob: blob
            new = path.with_name("new")
            new.write_bytes(block(size))
            new.replace(path)
        return blob

    far.between = replacing
    assert run.bring(far).complete
    assert run.here() == {"a": block(size), "b": b"fine"}


def test_one_that_never_rests_is_no_artifact(run: Run, far: Distant) -> None:
    path = run.put("a", bytes(2 * MB))

    def changing(op: str, params: dict[str, Any], blob: bytes) -> bytes:
        if op == "read":
            path.write_bytes(block(2 * MB))
        return blob

    far.between = changing
    found = run.bring(far)
    assert found.error == "a: it was changed while it was brought home"
    assert not run.here()


def kept(run: Run) -> list[Path]:
    return list((run.path.parent / ".sync").glob("*.part"))


@pytest.mark.local
def test_a_wrong_byte_in_what_was_kept_is_noticed(run: Run, far: Distant) -> None:
    run.put("large", block(2 * MB))
    killed(run, 5)
    [part] = kept(run)
    with part.open("r+b") as file:
        file.write(b"?")
    assert run.bring(far).complete
    assert run.here() == {"large": block(2 * MB)}
    assert kept(run) == []


@pytest.mark.local
def test_what_was_kept_of_another_version_is_forgotten(run: Run, far: Distant) -> None:
    run.put("large", block(2 * MB))
    killed(run, 5)
    assert kept(run)
    run.put("large", bytes(2 * MB))
    assert run.bring(far).came == 2 * MB
    assert run.here() == {"large": bytes(2 * MB)}
    assert kept(run) == []


def killed(run: Run, after: int) -> None:
    """Bring it home in a process that is killed at the request with this number."""
    words = [sys.executable, runs_home.__file__, str(run.path), str(after)]
    done = subprocess.run(words, env=environment(), check=False)
    assert done.returncode == -9


@pytest.mark.story
def test_killed_at_any_moment_the_next_one_brings_the_rest(run: Run) -> None:
    """One after the other on the same run, each killed a little later."""
    for number in range(20):
        run.put(f"small/{number}", str(number))
    for name in ("a", "b"):
        run.put(name, block(2 * MB))
    piece = Distant.piece
    came = 0
    for after in (1, 2, 3, 5, 5, 3):
        killed(run, after)
        there = sum(path.stat().st_size for path in kept(run)) + sum(map(len, run.here().values()))
        assert there >= came
        came = there
    far = Distant()
    found = run.bring(far)
    assert found.complete
    assert far.read == found.came == found.bytes - came
    assert came > 4 * piece
    assert run.here()["b"] == block(2 * MB)
    assert run.here()["a"] == block(2 * MB)


@pytest.mark.story
def test_killed_at_every_step_nothing_is_lost_or_fetched_twice(tmp_path: Path) -> None:
    assert told(runs_home, "every", tmp_path) > 30


# --- this machine --------------------------------------------------------------------------------


@pytest.mark.local
def test_a_full_disk_is_one_line(run: Run) -> None:
    """Of a real limit, on the size of a file."""
    run.put("large", block(3 * MB))
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.helpers.runs_home import Distant, PLENTY, bring_home, design_of, store\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({MB}, {MB}))\n"
        "found = store.read(Path(sys.argv[1]))\n"
        "print(bring_home(found, design_of(found), Distant(), most_bytes=PLENTY).error)\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", program, str(run.path)],
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
        capture_output=True,
        text=True,
        check=True,
    )
    [line] = done.stdout.splitlines()
    assert os.strerror(errno.EFBIG).lower() in line.lower()
    assert run.bring(far := Distant()).complete
    assert far.read == 2 * MB
