"""Runs on the login node: Slurm's own commands with no ssh and no SDK in between. Python 3.9, stdlib."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from benchmarks.clients.line_server import seconds_of, serve
from benchmarks.clients.processes import cpu_of

TIMEOUT = 120
NOW = "date +%s.%N"


def run(*argv: str) -> str:
    """What a command prints. Raises what `subprocess.run` does."""
    done = subprocess.run(argv, capture_output=True, check=True, timeout=TIMEOUT, text=True)
    return done.stdout


def write(path: str, text: str) -> None:
    """A file for the others, its folders made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")


def submit(script: str, comment: str, count: int = 1) -> float:
    """Seconds for `count` times ``sbatch``, each with the options that the SDK gives it."""
    argv = ["sbatch", "--parsable", f"--comment={comment}", script]

    def submit_all() -> None:
        for _ in range(count):
            run(*argv)

    return seconds_of(submit_all)


def submit_array(script: str, count: int) -> float:
    """Seconds for one ``sbatch --array``."""
    return seconds_of(lambda: run("sbatch", "--parsable", f"--array=0-{count - 1}", script))


def ask_status() -> float:
    """Seconds for ``squeue`` of one job that waits: the newest of this user."""
    newest = run("squeue", "--me", "--noheader", "--sort=-i", "--format=%i").split()[0]
    return seconds_of(lambda: run("squeue", "--noheader", "--format=%T", f"--jobs={newest}"))


def job_end(folder: str) -> float:
    """Seconds from the end of a job, by its own note, until ``sbatch --wait`` is back."""
    noted = Path(folder) / "ended"
    script = f"#!/bin/bash\n#SBATCH --mem=100M --output=/dev/null\n{NOW} >{noted}\n"
    write(f"{folder}/end.sh", script)
    run("sbatch", "--wait", f"{folder}/end.sh")
    back = time.time()
    return back - float(noted.read_text("utf-8"))


def cancel_all() -> None:
    """Cancel every job of this user, and wait until none is left."""
    user = run("id", "-un").strip()
    run("scancel", "--user", user)
    deadline = time.monotonic() + TIMEOUT
    while run("squeue", "--noheader", "--user", user).strip():
        if time.monotonic() > deadline:
            raise TimeoutError("jobs are left that do not end")
        time.sleep(0.2)


if __name__ == "__main__":
    operations = (write, submit, submit_array, ask_status, job_end, cancel_all, cpu_of)
    serve({operation.__name__: operation for operation in operations})
