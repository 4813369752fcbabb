"""What a client with 10 and with 1000 live jobs costs: questions to the scheduler, CPU, memory.

The jobs are queued and do not run, each a submission of its own. Slurm counts the questions itself.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from benchmarks.clients.processes import cpu_of
from benchmarks.driver import Driver
from benchmarks.measure import Bar, Line
from benchmarks.session import Session

FEW, MANY = 10, 1000
SECONDS = 45.0
# With a hundred times as many jobs: some more or less is the random part of the interval.
BAR = 2.0
# squeue asks for the first three, sacct for the last.
QUESTIONS = (
    "REQUEST_JOB_INFO",
    "REQUEST_JOB_USER_INFO",
    "REQUEST_JOB_INFO_SINGLE",
    "DBD_GET_JOBS_COND",
)
AGENT = "slurm-tasks-agent"


@dataclass(frozen=True)
class Cost:
    """Of a client's minute."""

    questions: float
    client_cpu: float
    ssh_cpu: float
    agent_cpu: float
    memory: float


def run(session: Session) -> None:
    """Watch one client with few live jobs, then with many."""
    seconds = SECONDS / 4 if session.quick else SECONDS
    with session.queue_only():
        ours, bare = session.ours(), session.bare()
        costs = {count: _cost_of(session, ours, bare, count, seconds) for count in (FEW, MANY)}
    for count, cost in costs.items():
        for name, unit, value in (
            ("questions to Slurm", "/min", cost.questions),
            ("client CPU", "s/min", cost.client_cpu),
            ("ssh CPU", "s/min", cost.ssh_cpu),
            ("agent CPU", "s/min", cost.agent_cpu),
            ("client memory", "MB", cost.memory),
        ):
            session.record(f"{count} live jobs: {name}", unit, [value])
    few, many = costs[FEW], costs[MANY]
    what, than = f"{MANY} live jobs", f"{FEW} live jobs"
    bar = Bar(BAR, of_ratio=True)
    session.note(
        Line(f"{what}, squeue and sacct", "/min", many.questions, than, few.questions, bar),
        Line(
            f"{what}, client CPU (with ssh)",
            "s/min",
            many.client_cpu + many.ssh_cpu,
            than,
            few.client_cpu + few.ssh_cpu,
        ),
        Line(f"{what}, agent CPU on the login node", "s/min", many.agent_cpu, than, few.agent_cpu),
        Line(f"{what}, client memory", "MB", many.memory, than, few.memory),
    )


def _cost_of(session: Session, ours: Driver, bare: Driver, count: int, seconds: float) -> Cost:
    if ours.ask("hold", count=count) != count:
        raise AssertionError("the client does not hold as many jobs")
    before, start = _look(session, ours, bare), time.monotonic()
    time.sleep(seconds)
    after = _look(session, ours, bare)
    minutes = (time.monotonic() - start) / 60
    return Cost(
        questions=(after.questions - before.questions) / minutes,
        client_cpu=(after.client_cpu - before.client_cpu) / minutes,
        ssh_cpu=(after.ssh_cpu - before.ssh_cpu) / minutes,
        agent_cpu=(after.agent_cpu - before.agent_cpu) / minutes,
        memory=after.memory,
    )


def _look(session: Session, ours: Driver, bare: Driver) -> Cost:
    used = ours.ask("usage")
    said = session.cluster.exec("slurmctld", ["sdiag"]).stdout
    said += session.cluster.exec("slurmdbd", ["sacctmgr", "show", "stats"]).stdout
    return Cost(
        questions=sum(questions_in(said).values()),
        client_cpu=used["cpu"],
        ssh_cpu=cpu_of("ssh", parent=ours.process.pid),
        agent_cpu=bare.seconds("cpu_of", words=AGENT),
        memory=used["memory"],
    )


def questions_in(statistics: str) -> dict[str, int]:
    """How often each was asked, by what ``sdiag`` and ``sacctmgr show stats`` print.

    >>> questions_in("	REQUEST_JOB_INFO     ( 2003) count:7  ave_time:250    total_time:250")
    {'REQUEST_JOB_INFO': 7}
    """
    found = re.findall(r"^\s*(\w+)\s+\(\s*\d+\)\s+count:(\d+)", statistics, re.MULTILINE)
    return {name: int(count) for name, count in found if name in QUESTIONS}
