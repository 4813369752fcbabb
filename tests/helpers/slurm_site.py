"""A site's Slurm as `slurm doctor` and `slurm cluster` ask it: fake programs that print what real ones have printed."""

from __future__ import annotations

from tests.helpers.fakes import Programs

CONFIG = """\
Configuration data as of 2026-11-30T20:00:00
AccountingStorageEnforce = associations,limits,qos
AccountingStorageType   = accounting_storage/slurmdbd
ClusterName             = hpc
MaxArraySize            = 10001
MaxJobCount             = 25000
SLURM_VERSION           = 24.11.5
"""
PARTITIONS = (
    "PartitionName=cpu AllowAccounts=ALL Default=YES DefaultTime=01:00:00 MaxNodes=UNLIMITED MaxTime=1-00:00:00 "
    "State=UP DefMemPerCPU=2048 TRES=cpu=16,mem=32000M",
    "PartitionName=gpu AllowAccounts=physics Default=NO DefaultTime=NONE MaxNodes=2 MaxTime=UNLIMITED "
    "State=DRAIN DefMemPerNode=UNLIMITED",
)
NODES = (
    "NodeName=c1 CPUAlloc=2 CPUTot=8 Gres=gpu:a100:2(S:0-1),lustre:1 GresUsed=gpu:a100:1(IDX:0),lustre:0 "
    "OS=Linux 6.1 #1 SMP RealMemory=16000 AllocMem=4000 State=MIXED Partitions=cpu,gpu",
    "NodeName=c2 CPUAlloc=0 CPUTot=8 Gres=gpu:2 GresUsed=gpu:0 RealMemory=16000 AllocMem=0 State=IDLE+DRAIN "
    "Partitions=cpu,gpu Reason=disk broken [root@2026-11-30T20:00:00]",
    "NodeName=c3 CPUAlloc=0 CPUTot=4 Gres=(null) GresUsed= RealMemory=8000 AllocMem=0 State=IDLE Partitions=cpu",
)
QUEUE = (
    "7|cpu|me|RUNNING|1:02|10:00|1|2|c1|train",
    "8_[0-9]|cpu|me|PENDING|0:00|10:00|1|1|(Priority)|a|strange name",
)


def install(programs: Programs) -> None:
    """Put the programs of a site where nothing is wrong in front of the PATH."""
    for name in ("sbatch", "scancel"):
        programs.add(name, 'echo "slurm 24.11.5"')
    _file(programs, "config", CONFIG)
    _file(programs, "partition", *PARTITIONS)
    _file(programs, "node", *NODES)
    _file(programs, "queue", *QUEUE)
    programs.add(
        "scontrol",
        'case "$*" in --version) echo "slurm 24.11.5" ;; *partition) cat "$HERE/partition" ;; '
        '*node) cat "$HERE/node" ;; *) cat "$HERE/config" ;; esac',
    )
    programs.add(
        "squeue", 'case "$*" in --version) echo "slurm 24.11.5" ;; *) cat "$HERE/queue" ;; esac'
    )
    programs.add("sinfo", 'echo "slurm 24.11.5"')
    programs.add("sacct", 'case "$*" in --version) echo "slurm 24.11.5" ;; esac')
    programs.add(
        "sacctmgr",
        'case "$*" in --version) echo "slurm 24.11.5" ;; *assoc*) echo "physics|normal||3|normal" ;; '
        "*defaultaccount) echo physics ;; esac",
    )


def _file(programs: Programs, name: str, *lines: str) -> None:
    (programs.folder / name).write_text("\n".join([*lines, ""]))
