"""The bars of a timeline: how long a job waited and ran, how many of many ran at once."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from slurm.job_tree.markup import percent
from slurm.job_tree.nodes import OVER, JobNode
from slurm.job_tree.rows import Row
from slurm.job_tree.scale import Scale

BUCKETS = 60
MOST_MARKS = 30
HEIGHT = 16
WIDTH = 1000


def track(row: Row, scale: Scale) -> str:
    """What stands in the row's part of the timeline."""
    return _wait(row, scale) + (_crowd(row, scale) if row.folded else _run(row, scale))


def _wait(row: Row, scale: Scale) -> str:
    """From the submission to the start, or to the end of a job that never started."""
    if row.submitted is None:
        return ""
    until = row.started or row.ended or (None if row.state in OVER else scale.end)
    return _bar("wait", row.submitted, until or row.submitted, scale)


def _run(row: Row, scale: Scale) -> str:
    if row.started is None:
        never = row.ended if row.state in OVER else None
        return _bar("run", never, never, scale) if never else ""
    looks = "run" if row.state in OVER else "run going"
    until = row.ended or (row.started if row.state in OVER else scale.end)
    return _bar(looks, row.started, until, scale)


def _bar(looks: str, start: datetime.datetime, end: datetime.datetime, scale: Scale) -> str:
    left, right = scale.at(start), scale.at(end)
    return f'<i class="{looks}" style="left:{percent(left)};width:{percent(max(0.0, right - left))}"></i>'


def _crowd(row: Row, scale: Scale) -> str:
    """How many of a row's jobs ran at once, over the time, and where those ended that went wrong."""
    start = row.started
    if start is None:
        return ""
    leaves = [leaf for leaf in row.leaves if leaf.started]
    ends = [leaf.ended or scale.end for leaf in leaves]
    left, right = scale.at(start), scale.at(max(ends))
    heights = crowd(leaves, Scale(start, max(ends)), scale.end)
    steps = "".join(f"V{HEIGHT - HEIGHT * h:.1f}h{WIDTH / len(heights):.2f}" for h in heights)
    wrong = [scale.at(leaf.ended) for leaf in row.noteworthy if leaf.ended][:MOST_MARKS]
    marks = "".join(f'<i class="wrong" style="left:{percent(at)}"></i>' for at in wrong)
    return (
        f'<svg class="crowd" style="left:{percent(left)};width:{percent(right - left)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
        f'<path d="M0 {HEIGHT}{steps}V{HEIGHT}z"/></svg>{marks}'
    )


def crowd(jobs: Sequence[JobNode], scale: Scale, now: datetime.datetime) -> list[float]:
    """For each part of the time, how many ran in it on average, as a share of the most."""
    totals = [0.0] * BUCKETS
    for job in jobs:
        if job.started is None:
            continue
        first = scale.at(job.started) / 100 * BUCKETS
        last = scale.at(job.ended or now) / 100 * BUCKETS
        for bucket in range(int(first), min(BUCKETS, int(last) + 1)):
            totals[bucket] += max(0.0, min(last, bucket + 1) - max(first, bucket))
    most = max(totals)
    return [total / most if most else 1.0 for total in totals]
