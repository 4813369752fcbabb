"""The children of the SDK's own submissions, of which a program that has ended did not tell: asked of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurm.runs.manifest import Manifest
from slurm.runs.sdk_runs import MOST_CHILDREN, child, children_in
from slurm.states import ENDED, ENDED_IF_IT_STAYS

if TYPE_CHECKING:
    from slurm.cluster import Cluster

OVER = frozenset(str(state) for state in ENDED | ENDED_IF_IT_STAYS)
LONGEST = 60.0  # seconds until the states of elements that have ended are known


def knows_all(manifest: Manifest) -> bool:
    """Whether the manifest of a run whose job has ended has all its children, as they ended.

    >>> knows_all(Manifest({"sdk": {"kind": "array", "array_size": 2, "children": [{"state": "RUNNING"}]}}))
    False
    """
    about = manifest.section("sdk")
    children = about.get("children")
    if about.get("kind") == "workflow":
        return children is not None
    if about.get("kind") != "array":
        return True
    listed = children or ()
    wanted = min(int(about.get("array_size", 0)), MOST_CHILDREN)
    return len(listed) >= wanted and all(one.get("state") in OVER for one in listed)


def children_of(manifest: Manifest, cluster: Cluster) -> list[dict[str, str]]:
    """The jobs that a workflow has submitted, or the elements of an array, as its cluster knows them.

    Raises `RemoteFileError` where their directories cannot be read, and `TransportError`.
    """
    about = manifest.section("sdk")
    if about.get("kind") == "array":
        array = cluster.get_array(manifest.job_id)
        array.wait(LONGEST)  # all of them are asked for together
        return [
            child(job.task_name, str(job.id), job.status.state, str(job.job_dir))
            for job in array.jobs
        ]
    from slurm.job_tree import JobTree

    return children_in(JobTree.from_dir(about["job_dir"], cluster))
