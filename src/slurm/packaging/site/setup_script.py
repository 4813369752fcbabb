"""The lines of bash that bring an environment of the site about: the same in a job, and where it is checked. Pure.

All names that they define begin with ``slurm_sdk_``, and nothing of theirs is exported.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from slurm.job_dir.paths import SETUP_FAILED

LONGEST_SHOWN = 120
SAID = "slurm-tasks: "
# Who ends the script says so: a line that fails, and one that ends the shell by itself. Bash calls it as well where a
# signal ends it, with the status of what came before.
_FAILED = rf"""slurm_sdk_failed() {{
    set -- "$?" "$1"
    trap - EXIT
    case $2,$1 in
        failed,*) set -- "$1" "failed on ${{HOSTNAME:-this node}} with status $1; mend it in the packaging's $slurm_sdk_key" ;;
        *,0) set -- "$1" "was the last on ${{HOSTNAME:-this node}}: it ended the shell, or the job was ended in it" ;;
        *) set -- "$1" "ended the shell on ${{HOSTNAME:-this node}} with status $1; mend it in the packaging's $slurm_sdk_key" ;;
    esac
    echo "{SAID}$slurm_sdk_at $2" >&2
    exit {SETUP_FAILED}
}}"""
_MARKED = rf"""slurm_sdk_failed() {{
    set -- "$?" "$1"
    trap - EXIT
    printf '\n%s %s %s\n' "$slurm_sdk_mark" "$2" "$1" >&9
    exit {SETUP_FAILED}
}}"""
_GUARD = "trap 'slurm_sdk_failed ended' EXIT"
# `module` is a function of the shell, which only login shells are sure to have: a job has it where its submitter had it
# and exports functions. What defines it for login shells is read, and none of the user's own start-up files.
_MODULES = """\
if ! command -v module >/dev/null 2>&1; then
    for slurm_sdk_file in "${MODULESHOME-}/init/bash" "${LMOD_PKG-}/init/bash" '' /etc/profile.d/*mod*.sh '' \\
        /usr/share/modules/init/bash /usr/share/Modules/init/bash /usr/share/lmod/lmod/init/bash; do
        [ -z "$slurm_sdk_file" ] && command -v module >/dev/null 2>&1 && break
        [ -r "$slurm_sdk_file" ] && . "$slurm_sdk_file" >/dev/null 2>&1
    done
fi"""
# `conda activate` does this, without conda; an environment that conda-pack has moved has no other way.
_CONDA = """\
export CONDA_PREFIX="$slurm_sdk_prefix" CONDA_SHLVL=1 PATH="$slurm_sdk_prefix/bin:$PATH"
case ${slurm_sdk_prefix%/*} in */envs) CONDA_DEFAULT_ENV=${slurm_sdk_prefix##*/} ;; *) CONDA_DEFAULT_ENV=$slurm_sdk_prefix ;; esac
[ -e "$slurm_sdk_prefix/condabin/conda" ] && CONDA_DEFAULT_ENV=base
export CONDA_DEFAULT_ENV
if [ -e "$CONDA_PREFIX/conda-meta/state" ] || [ -e "$CONDA_PREFIX/etc/conda/env_vars.d" ]; then
    eval "$("$CONDA_PREFIX/bin/python" -I -c "$slurm_sdk_variables" "$CONDA_PREFIX")"
fi
for slurm_sdk_file in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do
    [ -r "$slurm_sdk_file" ] && . "$slurm_sdk_file"
done"""
# What `conda env config vars set` and packages want to be set.
_VARIABLES = """\
import glob, json, os, shlex, sys
files = sorted(glob.glob(os.path.join(glob.escape(sys.argv[1]), "etc/conda/env_vars.d/*.json")))
state = os.path.join(sys.argv[1], "conda-meta/state")
found = {}
for path in files + [state] * os.path.exists(state):
    with open(path) as file:
        said = json.load(file)
    found.update(said.get("env_vars", {}) if path == state else said)
for name, value in found.items():
    if name.isidentifier() and value != "***unset***":
        print("export " + name + "=" + shlex.quote(value))
"""
_UV = """\
unset PYTHONHOME
export VIRTUAL_ENV="$slurm_sdk_prefix" PATH="$slurm_sdk_prefix/bin:$PATH\""""


def lines_of(setup: Sequence[str], kind: str = "", prefix: str = "") -> list[str]:
    """The lines for a job: those of the `setup` in order, and then what activates the environment in `prefix`.

    `kind` is ``conda`` or ``uv``; empty where the setup is all. The first line that fails ends the job.

    >>> lines_of([])
    []
    >>> lines_of(["module load cuda"])[-3]
    "eval 'module load cuda' || slurm_sdk_failed failed"
    """
    if not setup and not kind:
        return []
    lines = [_FAILED, "slurm_sdk_key=setup", *_run(setup)]
    if kind:
        lines += [f"slurm_sdk_prefix={shlex.quote(prefix)}", *_require(kind), *_activate(kind)]
    return [*lines, "trap - EXIT"]


def check_script(setup: Sequence[str], kind: str, mark: str) -> str:
    """A script that does the same as a job, and then starts a program: its arguments are the prefix and the command.

    Before each line of the setup it prints the `mark` and the line's number, and ``ready`` before the program.
    """
    lines = [*_marking(mark), *_run(setup, marked=True), "slurm_sdk_prefix=$1; shift"]
    lines += _activate(kind) if kind else []
    return "\n".join([*lines, "trap - EXIT", _note("ready"), 'exec "$@" 9>&-']) + "\n"


def listing_script(setup: Sequence[str], mark: str) -> str:
    """A script that runs the setup as `check_script` does, and writes what is exported then to the file descriptor in ``$1``."""
    lines = [*_marking(mark), *_run(setup, marked=True), "trap - EXIT", 'env -0 >&"$1"']
    return "\n".join(lines) + "\n"


def under(lines: Sequence[str]) -> list[str]:
    """What stands before the arguments of a program that is to be run after these lines of a job.

    The program alone reads the standard input; what the lines print goes where its errors go.

    >>> under([])
    []
    """
    if not lines:
        return []
    script = ["exec 7<&0 8>&1 </dev/null >&2", *lines, 'exec "$@" <&7 >&8 7<&- 8>&-']
    return ["bash", "-c", "\n".join(script), "bash"]


def described(setup: Sequence[str], number: int) -> str:
    """A line of the setup, by its number from 1 and its text.

    >>> described(["module load cuda", "true"], 1)
    "setup line 1 of 2, 'module load cuda',"
    """
    text = setup[number - 1]
    shown = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."
    return f"setup line {number} of {len(setup)}, '{shown}',"


def _marking(mark: str) -> list[str]:
    return ["exec 9>&1 </dev/null", f"slurm_sdk_mark={mark}", _MARKED]


def _run(setup: Sequence[str], *, marked: bool = False) -> list[str]:
    """Each line by itself: bash reads on behind one that is no bash, and an alias holds from the next one on."""
    lines = [_MODULES, _GUARD] if setup else [_GUARD]
    for number, line in enumerate(setup, 1):
        about = shlex.quote(described(setup, number))
        lines.append(_note(str(number)) if marked else f"slurm_sdk_at={about}")
        lines.append(f"eval {shlex.quote(line)} || slurm_sdk_failed failed")
    return [*lines, "set +eu"] if setup else lines


def _note(word: str) -> str:
    return f"printf '\\n%s %s\\n' \"$slurm_sdk_mark\" {word} >&9"


def _require(kind: str) -> list[str]:
    """The prefix is where the login node has it: on a node that does not see it, that is said."""
    gone = (
        f"{SAID}the {kind} environment $slurm_sdk_prefix is not there on ${{HOSTNAME:-this node}}: "
    )
    gone += f"name one that the nodes see with the packaging's {kind}"
    return [
        f'[ -x "$slurm_sdk_prefix/bin/python" ] || {{ echo "{gone}" >&2; trap - EXIT; exit {SETUP_FAILED}; }}',
        f"slurm_sdk_key={kind}",
        f'slurm_sdk_at="the activation of the {kind} environment $slurm_sdk_prefix"',
    ]


def _activate(kind: str) -> list[str]:
    if kind == "uv":
        return [_UV]
    return [f"slurm_sdk_variables={shlex.quote(_VARIABLES)}", _CONDA]
