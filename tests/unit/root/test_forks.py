"""What a forked child finds: locks that are free, what each process has one of, its own threads and its own end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.forking import forked, forks, in_child
from tests.helpers import job_tasks
from tests.helpers.fakes import DEADLINE, Programs
from tests.helpers.processes import RunPython

import slurm
from slurm import Cluster, callbacks
from slurm.agent.locks import Locked
from slurm.agent.programs import Program
from slurm.errors import SubmissionError
from slurm.forks import Lock, Own, here

pytestmark = [forks, pytest.mark.local]


# --- the parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock])
def test_a_lock_that_another_thread_held_at_the_fork_is_free_in_the_child(kind: Any) -> None:
    lock = Lock(kind)
    taken, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            over.wait(DEADLINE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(DEADLINE)
    assert in_child(lambda: lock.acquire(timeout=DEADLINE))
    assert not lock.acquire(blocking=False)
    over.set()
    thread.join()
    assert lock.acquire(blocking=False)


def test_each_process_has_its_own_and_a_child_of_a_child_too() -> None:
    own = Own(lambda: [os.getpid()])
    assert own.known is None
    mine = own.get()

    def below() -> Any:
        return own.inherited, own.known, own.get(), own.known is own.get()

    def child() -> Any:
        return here() is not process, below(), in_child(below)

    process = here()
    with forked(child) as [made]:
        pid = made.pid
        differs, own_of_child, of_its_child = made.result()
    assert differs
    assert own_of_child == (mine, None, [pid], True)
    assert of_its_child[0] == [pid]
    assert of_its_child[2] not in (mine, [pid])
    assert own.get() is mine


def test_a_lock_on_a_file_is_held_by_the_process_that_took_it_alone(tmp_path: Path) -> None:
    """Its child neither keeps it when the parent lets go, nor waits for itself."""
    path = str(tmp_path / "lock")

    def holds() -> bool:
        try:
            with Locked(path, timeout=0.0):
                return False
        except TimeoutError:
            return True

    reading, writing = os.pipe()
    with contextlib.ExitStack() as held:
        held.enter_context(Locked(path))
        with forked(lambda: (holds(), os.read(reading, 1), holds())) as [child]:
            held.close()
            assert not holds()  # though the child lives
            os.write(writing, b".")
            assert child.result()[1:] == (b".", False)
    with Locked(path):
        assert in_child(holds)
    os.close(reading)
    os.close(writing)


def test_a_lock_is_given_back_while_a_child_lives(tmp_path: Path) -> None:
    """Also by a fork of which Python's hooks are not told, as a C library's."""
    path = str(tmp_path / "lock")
    with Locked(path) as lock:
        copy = os.dup(lock.handle)  # as a child has it
    handle = os.open(path, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(copy)
    os.close(handle)


def test_no_process_is_forked_while_a_program_is_being_started(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would keep the program's pipe open: who reads from that would wait for the child's end."""
    programs.add("speak", "echo spoken")
    opened, go_on = threading.Event(), threading.Event()
    pipe = os.pipe

    def slow_pipe() -> tuple[int, int]:
        made = pipe()
        if threading.current_thread() is starting:
            opened.set()
            go_on.wait(0.2)  # where it works, nobody tells to go on
        return made

    said: list[Any] = []
    starting = threading.Thread(target=lambda: said.append(Program(["speak"], 5.0).run()))
    monkeypatch.setattr(os, "pipe", slow_pipe)
    starting.start()
    assert opened.wait(DEADLINE)
    reading, writing = pipe()
    with forked(lambda: os.read(reading, 1)):  # lives until it is told to end
        starting.join()
        os.write(writing, b".")
    assert said == [(0, b"spoken\n", b"")]
    os.close(reading)
    os.close(writing)


# --- a cluster -----------------------------------------------------------------------------------


def test_a_child_that_does_not_use_the_cluster_leaves_it_alone(local: Cluster) -> None:
    """Closing it, as the end of a program does, ends nothing of the parent's."""
    assert job_tasks.add(1, 2).get_result(DEADLINE) == 3
    in_child(local.close)
    assert local.backend.file_exists(local.site.event_dir)
    assert job_tasks.add(3, 4).get_result(DEADLINE) == 7


def test_a_child_has_an_event_directory_of_its_own_and_removes_it(local: Cluster) -> None:
    def child() -> Any:
        result = job_tasks.add(1, 1).get_result(DEADLINE)
        own, threads = local.site.event_dir, {thread.name for thread in threading.enumerate()}
        there = local.backend.file_exists(own)
        local.close()
        return result, threads >= {"slurm-listen", "slurm-poll"}, there, own

    job_tasks.add(1, 2).get_result(DEADLINE)
    *seen, own = in_child(child)
    assert seen == [2, True, True]
    assert own != local.site.event_dir
    assert not local.backend.file_exists(own)


def test_callbacks_hear_in_the_child_of_what_the_child_does(local_base: Path) -> None:
    class Ends(callbacks.BaseCallback):
        def __init__(self) -> None:
            self.heard: list[str] = []
            self.closed = 0

        def on_completed_ctx(self, ctx: callbacks.CompletedContext) -> None:
            self.heard.append(ctx.job_id)

        def close(self) -> None:
            self.closed += 1

    ends = Ends()

    def child() -> Any:
        job = job_tasks.add(1, 1)
        job.wait(DEADLINE)
        cluster.close()
        return [job.id], ends.heard, ends.closed

    def unused() -> int:
        cluster.close()
        return ends.closed

    with Cluster("local", job_base_dir=local_base, callbacks=[ends]) as cluster:
        first = job_tasks.add(1, 2)
        first.wait(DEADLINE)
        assert cluster.drain_callbacks(DEADLINE)
        own, heard, closed = in_child(child)
        assert in_child(unused) == 0
    assert (heard, closed) == ([first.id, *own], 1)
    assert ends.heard == [first.id]
    cluster.close()


def test_an_array_of_the_parents_can_wait_for_nothing_more_in_a_child(local: Cluster) -> None:
    def child() -> Any:
        with pytest.raises(SubmissionError) as caught:
            array.after(first)
        return str(caught.value)

    first = job_tasks.add(1, 2)
    array = job_tasks.add.map([(1, 1)])
    assert in_child(child) == (
        "<ArrayJob not submitted add of 1> was mapped by the process that forked this one, and can wait for "
        "nothing more here: call .after() there, or add.after(...).map(items) here"
    )
    array.after(first)
    assert array.get_results() == [2]


def test_futures_are_told_apart_from_those_of_threads_that_are_not_there(local_base: Path) -> None:
    """A child may be forked while threads of its parent submit, wait and read; nothing of them holds it up."""
    over = threading.Event()

    def work() -> None:
        with cluster:
            while not over.is_set():
                jobs = job_tasks.add.map([(1, 1), (2, 2)], pack=2)
                assert jobs.get_results() == [2, 4]

    def child() -> Any:
        with cluster:
            return job_tasks.add(20, 1).get_result(DEADLINE)

    cluster = Cluster("local", job_base_dir=local_base, max_cpus=4)
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            with forked(child, child) as children:
                assert [one.result() for one in children] == [21, 21]
    finally:
        over.set()
        for thread in threads:
            thread.join()
    cluster.close()


# --- whole programs ------------------------------------------------------------------------------

DAEMON = """
import os, sys, tempfile
from slurm import Cluster, task

@task
def double(number: int) -> int:
    return 2 * number

if __name__ == "__main__":
    with Cluster("local", job_base_dir=sys.argv[1]) as cluster:
        first = double(1)
        if os.fork():
            os._exit(0) if sys.argv[3] == "at once" else sys.exit()
        os.setsid()
        results = [first.get_result(60), double(first).get_result(60)]
    cluster.close()
    with open(sys.argv[2], "w") as file:
        file.write(repr(results))
"""


@pytest.mark.parametrize("end", ["at once", "in order"])
def test_a_program_that_becomes_a_daemon_goes_on(
    end: str, run_python: RunPython, tmp_path: Path, local_base: Path
) -> None:
    (tmp_path / "daemon.py").write_text(DAEMON)
    os.mkfifo(tmp_path / "answer")
    answers = os.open(tmp_path / "answer", os.O_RDONLY | os.O_NONBLOCK)
    quiet = "ignore:This process:DeprecationWarning"
    run_python("-W", quiet, "daemon.py", str(local_base), str(tmp_path / "answer"), end)
    os.set_blocking(answers, True)
    deadline = time.monotonic() + DEADLINE
    said = b""
    while not said and time.monotonic() < deadline:
        said = os.read(answers, 100)
    assert said == b"[2, 4]"
    os.close(answers)


PROCESSES = """
import multiprocessing, os, sys
from slurm import Cluster, task

@task
def leave(path: str) -> None:
    open(path, "w").close()

def work(path: str) -> None:
    leave.map([(path,)])  # nobody asks for it

if __name__ == "__main__":
    with Cluster("local", job_base_dir=sys.argv[1]) as cluster:
        leave(sys.argv[2] + "/parent").wait(60)
        events = os.path.join(sys.argv[1], ".events")
        before = set(os.listdir(events))
        process = multiprocessing.get_context("fork").Process(target=work, args=(sys.argv[2] + "/child",))
        process.start()
        process.join()
        print(len(set(os.listdir(events)) - before), process.exitcode)
"""


def test_what_a_process_of_multiprocessing_leaves_is_submitted_as_it_ends(
    run_python: RunPython, tmp_path: Path, local_base: Path
) -> None:
    """It ends without what other programs do at their end; and nothing else of it is left behind."""
    (tmp_path / "program.py").write_text(PROCESSES)
    quiet = "ignore:This process:DeprecationWarning"
    done = run_python("-W", quiet, "program.py", str(local_base), str(tmp_path))
    assert done.stdout == "0 0\n"
    deadline = time.monotonic() + DEADLINE
    while not (tmp_path / "child").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (tmp_path / "parent").exists()


IMPORTS = """
import sys, threading
from slurm import Cluster, task

@task
def double(number: int) -> int:
    return 2 * number

class Finder:
    found = []

    def find_spec(self, name, path=None, target=None):
        thread = threading.current_thread()
        if thread is not threading.main_thread():
            self.found.append((thread.name, name))

if __name__ == "__main__":
    cluster = Cluster("local", job_base_dir=sys.argv[1])
    sys.meta_path.insert(0, Finder())
    seen = threading.Thread(target=__import__, args=("colorsys",))
    seen.start()
    seen.join()
    with cluster:
        print(double(1).get_result(60), double.map([1, 2], pack=2).get_results(60))
    cluster.close()
    print([name for _, name in Finder.found])
"""


def test_the_threads_of_a_cluster_that_is_made_import_nothing(
    run_python: RunPython, tmp_path: Path, local_base: Path
) -> None:
    """A child that is forked while a thread imports a module would wait for that thread for ever."""
    (tmp_path / "program.py").write_text(IMPORTS)
    done = run_python("program.py", str(local_base))
    assert done.stdout == "2 [2, 4]\n['colorsys']\n"


def test_a_function_before_exec_disturbs_nothing(local: Cluster) -> None:
    """`subprocess` with ``preexec_fn`` forks as any program does, and there a program takes the child's place."""
    job = job_tasks.add(1, 2)
    code = [sys.executable, "-c", "print('other')"]
    done = subprocess.run(code, preexec_fn=lambda: None, capture_output=True, check=True)
    assert done.stdout == b"other\n"
    assert job.get_result(DEADLINE) == 3
    assert slurm.get_active_context() is local
