"""hello_world and map_reduce as real sbatch jobs, submitted through ssh, and drawn from a laptop."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys

import pytest

from slurm import Cluster, JobTree
from slurm.examples import map_reduce
from slurm.testing import DockerCluster

pytestmark = pytest.mark.slurm

DEADLINE = 400
TEXTS = 7


def run(docker: DockerCluster, module: str, *arguments: str) -> str:
    """What `module` prints, run as a user does, on this cluster through ssh."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--slurmfile", str(docker.slurmfile)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def counted(slurm_cluster: DockerCluster) -> tuple[str, str]:
    """The workdir of the map/reduce example, and the directory of its workflow."""
    workdir = f"/shared/work/{secrets.token_hex(6)}"
    printed = run(
        *(slurm_cluster, "slurm.examples.map_reduce", "--workdir", workdir),
        *("--texts", str(TEXTS), "--pack", "2", "--max-concurrent", "2"),
    )
    [jobs] = [line.split()[1] for line in printed.splitlines() if line.startswith("  jobs ")]
    return workdir, jobs


# --- examples ------------------------------------------------------------------------------------


def test_hello_world_says_on_which_node_it_was(slurm_cluster: DockerCluster) -> None:
    printed = run(slurm_cluster, "slurm.examples.hello_world", "--name", "Ada")
    assert printed.startswith("Hello, Ada!\n")
    assert "on c1" in printed or "on c2" in printed
    assert "about to greet Ada" in printed


def test_map_reduce_counts_every_word(counted: tuple[str, str], cluster: Cluster) -> None:
    workdir, _ = counted
    path = f"{workdir}/{map_reduce.RESULT}"
    counts: dict[str, int] = json.loads(cluster.backend.read_file(path))
    texts = [map_reduce.sample(number) for number in range(TEXTS)]
    words = " ".join(texts).lower().replace(",", " ").replace(".", " ").replace(";", " ").split()
    assert counts == {word: words.count(word) for word in words}


# --- trees ---------------------------------------------------------------------------------------


def test_a_tree_is_read_in_one_request(
    counted: tuple[str, str], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    request = cluster.backend.request  # type: ignore[attr-defined]

    def counting(op: str, *rest: object) -> object:
        asked.append(op)
        return request(op, *rest)

    monkeypatch.setattr(cluster.backend, "request", counting)
    tree = JobTree.from_dir(counted[1], cluster)
    assert asked == ["collect"]
    [workflow] = tree.nodes
    array, merge = workflow.children
    assert (array.kind, array.count, len(array.children)) == ("array", TEXTS, TEXTS)
    assert [wait.path for wait in merge.waits_for] == [array.path]
    assert set(tree.states()) == {"COMPLETED"}
    assert all(node.started and node.ended for node in tree.walk())
    # Four array tasks of two texts each ran all seven.
    assert len({element.job_id for element in array.children}) == 4


def test_the_command_draws_a_directory_of_the_cluster(
    counted: tuple[str, str], slurm_cluster: DockerCluster
) -> None:
    printed = run(slurm_cluster, "slurm.cli", "tree", counted[1])
    assert "count × 7" in printed
    assert "merge" in printed
