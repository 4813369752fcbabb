"""Jobs as ``scontrol show job`` prints them."""

from __future__ import annotations

from .asked import Asked
from .jobs import end_of, nodes_of
from .rows import Row, rows_of
from .store import Job
from .submitted import output_path
from .values import long_elapsed, memory_text, moment


def shown_job(jobs: list[Job], oneliner: bool, asked: Asked) -> str:
    """All of these."""
    texts = []
    for row in rows_of(jobs):
        lines = _lines(row, asked)
        texts.append(" ".join(lines) + " \n" if oneliner else "\n   ".join([*lines, ""]) + "\n\n")
    return "".join(texts)


def _lines(row: Row, asked: Asked) -> list[str]:
    job = row.job
    started = job["start"] is not None
    uid = f"{job['user']}({asked.uid})"
    array = ""
    if job["array"] is not None:
        throttle = f" ArrayTaskThrottle={job['throttle']}" if job["throttle"] else ""
        array = f" ArrayJobId={job['array']} ArrayTaskId={row.task}{throttle}"
    begin = job["begin"] if job["start"] is None else job["start"]
    tres = f"cpu={job['cpus']},mem={memory_text(job['memory'] * job['cpus'])},node={job['nodes']},billing={job['cpus']}"
    ran = 0.0
    if started:
        ran = (job["end"] if job["end"] is not None else asked.now) - job["start"]
    limit = long_elapsed(job["limit"] * 60) if job["limit"] else "UNLIMITED"
    nodes = nodes_of(asked.state, job)
    return [
        f"JobId={row.number}{array} JobName={job['name']}",
        f"UserId={uid} GroupId={uid} MCS_label=N/A",
        f"Priority={job['priority']} Nice={job['options'].get('nice') or 0} Account={job['account'] or '(null)'} QOS={job['qos']}",
        f"JobState={job['state']} Reason={job['reason']} Dependency={(job['depends'] and job['dependency']) or '(null)'}",
        f"Requeue={int(job['requeue'])} Restarts={job['restarts']} BatchFlag=1 Reboot=0 ExitCode={job['exit']}",
        f"RunTime={long_elapsed(ran)} TimeLimit={limit} TimeMin=N/A",
        f"SubmitTime={moment(job['submitted'], 'Unknown')} EligibleTime={moment(job['eligible'], 'Unknown')}",
        f"StartTime={moment(begin, 'Unknown')} EndTime={moment(end_of(job), 'Unknown')} Deadline=N/A",
        f"Partition={job['partition']} AllocNode:Sid={asked.state['cluster']}:1",
        f"ReqNodeList={job['options'].get('nodelist') or '(null)'} ExcNodeList={job['options'].get('exclude') or '(null)'}",
        f"NodeList={nodes}",
        *([f"BatchHost={job['node']}"] if job["node"] else []),
        f"NumNodes={job['nodes']} NumCPUs={job['cpus']} NumTasks={job['options'].get('ntasks') or 1} CPUs/Task={job['options'].get('cpus-per-task') or 1}",
        f"ReqTRES={tres}",
        f"AllocTRES={tres if started else '(null)'}",
        f"Command={job['script'] or '(null)'}",
        f"WorkDir={job['workdir']}",
        *([f"Comment={job['comment']} "] if job["comment"] else []),
        f"StdErr={output_path(job, job['stderr'] or job['stdout'])}",
        "StdIn=/dev/null",
        f"StdOut={output_path(job, job['stdout'])}",
        *([f"TresPerNode=gres/{job['gres']}"] if job["gres"] else []),
    ]
