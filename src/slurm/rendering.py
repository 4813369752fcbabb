"""The job script: plain data in, text out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slurm.job_dir.paths import JobDirectory
from slurm.sbatch.filename_pattern import shell_word
from slurm.sbatch.options import DIRECTIVE, directive
from slurm.sbatch.signal_and_requeue import WARNING


@dataclass(frozen=True)
class Environment:
    """How user code gets to run on the node: what packaging has to say to the script.

    - `interpreter`: the command that starts Python there, as an argument list.
    - `setup` and `cleanup`: shell lines around it, written by a packaging strategy, not by a user.
    - `pythonpath`: directories on the node that are searched for imports.
    - `files`: name -> content of files for the job directory, written before the job is submitted.
    - `inherited`: the packaging of jobs submitted from inside this one; None for what the strategy's
      own `inherited` says.
    - `own_python`: whether Python is not the host's; `python`: which it is then, where that is known before.
    - `copies`: directories here, and the frozen copies of them there, in which imports are searched for in their place.
    - `code`: what the job's metadata is to say of the user's code that it runs.
    - `image`: what the job's metadata is to say of the container image that it runs in.
    - `needed`: paths there, as those of copies, that are there now and must be when the job is submitted: a submission looks
      for them, and whoever removes what nobody uses leaves them to the job until it has ended.
    - `packaged`: the modules that packaging installs there: those count, not the directories here that hold them.

    >>> Environment(["/opt/python/bin/python3"], setup=["module load cuda || exit 1"]).pythonpath
    ()
    """

    interpreter: Sequence[str]
    setup: Sequence[str] = ()
    cleanup: Sequence[str] = ()
    pythonpath: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    inherited: Mapping[str, Any] | None = None
    own_python: bool = False
    python: tuple[int, int] | None = None
    packaged: Sequence[str] = ()
    copies: Mapping[str, str] = field(default_factory=dict)
    code: Sequence[Mapping[str, Any]] = ()
    image: Mapping[str, Any] = field(default_factory=dict)
    needed: Sequence[str] = ()


@dataclass(frozen=True)
class ScriptSpec:
    """Everything that stands in a job script; `links` are patterns of an output file and of another name for it."""

    directory: JobDirectory
    options: Mapping[str, str]
    environment: Environment
    sdk_directory: str
    sdk_version: str
    exports: Mapping[str, str] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()


def render_job_script(spec: ScriptSpec) -> str:
    """The text of ``job.sh``; it can be handed to ``sbatch`` by hand as well."""
    lines = ["#!/bin/bash"]
    lines += [directive(name, value) for name, value in sorted(spec.options.items())]
    lines += ["", f"# Written by slurm-tasks {spec.sdk_version}."]
    exports = {"JOB_DIR": spec.directory.path, **spec.exports}
    lines += [f"export {name}={shlex.quote(value)}" for name, value in exports.items()]
    lines += ['export SLURM_SDK_LAUNCHED_AT="$EPOCHREALTIME"']  # bash 5; empty in an older one
    if spec.links:
        lines += [
            "# Slurm makes no directories, and the names of these are known to the job alone."
        ]
    lines += [_link(shell_word(file), shell_word(name)) for file, name in spec.links]
    warned = WARNING in spec.exports
    if spec.environment.setup:
        lines += ["trap 'export SLURM_SDK_WARNED=1' USR1"] if warned else []
        lines += spec.environment.setup
    # Ignored until Python listens to it, which would end without.
    lines += ["trap '' USR1"] if warned else []
    command = shlex.join([*spec.environment.interpreter, "-u", spec.sdk_directory])
    command = " ".join([command, '"$JOB_DIR"', *map(shlex.quote, spec.arguments)])
    if spec.environment.cleanup:
        lines += _with_signals(command, ["USR1", "TERM"] if warned else ["TERM"])
        lines += [*spec.environment.cleanup, "exit $status"]
    else:
        lines += [f"exec {command}"]
    return "\n".join(lines) + "\n"


def _link(file: str, name: str) -> str:
    return f'slurm_sdk_name={name}; mkdir -p -- "${{slurm_sdk_name%/*}}" && ln -sfn -- {file} "$slurm_sdk_name"'


def options_in(script: str) -> dict[str, str]:
    """The options in a script that `render_job_script` wrote, a flag with the empty value.

    >>> options_in('#!/bin/bash\\n#SBATCH --mem=1G\\n#SBATCH --requeue\\n#SBATCH --comment="a b"\\n')
    {'mem': '1G', 'requeue': '', 'comment': 'a b'}
    """
    found = (line for line in script.splitlines() if line.startswith(DIRECTIVE))
    words = (shlex.split(line[len(DIRECTIVE) :])[0].partition("=") for line in found)
    return {name: value for name, _, value in words}


def interpreter_in(script: str) -> list[str]:
    """The command that starts Python in a script that `render_job_script` wrote; nothing where there is none.

    >>> interpreter_in('export JOB_DIR=/jobs/7\\nexec /opt/python3 -u /jobs/.sdk/0a1b "$JOB_DIR"\\n')
    ['/opt/python3']
    """
    for line in reversed(script.splitlines()):
        if " -u " in line and '"$JOB_DIR"' in line:
            words = shlex.split(line)
            return words[words[0] == "exec" : words.index("-u")]
    return []


def _with_signals(command: str, signals: Sequence[str]) -> list[str]:
    """Lines that run `command` and set ``status``, and hand on the signals that only the shell gets."""
    return [
        f"{command} &",
        "child=$!",
        'hand_on() { signalled=yes; kill -s "$1" "$child" 2>/dev/null; }',
        *(f"trap 'hand_on {signal}' {signal}" for signal in signals),
        "while true; do",
        "    signalled=",
        '    wait "$child"',
        "    status=$?",
        '    [ -n "$signalled" ] || break',
        "done",
    ]
