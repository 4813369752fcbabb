"""Ctrl-C in a wait: a program that sends itself real SIGINTs while it waits in every way there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.processes import RunPython

from slurm import Cluster
from slurm.config.slurmfile import cluster_settings
from slurm.errors import ConfigError

# Each wait is interrupted once the main thread has come to rest in it.
PROGRAM = """
import concurrent.futures, json, os, signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
from tests.helpers.fakes import FakeBackend
from slurm import Cluster, as_completed, gather, task
from slurm.errors import TransportError

MAIN = threading.main_thread().ident
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job ignores
go = threading.Event()  # starting a thread is a wait as well, and not one that is meant

def where():
    frame = sys._current_frames()[MAIN]
    return id(frame), frame.f_lasti

def interrupt():
    go.wait()
    go.clear()
    before = where()
    while True:
        time.sleep(0.02)
        if before == (before := where()):
            os.kill(os.getpid(), signal.SIGINT)
            return

@task
def train(number):
    return number

def told(cancel):
    backend = FakeBackend()
    for number in range(1, 20):
        backend.say(str(number), "RUNNING")
        for index in range(2):
            backend.say(f"{number}_{index}", "RUNNING")
    cluster = Cluster(backend, job_base_dir="/jobs", cancel_on_interrupt=cancel)
    with cluster:
        jobs = [train(number) for number in range(2)]
        array = train.map([1, 2]).submit()
        executor = cluster.executor()
        future, mapped = executor.submit(train, 1), executor.map(train, [1, 2])
    waits = {
        "wait": jobs[0].wait,
        "get_result": jobs[1].get_result,
        "as_completed": lambda: list(as_completed(jobs)),
        "gather": lambda: gather(*jobs, array),
        "array wait": array.wait,
        "array results": lambda: array.get_results(),
        "future": future.result,
        "mapped": lambda: list(mapped),
        "shutdown": executor.shutdown,
    }
    found = {}
    for name, wait in waits.items():
        backend.cancelled.clear()
        threading.Thread(target=interrupt).start()
        try:
            go.set()
            wait()
        except KeyboardInterrupt:
            found[name] = sorted(set(backend.cancelled))
    def unreachable(ids):
        raise TransportError("gone")
    backend.cancel_jobs = unreachable
    threading.Thread(target=interrupt).start()
    try:
        go.set()
        jobs[0].wait()
    except KeyboardInterrupt:
        found["unreachable"] = True
    cluster.close()
    return found

print(json.dumps([told(False), told(True)]))
"""


def test_an_interrupted_wait_cancels_only_where_it_is_asked_to(run_python: RunPython) -> None:
    done = run_python("-c", PROGRAM, str(Path(__file__).parents[3]))
    left, cancelled = json.loads(done.stdout)
    jobs, array, future, mapped = ["1", "2"], ["3_0", "3_1"], ["4"], ["5_0", "5_1"]
    expected: dict[str, Any] = {
        "wait": jobs[:1],
        "get_result": jobs[1:],
        "as_completed": jobs,
        "gather": [*jobs, *array],
        "array wait": array,
        "array results": array,
        "future": future,
        "mapped": mapped,
        "shutdown": future,
    }
    assert left == {**{name: [] for name in expected}, "unreachable": True}
    assert cancelled == {**expected, "unreachable": True}
    assert "these jobs go on: 1: gone" in done.stderr


def test_a_slurmfile_may_ask_for_it(tmp_path: Path) -> None:
    path = tmp_path / "Slurmfile.toml"
    path.write_text("[default.cluster]\ncancel_on_interrupt = true\n")
    assert cluster_settings(path).arguments["cancel_on_interrupt"] is True
    cluster = Cluster.from_env(path)
    assert cluster.cancel_on_interrupt
    cluster.close()
    path.write_text("[default.cluster]\ncancel_on_interrupt = 'no'\n")
    with pytest.raises(ConfigError, match="cancel_on_interrupt 'no' is neither true nor false"):
        Cluster.from_env(path)
