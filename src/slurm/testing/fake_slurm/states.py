"""The states of jobs, by the names that Slurm's commands print and read."""

from __future__ import annotations

from .options import Refused, words_of

# In the order of squeue's own list, with the short names.
CODES = {
    "PENDING": "PD",
    "RUNNING": "R",
    "SUSPENDED": "S",
    "COMPLETED": "CD",
    "CANCELLED": "CA",
    "FAILED": "F",
    "TIMEOUT": "TO",
    "NODE_FAIL": "NF",
    "PREEMPTED": "PR",
    "BOOT_FAIL": "BF",
    "DEADLINE": "DL",
    "OUT_OF_MEMORY": "OOM",
    "COMPLETING": "CG",
    "CONFIGURING": "CF",
    "RESIZING": "RS",
    "RESV_DEL_HOLD": "RD",
    "REQUEUED": "RQ",
    "REQUEUE_FED": "RF",
    "REQUEUE_HOLD": "RH",
    "REVOKED": "RV",
    "SIGNALING": "SI",
    "SPECIAL_EXIT": "SE",
    "STAGE_OUT": "SO",
    "STOPPED": "ST",
}
ENDED = words_of(
    """COMPLETED CANCELLED FAILED TIMEOUT NODE_FAIL PREEMPTED BOOT_FAIL DEADLINE OUT_OF_MEMORY REVOKED"""
)
# What squeue shows where nobody says what it is to show.
LIVE = frozenset(CODES) - ENDED
# Why a job is in a state, and with which exit code, where a test does not say.
REASONS = {
    "FAILED": "NonZeroExitCode",
    "TIMEOUT": "TimeLimit",
    "OUT_OF_MEMORY": "OutOfMemory",
    "NODE_FAIL": "NodeDown",
    "BOOT_FAIL": "BootFailure",
    "DEADLINE": "DeadLine",
}
EXIT_CODES = {
    "FAILED": "1:0",
    "CANCELLED": "0:15",
    "TIMEOUT": "0:15",
    "OUT_OF_MEMORY": "0:125",
    "BOOT_FAIL": "1:0",
    "NODE_FAIL": "1:0",
}


def states_of(text: str) -> frozenset[str]:
    """The states that ``squeue -t`` names. Raises `Refused`.

    >>> sorted(states_of("r,PENDING")), states_of("all") == frozenset(CODES)
    (['PENDING', 'RUNNING'], True)
    """
    if text.lower() == "all":
        return frozenset(CODES)
    by_code = {code: state for state, code in CODES.items()}
    found = set()
    for word in text.split(","):
        state = by_code.get(word.upper(), word.upper())
        if state not in CODES:
            names = ",".join(name.lower() for name in CODES)
            raise Refused(
                f"squeue: error: Invalid job state specified: {word}\n"
                f"squeue: error: Valid job states include: {names}\n\n"
            )
        found.add(state)
    return frozenset(found)
