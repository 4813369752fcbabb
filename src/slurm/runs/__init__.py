"""Runs: the durable record of what was submitted, from launch to metrics.

A run is one submission, of a job, a workflow or an array, written down in a manifest in the user's project. Whoever
finds the files can finish the run. Manifests are the truth; the ledger is made from them. This room may import any
other but `slurm.cli`, and uses public names only; nothing below knows of it, and no node needs it.

Pure, without a file or a scheduler:

- `lifecycle`: statuses, and from which to which a run may move; `moments`: times and run ids;
- `manifest`: the manifest as data, and what it must be (``run_manifest.schema.json``);
- `step`: what a run needs next, and what becomes of its manifest when that is done;
- `ledger`: ``docs/slurm_job_list.md`` as text, made from manifests.

With files:

- `project`: where a project begins; `locked_files`: files that several programs and an editor change;
- `store`: manifests in their files, and where they are; `ledger_file`: the ledger in its file.
"""
