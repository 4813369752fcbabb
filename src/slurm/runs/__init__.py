"""Runs: the durable record of what was submitted.

A run is one submission, of a job, a workflow or an array, written down in a manifest in the user's project. Whoever
finds the files can finish the run. Manifests are the truth; the ledger is made from them. This room may import any
other but `slurm.cli`, and uses public names only; nothing below knows of it, and no node needs it.

A run, without a file or a scheduler:

- `lifecycle`: statuses, and from which to which a run may move; `moments`: times and run ids;
- `manifest`: the manifest as data, and what it must be (``run_manifest.schema.json``);
- `step`: what a run needs next, and what becomes of its manifest when that is done;
- `metrics`: what is measured of a run that ended (``metrics.schema.json``); `evidence`: what is missing of it, and why.

The ledger and the manifests, in files that several programs and an editor change:

- `ledger`: ``docs/slurm_job_list.md`` as text, made from manifests; `ledger_lines`: its lines and entries;
- `ledger_file`: the ledger in its file; `store`: manifests in theirs, and where they are; `locked_files`: how;
- `sharing`: which of them are the group's;
- `run_ids`: ids, and the directories of new runs.

What is done to runs:

- `launch`: begins them; `launch_script`: what their script asks for and becomes; `submission`: submits, and looks up;
- `advance`: takes runs on as far as they can go; `observe`: asks the scheduler about all of them; `report`: what there is to
  say of each, and the exit status; `selection`: which runs a command is about; `clusters`: the clusters they are of;
- `cancel`, `adopt`: cancel their jobs, make a run of a job that others submitted;
- `extract`: the metrics of a run, from the files that it left or its task's value, into its ``metrics.json``;
- `verify`: named checks of runs, by stage; `checks`: those of a run's record; `later_checks`: those of what came after its
  launch; `check_files`: what they look at; `environment`: whether the machine and the cluster are ready.

What people write, and what it says:

- `project`: where a project begins; `places`: where the files of a run are; `yaml_files`: YAML, read strictly; `schemas`: JSON, by its schema;
- `policy`: what a project decides about its runs (``policy.schema.json``, ``preset.slurm.yaml``); `policy_edit`: the
  preset, put into its file; `policy_doctor`: whether it can work; `edit_scope`: which paths a tool may write;
- `templates`: commands of a policy, as lists of arguments; `directives`: the ``#SBATCH`` lines of a batch script;
- `design`: what an iteration says of its runs (``design.schema.json``); `detect`: whether they are jobs of Slurm.

A run's artifacts, on their way home:

- `sync`: brings them; `arrival`: what is here then, and what the manifest says of it; `sync_plan`: which are brought,
  and in which order; `sync_command`: a command of the policy in place of the SDK's own way;
- `logs`: what the jobs of a run have printed;
- `fetch`: files from a cluster, begun ones continued, of which there are `kept_parts`; `sums`: by which they are
  compared; `home`: where they are put.

The SDK's own submissions:

- `tracker`: `RunTracker`, the callback that makes runs of them; `earlier_runs`: the run of an earlier submission with the
  same key; `followed_runs`: those whose jobs have not ended;
- `sdk_runs`: their manifests and children, as data; `sdk_children`: the latter, asked of the cluster; `run_files`: manifest and ledger, one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slurm.runs.tracker import RunTracker

__all__ = ["RunTracker"]


def __getattr__(name: str) -> Any:
    if name == "RunTracker":  # late: it needs more than the commands do
        from slurm.runs.tracker import RunTracker

        return RunTracker
    raise AttributeError(f"module 'slurm.runs' has no attribute {name!r}")
