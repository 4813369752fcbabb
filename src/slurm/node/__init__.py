"""What a job's process knows of itself, on its node: standard library, Python 3.9, and quick to load.

It may import the root's `errors`, and `slurm.local`, `slurm.sbatch`, `slurm.job_dir` and `slurm.agent`. It knows no
cluster and no `Job`; `slurm.runtime` and `slurm.runner` are made of it.

- `job_id`: which job this is;
- `stopping`: whether it has to end soon, and its way back into the queue;
- `time_left`: when it reaches its time limit;
- `node_list`: Slurm's way of writing many nodes, taken apart;
- `annotations`: which parameters want a context; `context_names`: the contexts there are, and a quick check for them;
- `binding`: the call of a function, with its contexts filled in.
"""
