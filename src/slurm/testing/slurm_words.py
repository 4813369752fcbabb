"""Slurm's own words for what can be said of nodes, partitions, accounts and QOS.

Slurm itself takes them in any case, and calls others unknown late, at the end of a log.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


OF_NODES = _words(
    """
    Boards CoresPerSocket CoreSpecCount CpuSpecList Features MemSpecLimit Reason Sockets SocketsPerBoard State
    ThreadsPerCore TmpDisk Weight
    """
)
OF_PARTITIONS = _words(
    """
    AllocNodes AllowAccounts AllowGroups AllowQos Alternate DefCpuPerGPU DefMemPerCPU DefMemPerGPU
    DefMemPerNode DefaultTime DenyAccounts DenyQos DisableRootJobs ExclusiveUser GraceTime Hidden LLN
    MaxCPUsPerNode MaxMemPerCPU MaxMemPerNode MaxNodes MaxTime MinNodes OverSubscribe OverTimeLimit
    PreemptMode PriorityJobFactor PriorityTier QOS ReqResv RootOnly State TRESBillingWeights
    """
)
OF_BOTH = _words(
    """
    Description GrpJobs GrpJobsAccrue GrpSubmitJobs GrpTRES GrpTRESMins GrpTRESRunMins GrpWall
    MaxTRESMinsPerJob MaxTRESPerJob MaxTRESPerNode MaxWallDurationPerJob Priority
    """
)
OF_ACCOUNTS = OF_BOTH + _words(
    """
    DefaultQOS Fairshare MaxJobs MaxJobsAccrue MaxSubmitJobs Organization Parent QOS
    """
)
OF_QOS = OF_BOTH + _words(
    """
    Flags GraceTime LimitFactor MaxJobsPerAccount MaxJobsPerUser MaxSubmitJobsPerAccount MaxSubmitJobsPerUser
    MaxTRESPerAccount MaxTRESPerUser MinPrioThreshold MinTRESPerJob PreemptExemptTime PreemptMode UsageFactor
    UsageThreshold
    """
)
