"""Why a job waits, in words: those of Slurm's page "Job Reason Codes" that jobs are seen with. Pure."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "Priority": "jobs with a higher priority are before it",
    "Resources": "it is next, and waits for nodes, cpus or memory to be free",
    "Dependency": "it waits for other jobs",
    "DependencyNeverSatisfied": "what it waits for cannot happen any more: it never starts",
    "JobHeldUser": "it is held: scontrol release starts it",
    "JobHeldAdmin": "an administrator holds it, and has to release it",
    "JobHoldMaxRequeue": "it was requeued too often and is held: scontrol release starts it",
    "BeginTime": "it is not yet the time at which it may begin; a requeued job waits a while as well",
    "JobArrayTaskLimit": "as many elements run as may run at once",
    "PartitionTimeLimit": "the partition allows less time than it asks for: it never starts",
    "PartitionNodeLimit": "the partition does not allow so many nodes: it never starts",
    "PartitionDown": "its partition takes no jobs to run now",
    "PartitionInactive": "its partition takes no jobs to run now",
    "ReqNodeNotAvail": "nodes that it needs are down, drained or reserved",
    "Reservation": "it waits for its reservation to begin",
    "Licenses": "the licenses that it needs are in use",
    "NodeDown": "a node that it needs is down",
    "Cleaning": "what its earlier attempt has left is being cleaned up",
    "Prolog": "its node prepares for it",
    "FrontEndDown": "no front end node is there to run it",
    "BadConstraints": "no node has all that it asks for: it never starts",
    "AccountNotAllowed": "its account may not use the partition: it never starts",
    "QOSNotAllowed": "its QOS may not be used there: it never starts",
}
# How names of limits begin, and whose limit it is that is reached.
LIMITS: Mapping[str, str] = {
    "QOS": "a limit of its QOS is reached",
    "Assoc": "a limit of your account is reached",
    "MaxCpuPerAccount": "a limit of your account is reached",
    "MaxMemPerLimit": "it asks for more memory than may be asked for",
}


def in_words(reason: str) -> str:
    """What a reason means; nothing for one that is not known.

    >>> in_words("Resources"), in_words("QOSMaxCpuPerUserLimit"), in_words("ReqNodeNotAvail, UnavailableNodes:c1")
    ('it is next, and waits for nodes, cpus or memory to be free', 'a limit of its QOS is reached: QOSMaxCpuPerUserLimit', 'nodes that it needs are down, drained or reserved')
    """
    name = reason.strip("()").split(",")[0].split(":")[0].strip()
    if name in REASONS:
        return REASONS[name]
    whose = next((words for begins, words in LIMITS.items() if name.startswith(begins)), "")
    return f"{whose}: {name}" if whose else ""
