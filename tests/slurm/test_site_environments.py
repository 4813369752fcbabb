"""Environments of a real site: modules, conda and uv on a shared file system, and setups that hold on some nodes alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest
from tests.helpers.user_programs import clients_of

import cluster_tasks
import environment_tasks
from slurm import Cluster, task
from slurm.errors import JobFailed, PackagingError, SerializationError
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

TIMEOUT = 240.0
Connect = Callable[..., Cluster]
# A stand-in for environment modules: it knows one module, and reports another one as they do.
MODULES = """\
module() {
    [ "$1 $2" = "load tool/2" ] || { echo "ERROR: Unable to locate a modulefile for '$2'" >&2; return 1; }
    export TOOL_VERSION=2 PATH="$TOOLS/bin:$PATH"
}
"""


@pytest.fixture
def connect(slurm_cluster: DockerCluster) -> Iterator[Connect]:
    """Makes clients through ssh with a packaging; the last one is active."""
    with clients_of(slurm_cluster.slurmfile) as connected:
        yield connected


@pytest.fixture
def sh(slurm_cluster: DockerCluster) -> Callable[..., str]:
    """Runs a script on a machine of the cluster."""

    def run(script: str, *words: str, machine: str = "login") -> str:
        done = slurm_cluster.exec(machine, ["sh", "-euc", script, "sh", *words], user="dev")
        return str(done.stdout)

    return run


@pytest.fixture
def modules(workdir: str, cluster: Cluster) -> list[str]:
    """The lines of a setup that define the stand-in for `module`."""
    path = f"{workdir}/the modules"
    cluster.backend.write_file(f"{path}/init", MODULES.encode())
    return [f"TOOLS='{path}'", 'source "$TOOLS/init"']


@pytest.fixture
def only_on_login(sh: Callable[..., str]) -> Iterator[str]:
    """A file that the login node alone has."""
    path = f"/tmp/only-here-{secrets.token_hex(6)}"
    sh('touch "$1"', path)
    yield path
    sh('rm "$1"', path)


def environment_at(prefix: str, sh: Callable[..., str]) -> None:
    """A virtual environment, made as venv would: Debian's Python comes without it."""
    script = 'mkdir -p "$1/bin" && ln -s /usr/bin/python3 "$1/bin/python" && echo home = /usr/bin > "$1/pyvenv.cfg"'
    sh(script, prefix)


def accounted(name: str, sh: Callable[..., str]) -> str:
    """The jobs of that name, queued or on record."""
    return sh('squeue -h -n "$1"; sacct -n -X --name "$1"', name)


def test_a_job_has_what_its_modules_bring(
    connect: Connect, modules: list[str], workdir: str, sh: Callable[..., str]
) -> None:
    environment_at(f"{workdir}/the modules", sh)
    sh('ln -s python "$1/bin/python-of-the-tool"', f"{workdir}/the modules")
    connect(setup=[*modules, "module load tool/2"], python="python-of-the-tool")
    seen = environment_tasks.environment().get_result(TIMEOUT)
    assert (seen["TOOL_VERSION"], seen["prefix"]) == ("2", f"{workdir}/the modules")


def test_a_module_that_is_not_there_refuses_the_call(
    connect: Connect, modules: list[str], sh: Callable[..., str]
) -> None:
    connect(setup=[*modules, "module load cuda/99"])
    name = f"refused-{secrets.token_hex(4)}"
    with pytest.raises(PackagingError) as caught:
        environment_tasks.environment.with_options(job_name=name)()
    assert str(caught.value) == (
        "setup line 3 of 3, 'module load cuda/99', failed on the login node with status 1: "
        "ERROR: Unable to locate a modulefile for 'cuda/99'; mend it in the packaging's setup"
    )
    assert accounted(name, sh) == ""


def test_what_only_the_login_node_has_is_named_in_the_jobs_error(
    connect: Connect, only_on_login: str
) -> None:
    connect(setup=["true", f"cat {only_on_login}"])
    with pytest.raises(JobFailed) as caught:
        environment_tasks.environment.with_options(nodelist="c2")().get_result(TIMEOUT)
    first, *_ = str(caught.value).splitlines()
    assert (
        f"setup line 2 of 2, 'cat {only_on_login}', failed on c2 with status 1; mend it in the packaging's setup"
        in first
    )
    assert f"cat: {only_on_login}: No such file or directory" in str(caught.value)


def test_a_check_on_a_node_finds_it_before(
    connect: Connect, only_on_login: str, sh: Callable[..., str]
) -> None:
    connect(setup=["true", f"cat {only_on_login}"], check="node")
    name = f"refused-{secrets.token_hex(4)}"
    with pytest.raises(PackagingError) as caught:
        environment_tasks.environment.with_options(job_name=name, partition="gpu")()
    message = str(caught.value)
    assert f"setup line 2 of 2, 'cat {only_on_login}', failed on a compute node" in message
    assert "with status 1: cat: " in message
    assert accounted(name, sh) == ""
    connect(setup=["echo fine"], check="node")
    assert environment_tasks.environment().get_result(TIMEOUT)["prefix"] == "/usr"


def test_conda_is_activated_on_nodes_that_have_no_conda(
    connect: Connect, workdir: str, sh: Callable[..., str]
) -> None:
    """A stand-in for an environment of conda's, and for its program, which is on the login node's PATH alone."""
    prefix = f"{workdir}/envs/it's a train"
    environment_at(prefix, sh)
    sh('mkdir -p "$1/conda-meta" "$1/etc/conda/activate.d" "$2/bin"', prefix, workdir)
    sh(
        'echo "export TOOL_VERSION=\\${CONDA_PREFIX##*/}" > "$1/etc/conda/activate.d/tool.sh"',
        prefix,
    )
    listed = f'printf %s \'{{"envs": ["{prefix}"]}}\''.replace("it's", "it'\\''s")
    sh(
        'printf "#!/bin/sh\\n%s\\n" "$2" > "$1/bin/conda" && chmod +x "$1/bin/conda"',
        workdir,
        listed,
    )
    connect(conda="it's a train", setup=[f'export PATH="{workdir}/bin:$PATH"'])
    seen = environment_tasks.children_see().get_result(TIMEOUT)
    assert [one["TOOL_VERSION"] for one in seen] == ["it's a train"] * 2
    assert [one["prefix"] for one in seen] == [prefix] * 2


def test_a_project_of_uv_and_paths_in_the_home_directory(
    connect: Connect, sh: Callable[..., str]
) -> None:
    folder = f"site-{secrets.token_hex(6)}"
    environment_at(f"/shared/home/dev/{folder}/.venv", sh)
    sh('mkdir ~/"$1/a path" && echo NUMBER = 7 > ~/"$1/a path/module_at_home.py"', folder)
    connect(uv=f"~/{folder}", pythonpath=[f"~/{folder}/a path"])
    seen = environment_tasks.environment().get_result(TIMEOUT)
    assert seen["prefix"] == f"/shared/home/dev/{folder}/.venv"
    assert cluster_tasks.number_of("module_at_home").get_result(TIMEOUT) == 7


def test_by_value_it_is_the_packagings_python_that_counts(
    connect: Connect, workdir: str, sh: Callable[..., str]
) -> None:
    says = """[ "$1" = -c ] || exit 3; printf '\\n%s python [3, 9, 2]\\n' "$3\""""
    sh('printf "#!/bin/sh\\n%s\\n" "$2" > "$1/python3.9" && chmod +x "$1/python3.9"', workdir, says)
    connect(python=f"{workdir}/python3.9")
    with pytest.raises(SerializationError, match=r"jobs there have 3\.9, this is"):
        task(lambda: 1)()
