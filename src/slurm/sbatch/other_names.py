"""Names that other schedulers and libraries have for what sbatch calls otherwise. Pure, and loaded for mistakes only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# What is meant: the names that others have for it, without their separators.
OTHER_NAMES: dict[str, str] = {
    "cpus_per_task": "cpu cpus cpucount cores ncpus ncores numcpus numcores cpuspertask corespertask nproc "
    "nprocs procs threads nthreads numthreads numworkers workers cpuspernode corespernode smp ppn",
    "gpus (or gres='gpu:1')": "gpu ngpu ngpus numgpu numgpus gpucount gpuspertask cuda accelerator accelerators",
    "gpus_per_node": "gpupernode",
    "mem": "memory ram maxmem maxmemory memgb memorygb memmb memorymb vmem hvmem memorylimit memlimit mempernode "
    "memorypernode rssmem",
    "mem_per_cpu": "memorypercpu mempercore memorypercore",
    "mem_per_gpu": "memorypergpu",
    "time": "walltime wallclock wallclocklimit timeout timelimit maxtime timemin timeoutmin duration runtime hrt "
    "maxruntime maxwalltime limit minutes hours",
    "partition": "queue queues partitions partitionname pool q",
    "nodes": "node nnodes numnodes nodecount nodescount minnodes maxnodes hosts",
    "ntasks": "tasks task numtasks taskcount processes numprocs np mpiprocs ranks",
    "ntasks_per_node": "taskspernode processespernode procspernode ppernode",
    "job_name": "name jobname title",
    "account": "project billing allocation group chargeaccount bank",
    "output": "stdout out log logfile outfile outputfile",
    "error": "stderr err errfile errorfile",
    "mail_user": "email mail notify notifyuser",
    "mail_type": "mailevents notifyon",
    "constraint": "feature features constraints",
    "nodelist": "nodenames hostnames hostlist",
    "exclude": "excludes excludenodes excludednodes",
    "chdir": "cwd workdir workingdir workingdirectory wd",
    "nice": "niceness",
    "dependency": "depends dependson dependencies afterok afterany holdjid",
    "requeue": "retries retry maxretries rerunnable",
    "exclusive": "wholenode",
}
# sbatch(1): the short names of options that take a value.
SHORT: dict[str, str] = {
    "A": "account",
    "a": "array",
    "b": "begin",
    "C": "constraint",
    "c": "cpus-per-task",
    "D": "chdir",
    "d": "dependency",
    "e": "error",
    "G": "gpus",
    "i": "input",
    "J": "job-name",
    "L": "licenses",
    "M": "clusters",
    "m": "distribution",
    "N": "nodes",
    "n": "ntasks",
    "o": "output",
    "p": "partition",
    "q": "qos",
    "S": "core-spec",
    "t": "time",
    "w": "nodelist",
    "x": "exclude",
}
SEPARATORS = str.maketrans("", "", "-_")


def meant(name: str, options: Iterable[str]) -> str:
    """What an option that sbatch does not have may have been meant to be, as a question; empty for no idea.

    >>> meant("walltime", ["time"]), meant("partiton", ["partition"]), meant("zz", ["time"])
    ('did you mean time?', 'did you mean partition?', '')
    """
    if name in SHORT:
        return f"did you mean {SHORT[name].replace('-', '_')}?"
    plain = name.lower().translate(SEPARATORS)
    for option, others in OTHER_NAMES.items():
        if plain in others.split():
            return f"did you mean {option}?"
    near = difflib.get_close_matches(name.lower(), sorted(options), 1)
    return f"did you mean {near[0].replace('-', '_')}?" if near else ""
