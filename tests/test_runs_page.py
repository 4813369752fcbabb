"""The page on runs, done block by block as a user types it: on this machine, through ssh, and on a login node.

Where a command of Slurm, or rsync, is not at hand, a small program stands in for it: here it says what the local scheduler
has or copies; through ssh it runs the real one on the cluster, and brings files with tar.
"""

from __future__ import annotations

import re
import secrets
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.conformance.login_node import LoginNode
from tests.helpers.pages import blocks, require_shown, run, script_of

from slurm.api.local import LocalBackend
from slurm.testing import DockerCluster

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/how-to/keep-a-record-of-runs.md"
MARKED = [block for block in blocks(PAGE) if block.is_of("everywhere")]
SHOWN = "/home/me/project"

# The commands of the cookbook that the page follows, which belonged to another tool: `slurm` here is `autolab` there.
COOKBOOK = r"""
slurm policy apply preset slurm
---
# Append a new entry
slurm slurm-job-list append \
  --manifest experiments/plan/iter1/runs/20260218T160045Z/run_manifest.json \
  --doc docs/slurm_job_list.md

# Verify an entry exists
slurm slurm-job-list verify \
  --manifest experiments/plan/iter1/runs/20260218T160045Z/run_manifest.json \
  --doc docs/slurm_job_list.md
---
# Check SLURM scheduler
squeue -u $USER
sinfo

# Fix the sbatch script and re-run
slurm run
---
# Manually sync artifacts
rsync -avz <remote:path/to/outputs> <local/path/>

# Update run_manifest.json artifact_sync_to_local.status to "ok"
# Then re-run extraction
slurm run
---
slurm slurm-job-list append \
  --manifest <path-to-manifest> \
  --doc docs/slurm_job_list.md
---
# Inspect the specific failure
slurm verify --stage launch

# Common fixes:
# - Ensure job_id is present in manifest
# - Ensure docs/slurm_job_list.md exists with run entry
# - Ensure artifact_sync_to_local.status is set
---
# Check job status
squeue -j <job_id>

# If completed, ensure local artifacts exist and sync status is updated
# If failed, update manifest status to "failed"
# Then re-run monitor/extract stages
slurm run
"""
POLICY_OF_THE_COOKBOOK = """\
# Customize the dry-run command for SLURM environments
dry_run_command: "{{python_bin}} -m myproject.dry_run --config path/to/config.yaml"
"""

# The page's runs and jobs, by the order in which they began.
PRELUDE = r"""
export USER=${USER:-$(id -un)} PATH="$PWD/../bin:$PATH"
run_id() { ls -d experiments/plan/*/runs/*/ | xargs -n 1 basename | sort | sed -n "$1p"; }
job_id() { sed -n 's/.*"job_id": "\([0-9]*\)".*/\1/p' experiments/plan/*/runs/"$(run_id "$1")"/run_manifest.json | head -n 1; }
"""
SQUEUE = """\
import sys
from slurm import Cluster

wanted = sys.argv[2] if sys.argv[1] == "-j" else None
for row in Cluster.from_env().backend.scheduler.queue():
    if wanted in (None, row["job_id"]):
        print(row["job_id"], row["state"])
"""
SINFO = "from slurm import Cluster\n\nprint(Cluster.from_env().backend.info())\n"
# Done there: it makes a project and types the commands of its standard input in it.
ON_THE_LOGIN_NODE = """\
work=$(mktemp -d "$0.page-XXXXXX") && trap 'rm -rf "$work"' EXIT && cd "$work" && mkdir home project || exit
cat > commands.sh && cd project || exit
HOME="$work/home" PYTHONPATH="$0/lib" PYTHONDONTWRITEBYTECODE= \\
    RSYNC_RSH="$work/bin/no-ssh" bash ../commands.sh 2>&1
"""


def program(name: str, text: str) -> str:
    """What makes a program of that name, in the shell."""
    path = f'"$PWD/../bin/{name}"'
    return f"mkdir -p ../bin\ncat > {path} <<'END-OF-IT'\n{text}\nEND-OF-IT\nchmod +x {path}\n"


def commands(python: str, slurmfile: str, programs: Mapping[str, str], results: str) -> str:
    """The script of all blocks; `results` is the directory in the home there that is ``results`` on the page."""
    always = {
        "slurm": f'#!/bin/sh\nexec {python} -m slurm.cli "$@"',
        "python": f'#!/bin/sh\nexec {python} "$@"',
    }
    made = [program(name, text) for name, text in {**always, **programs}.items()]
    made.append(f"mkdir .git\ncat > Slurmfile.toml <<'END-OF-IT'\n{slurmfile}\nEND-OF-IT\n")
    ids = sorted(set(re.findall(r"\b\d{8}T\d{6}Z\b", PAGE.read_text("utf-8"))))
    typed = script_of(MARKED)
    for number, run_id in enumerate(ids, 1):
        typed = typed.replace(run_id, f"$(run_id {number})")
    typed = re.sub(r"\b471(\d)\b", r"$(job_id \1)", typed).replace("results/", f"{results}/")
    return "".join([*made, PRELUDE, typed])


def typed_here(project: Path, script: str) -> None:
    """Type it in the project, and compare what comes with what the page shows."""
    path = project.parent / "commands.sh"
    path.write_text(script)
    written = run(["bash", str(path)], project, 550)
    require_shown(MARKED, written.replace(str(project), SHOWN))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty project."""
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def home_of_jobs(project: Path, lend_sdk: Callable[[Path], None]) -> Iterator[None]:
    """Where the local scheduler's jobs are."""
    base = project.parent / "home/slurm_jobs"
    lend_sdk(base)
    yield
    LocalBackend(state_dir=str(base / ".local")).shutdown(kill_jobs=True)


@pytest.mark.story
@pytest.mark.usefixtures("home_of_jobs")
def test_its_commands_do_what_it_says_on_the_local_backend(project: Path) -> None:
    python = shlex.quote(sys.executable)
    programs = {
        "squeue": f"#!{sys.executable}\n{SQUEUE}",
        "sinfo": f"#!{sys.executable}\n{SINFO}",
        "rsync": '#!/bin/sh\ncp -R "$HOME/${2#*:}" "$3"',
    }
    slurmfile = '[default.cluster]\nbackend = "local"'
    typed_here(project, commands(python, slurmfile, programs, "results"))


@pytest.mark.slurm
def test_its_commands_do_what_it_says_through_ssh(
    project: Path, slurm_cluster: DockerCluster
) -> None:
    (project.parent / "home").mkdir()
    ssh = shlex.join(["ssh", "-F", str(slurm_cluster.ssh_config), slurm_cluster.project])
    programs = {
        "squeue": f'#!/bin/sh\nexec {ssh} squeue "$@"',
        "sinfo": f'#!/bin/sh\nexec {ssh} sinfo "$@"',
        "rsync": f'#!/bin/sh\n{ssh} tar -c -C "$(dirname "${{2#*:}}")" outputs | tar -x -C "$3"',
    }
    slurmfile, results = slurm_cluster.slurmfile.read_text(), f"results-{secrets.token_hex(4)}"
    script = commands(shlex.quote(sys.executable), slurmfile, programs, results)
    typed_here(project, f"export USER=dev\n{script}")


@pytest.mark.slurm
@pytest.mark.matrix
def test_its_commands_do_what_it_says_on_a_login_node(slurm_cluster: DockerCluster) -> None:
    node = LoginNode(["ssh", "-F", str(slurm_cluster.ssh_config), slurm_cluster.project])
    programs = {
        "no-ssh": '#!/bin/sh\nshift\ncd && exec "$@"'
    }  # rsync is there, a second host is not
    script = commands("python3", '[default.cluster]\nbackend = "slurm"', programs, "results")
    argv = node.argv(ON_THE_LOGIN_NODE)
    done = subprocess.run(
        argv, check=False, input=script, capture_output=True, text=True, timeout=550
    )
    assert done.returncode == 0, done.stdout + done.stderr
    require_shown(MARKED, re.sub(r"/shared/work/\S*?/project\b", SHOWN, done.stdout))


@pytest.mark.parametrize("wanted", COOKBOOK.split("---\n"), ids=lambda text: text.split("\n")[0])
def test_each_command_of_the_cookbook_is_on_it_and_is_run(wanted: str) -> None:
    pattern = re.sub(r"<[^>]+>", r"\\S+", re.escape(wanted.strip("\n")))
    assert [one for one in MARKED if re.fullmatch(pattern, one.text.strip("\n"))]


def test_the_policy_of_the_cookbook_is_on_it() -> None:
    [policy] = [one.text for one in MARKED if one.mark == "file: .slurm/policy.yaml"]
    assert POLICY_OF_THE_COOKBOOK in policy


def test_what_a_person_has_to_decide_is_said_in_these_words() -> None:
    page = PAGE.read_text("utf-8")
    rows = re.findall(r"^\| .*? \| `(.*?)` \|", page.partition("## What a person")[2], re.MULTILINE)
    code = "".join(path.read_text("utf-8") for path in ROOT.glob("src/slurm/runs/*.py"))
    said = re.sub(r"\{[^{}]*\}", "...", code)  # what is put into a text
    assert rows
    assert [row for row in rows if row.removesuffix(": ...") not in said] == []
