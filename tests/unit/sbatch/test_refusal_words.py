"""What sbatch of Slurm 22.05 and 24.11 said of wrong requests, and what is made of it."""

from __future__ import annotations

from typing import Any

import pytest

from slurm.sbatch.options import OPTIONS
from slurm.sbatch.other_names import OTHER_NAMES, meant
from slurm.sbatch.refusal_words import advice, kind_of, plain

FAILED = "sbatch: error: Batch job submission failed: "
# As both versions print it, unless the comment says which.
SAID = {
    "sbatch: error: invalid partition specified: nope\n"
    + FAILED
    + "Invalid partition name specified": "partition",
    FAILED + "No partition specified or system default partition": "partition",
    FAILED + "User's group not permitted to use this partition": "partition",
    FAILED + "Invalid account or account/partition combination specified": "account",
    FAILED + "Invalid qos specification": "qos",
    FAILED + "Requested time limit is invalid (missing or exceeds some limit)": "time",
    "sbatch: error: AssocMaxWallDurationPerJobLimit\n"
    + FAILED
    + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)": "limit",
    FAILED + "Invalid feature specification": "feature",
    FAILED + "Invalid node name specified": "nodelist",
    FAILED + "Requested reservation is invalid": "reservation",
    FAILED + "Invalid license specification": "licenses",
    "sbatch: error: Invalid generic resource (gres) specification": "gres",
    "sbatch: error: CPU count per node can not be satisfied\n"
    + FAILED
    + "Requested node configuration is not available": "size",
    "sbatch: error: Temporary disk specification can not be satisfied": "size",
    FAILED + "More processors requested than permitted": "size",
    FAILED + "Memory required by task is not available": "size",
    FAILED + "Node count specification invalid": "size",
    FAILED + "Job dependency problem": "dependency",
    "sbatch: error: Invalid time specification (pos=0): soon\n"
    "sbatch: error: Invalid --begin specification": "begin",
    "sbatch: error: No cluster 'far' known by database.\n"
    "sbatch: error: 'far' can't be reached now, or it is an invalid entry for --cluster.": "clusters",
    FAILED + "Invalid job array specification": "",
    "sbatch: error: a word of the site's own": "",
}


def row(
    partition: str, cpus: str, memory: str, gres: str = "(null)", **more: str
) -> dict[str, str]:
    usual = {"available": "up", "time_limit": "infinite", "job_size": "1-infinite", "nodes": "4"}
    own = {
        "partition": partition,
        "cpus": cpus,
        "memory": memory,
        "gres": gres,
        "features": "(null)",
    }
    return {**usual, **own, **more}


MIXED = [
    row("cpu*", "64", "256000", time_limit="1-00:00:00", features="epyc,ib"),
    row("cpu*", "32", "1024000", nodes="2"),
    row("gpu", "16", "128000", "gpu:a100:4(S:0-1)", job_size="1-2", features="ib,nvlink"),
    row("old", "8", "16000", available="down", nodes="1"),
]


@pytest.mark.parametrize("said", SAID)
def test_what_was_wrong_is_recognised(said: str) -> None:
    assert kind_of(said) == SAID[said]
    assert "sbatch" not in plain(said)
    assert "\n" not in plain(said)


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        (
            "partition",
            {"partition": "gpus"},
            "partition=gpus; there are the partitions cpu (default), gpu, old (down): choose one with partition=",
        ),
        (
            "size",
            {"cpus-per-task": "128", "nodes": "1"},
            "cpus_per_task=128; partition cpu has 6 nodes, the largest node with 64 cpus, 256000M of memory and no "
            "gres or 32 cpus, 1024000M of memory and no gres: ask for less, or choose another partition=",
        ),
        (
            "size",
            {"gres": "gpu:8", "partition": "gpu"},
            "gres=gpu:8, partition=gpu; partition gpu has 4 nodes (a job takes at most 2), the largest node with "
            "16 cpus, 128000M of memory and gpu:a100:4: ask for less, or choose another partition=",
        ),
        (
            "time",
            {"time": "3-0", "partition": "cpu,gpu"},
            "time=3-0, partition=cpu,gpu; at most: cpu 1-00:00:00, cpu no limit, gpu no limit; ask for less with "
            "time=, or choose another partition=",
        ),
        (
            "feature",
            {"constraint": "h100"},
            "constraint=h100; features that nodes have: epyc, ib, nvlink",
        ),
        ("gres", {"gres": "fpga:1"}, "gres=fpga:1; gres that nodes have: gpu:a100:4"),
        (
            "licenses",
            {"licenses": "m:1"},
            "licenses=m:1; scontrol show license names those there are",
        ),
        (
            "dependency",
            {"dependency": "afterok:7"},
            "dependency=afterok:7; Slurm knows no such job, or it can no longer end so: name those of a program "
            "with .after(job)",
        ),
        ("begin", {"begin": "soon"}, "begin=soon; as now+1hour, 16:00 or 2030-01-20T16:00:00"),
        (
            "clusters",
            {"clusters": "far"},
            "clusters=far; sacctmgr show clusters names those there are",
        ),
    ],
)
def test_what_there_is_instead_is_told(kind: str, options: dict[str, str], told: str) -> None:
    assert advice(kind, options, MIXED) == told


def test_where_nodes_have_no_memory_to_give_it_can_be_left_out() -> None:
    """Slurm 24.11 on nodes without RealMemory; DefMemPerCPU refuses a job that asks for none as well."""
    nodes = [row("cpu*", "8", "1")]
    there = "partition cpu has 4 nodes, the largest node with 8 cpus, 1M of memory and no gres"
    way = f"{there}: these nodes take no mem=, leave it out with mem=None"
    assert advice("size", {"mem": "1G"}, nodes) == f"mem=1G; {way}"
    assert advice("size", {}, nodes) == f"{there}: ask for less, or choose another partition="


def test_the_accounts_that_one_may_charge_are_told() -> None:
    mine = [
        {"account": "physics", "partition": "", "qos": "long,normal"},
        {"account": "lab", "partition": "gpu", "qos": ""},
    ]
    assert advice("account", {"account": "chem"}, mine) == (
        "account=chem; your accounts are physics (qos long, normal), lab: choose with account= and qos="
    )


@pytest.mark.parametrize("kind", ["partition", "size", "time"])
def test_where_the_site_does_not_tell_only_what_was_asked_for_is_told(kind: str) -> None:
    assert advice(kind, {"partition": "x"}, []) == "partition=x"


def test_what_is_meant_by_another_name_is_an_option() -> None:
    for option, others in OTHER_NAMES.items():
        assert option.split()[0].replace("_", "-") in OPTIONS
        assert not set(others.split()) & OPTIONS


@pytest.mark.parametrize(
    ("name", "option"),
    [
        *[("cpus", "cpus_per_task"), ("n-cpus", "cpus_per_task"), ("num-cores", "cpus_per_task")],
        *[("Memory", "mem"), ("walltime", "time"), ("timeout-min", "time"), ("queue", "partition")],
        *[("gpu", "gpus (or gres='gpu:1')"), ("project", "account"), ("partiton", "partition")],
    ],
)
def test_other_names_are_understood(name: str, option: Any) -> None:
    assert meant(name, OPTIONS) == f"did you mean {option}?"
