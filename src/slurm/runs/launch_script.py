"""What a launch script asks for, and the job script that it becomes. Pure.

The script itself goes to the cluster as it is. What the scheduler is handed is a short one that has its ``#SBATCH`` lines,
tells the job which run it is, and becomes the script: so its line numbers, signals and exit status are the script's own.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from slurm.errors import ConfigError
from slurm.runs.directives import header

JOB_SCRIPT = "job.sh"
# In the environment of every run's job: its id, and the directory for what it leaves.
RUN_ID, RUN_OUTPUTS = "RUN_ID", "RUN_OUTPUTS"
SHEBANG = "#!"


def checked(script: bytes, path: str) -> str:
    """The text of a launch script. Raises `ConfigError` for what sbatch would not take.

    >>> checked(b"echo hello", "run_slurm.sbatch")
    Traceback (most recent call last):
        ...
    slurm.errors.ConfigError: run_slurm.sbatch: it is no batch script: its first line must name its interpreter, as #!/bin/bash
    """
    try:
        text = script.decode()
    except UnicodeDecodeError as error:
        line = script.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: it is no UTF-8 text (line {line})") from None
    first = text.split("\n", 1)[0]
    if not first.startswith(SHEBANG) or not first[len(SHEBANG) :].strip():
        raise ConfigError(
            f"{path}: it is no batch script: its first line must name its interpreter, as #!/bin/bash"
        )
    if "\r\n" in text:  # sbatch refuses it, too
        raise ConfigError(
            f"{path}: its lines end as on Windows (CR LF): convert it, as by dos2unix"
        )
    if "\0" in text:
        raise ConfigError(f"{path}: there is a zero byte in it")
    return text


def job_script(script: str, path: str, variables: Mapping[str, str]) -> bytes:
    r"""The script that is handed to the scheduler for the launch script that will be at `path` in the job.

    >>> text = "#!/usr/bin/env python3\n#SBATCH --time=5\nprint(7)\n"
    >>> print(job_script(text, "/jobs/7/run_slurm.sbatch", {"RUN_ID": "r1"}).decode(), end="")
    #!/bin/bash
    #SBATCH --time=5
    export RUN_ID=r1
    exec /usr/bin/env python3 /jobs/7/run_slurm.sbatch
    """
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    lines = [
        "#!/bin/bash",
        *header(script),
        *exports,
        f"exec {interpreter(script)} {shlex.quote(path)}",
    ]
    return ("\n".join(lines) + "\n").encode()


def interpreter(script: str) -> str:
    """The program that a script names, and its one argument, as a shell has to be given them.

    As the kernel does: all behind the program's path is one argument.

    >>> interpreter("#!/bin/bash -l")
    '/bin/bash -l'
    """
    program, _, argument = script.split("\n", 1)[0][len(SHEBANG) :].strip().partition(" ")
    return shlex.join([program, argument.strip()] if argument.strip() else [program])
