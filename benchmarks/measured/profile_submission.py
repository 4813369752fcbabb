"""Where the time of one submission goes: client, way, files, `sbatch`, receipts.

Client and agent are those that ship. Around the client's one request the time is taken; the agent's interpreter
notes what it does (`clients/probe`), on the same clock, for the containers are on this machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.driver import BenchmarkError
from benchmarks.measure import interleave
from benchmarks.remote import SHARED
from benchmarks.session import SCRIPT, Session

ROUNDS = 30
PROBE = f"{SHARED}/probe"
EVENTS = "/dev/shm/slurm-bench-events"  # noqa: S108 - on the login node, which only we are on
WRAPPER = f"""#!/bin/sh
exec env PYTHONPATH={PROBE} PROBE_EVENTS={EVENTS} python3 "$@"
"""
STAGES = (
    ("client", "bind the arguments, pickle, render the script"),
    ("way there", "pack, ssh, and the agent reads the request"),
    ("files", "directory, job files, receipt of the intention; forced to disk"),
    ("sbatch", "the command itself"),
    ("way back", "answer, ssh, and the client reads it"),
    ("future", "a Job, watched by the tracker"),
    ("receipts", "the job's id into receipts and metadata, while the client has its answer"),
)
MEANWHILE = "receipts"  # no part of the whole: the client has its answer by then


@dataclass(frozen=True)
class Event:
    """Something that the agent did."""

    what: str
    thread: str
    start: float
    end: float


@dataclass(frozen=True)
class Call:
    """One submission, as the client saw it: called, the request sent, answered, returned."""

    called: float
    sent: float
    answered: float
    returned: float


def run(session: Session) -> None:
    """Submit with a client that takes the time, in turn with bare sbatch."""
    calls: list[Call] = []
    with session.queue_only():
        bare = session.bare()
        bare.ask("write", path=f"{PROBE}/python3", text=WRAPPER)
        session.login.run(session.login.ssh(f"chmod 700 {PROBE}/python3 && rm -f {EVENTS}"))
        client = session.ours(python=f"{PROBE}/python3")

        def submit() -> float:
            calls.append(Call(*client.ask("submit_and_tell")))
            return calls[-1].returned - calls[-1].called

        ways = {
            "ours": submit,
            "sbatch": lambda: bare.seconds("submit", script=SCRIPT, comment=session.comment),
        }
        found = interleave(ways, session.rounds(ROUNDS), warm_up=2)
        session.release()
        events = parse(
            session.login.run(session.login.ssh(f"cat {EVENTS} && rm {EVENTS}"))[1].decode()
        )
    ends = [after.called for after in calls[1:]] + [math.inf]
    stages = [stages_of(call, events, end) for call, end in list(zip(calls, ends))[2:]]
    for name in stages[0]:
        values = [1000 * one[name] for one in stages]
        session.record(f"profile: {name}", "ms", values)
    session.record("profile: the whole", "ms", [1000 * value for value in found["ours"]])
    session.record("profile: sbatch without an SDK", "ms", [1000 * v for v in found["sbatch"]])


def parse(text: str) -> list[Event]:
    """The lines that `clients/probe` writes.

    >>> parse("fsync 7 1.5 1.75")
    [Event(what='fsync', thread='7', start=1.5, end=1.75)]
    """
    rows = (line.rsplit(" ", 3) for line in text.splitlines())
    return [Event(what, thread, float(start), float(end)) for what, thread, start, end in rows]


def stages_of(call: Call, events: Sequence[Event], until: float = math.inf) -> Mapping[str, float]:
    """The seconds of each stage of one submission, and of the forcing to disk before and after sbatch.

    All but the receipts add up to its time. `until` is when the next one began, whose thread may have the same number.
    """
    during = [one for one in events if call.sent <= one.start and one.end <= call.answered]
    sbatch = next((one for one in during if one.what == "sbatch"), None)
    if sbatch is None:
        raise BenchmarkError("the agent noted no sbatch during a submission")
    # Those of the request's own thread, which notes the job when it has answered.
    own = [one for one in events if one.thread == sbatch.thread]
    own = [one for one in own if call.sent <= one.start and one.end <= until]
    read = [one for one in during if one.what == "loads" and one.start <= own[0].start]
    begun = read[-1].start if read else own[0].start
    written = max(one.end for one in own)
    return {
        "client": call.sent - call.called,
        "way there": begun - call.sent,
        "files": sbatch.start - begun,
        "sbatch": sbatch.end - sbatch.start,
        "receipts": written - sbatch.end,
        "way back": call.answered - sbatch.end,
        "future": call.returned - call.answered,
        "fsync before sbatch": _forced(own, call.sent, sbatch.start),
        "fsync after sbatch": _forced(own, sbatch.end, written),
    }


def _forced(events: Sequence[Event], start: float, end: float) -> float:
    return sum(
        one.end - one.start for one in events if one.what == "fsync" and start <= one.start <= end
    )


def table(series: Mapping[str, Mapping[str, float]]) -> str:
    """The stages as a Markdown table, from the samples in the JSON."""
    whole = series["profile: the whole"]["median"]
    rows = ["| stage | what happens | median | share |", "|---|---|---:|---:|"]
    for name, meaning in STAGES:
        took = series[f"profile: {name}"]["median"]
        more = ""
        if name in ("files", "receipts"):
            which = "before" if name == "files" else "after"
            forced = series[f"profile: fsync {which} sbatch"]["median"]
            more = f" (`fsync`: {forced:.2f} ms)"
        share = "meanwhile" if name == MEANWHILE else f"{took / whole:.0%}"
        rows.append(f"| {name} | {meaning}{more} | {took:.2f} ms | {share} |")
    alone = series["profile: sbatch without an SDK"]["median"]
    rows.append(f"| **the whole** | | {whole:.2f} ms | 100% |")
    rows.append(
        f"| for comparison | `sbatch` on the login node, in the same run | {alone:.2f} ms | {alone / whole:.0%} |"
    )
    return "\n".join(rows)
