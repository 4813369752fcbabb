"""The tables that ``squeue`` and ``sacct`` print, and what is read out of them."""

import re
from typing import Any, Dict, List, Optional

# The end of a job that goes on is when its limit ends it. The comment comes last: it may have anything in it.
SQUEUE_FIELDS = "%i|%T|%r|%N|%e|%k"
SACCT_FIELDS = "JobID,State,ExitCode,Partition,NodeList,Start,End"  # 22.05 has no Restarts
# Where a job came from: behind its comment its script and its working directory; in accounts, which keep
# comments only with AccountingStoreFlags=job_comment, how it was submitted. 20.11 has no SubmitLine.
SQUEUE_ORIGIN, SACCT_ORIGIN = "|%o|%Z", ",Comment,SubmitLine"
OUR_SCRIPT = re.compile(r"/[0-9]{8}_[0-9]{6}_[0-9a-f]{8}/job(?:_[0-9]+)?\.sh(?=$|[ |])")
ORIGIN_KEPT = 8 << 10  # characters of that, from its end: a thousand dependencies are long
USAGE_FIELDS = (
    "JobID,State,ExitCode,Partition,ReqMem,ReqCPUS,TimelimitRaw,ElapsedRaw,MaxRSS,NodeList,"
    "AllocCPUS,TotalCPU,NTasks"
)
# Between the fields of a list: in names and in comments there may be any other character.
APART = "\x1f"
LISTED = (
    *(("job_id", "%i"), ("state", "%T"), ("reason", "%r"), ("partition", "%P"), ("node", "%N")),
    *(("submitted", "%V"), ("start", "%S"), ("end", "%e"), ("limit", "%l"), ("elapsed", "%M")),
    *(("nodes", "%D"), ("cpus", "%C"), ("name", "%j"), ("script", "%o"), ("cwd", "%Z")),
    ("comment", "%k"),
)
# Of accounts the same and more, behind which SACCT_ORIGIN comes.
LISTED_ACCOUNTS = (
    *(("job_id", "JobID"), ("state", "State"), ("exit_code", "ExitCode"), ("node", "NodeList")),
    *(("partition", "Partition"), ("submitted", "Submit"), ("start", "Start"), ("end", "End")),
    *(("minutes", "TimelimitRaw"), ("elapsed", "ElapsedRaw"), ("nodes", "NNodes")),
    *(("cpus", "ReqCPUS"), ("name", "JobName"), ("cwd", "WorkDir")),
)
# The same as far as the controller knows it, and in what order.
SQUEUE_USAGE = (
    ("JobID", "%i"),
    ("State", "%T"),
    ("Partition", "%P"),
    ("Elapsed", "%M"),
    ("NodeList", "%N"),
)


def parse_squeue(text: str) -> List[Dict[str, Any]]:
    """Rows of ``squeue -h -o SQUEUE_FIELDS`` as observations; an array's pending tasks share one."""
    rows = []
    for line in text.split("\n"):
        fields = line.split("|", 5)
        if len(fields) == 6:
            job_id, state, reason, node, end, comment = fields
            rows.append(
                {
                    "job_id": job_id.strip(),
                    "state": state,
                    "reason": reason,
                    "node": node,
                    "end": end,
                    "comment": comment.strip(),
                    "source": "squeue",
                }
            )
    return rows


def parse_sacct(text: str) -> List[Dict[str, Any]]:
    """Rows of ``sacct -n -P -X -o SACCT_FIELDS`` as observations; with ``SACCT_ORIGIN``, or without it."""
    rows = []
    for line in text.split("\n"):
        fields = line.split("|", 7)
        if len(fields) >= 7:
            job_id, state, exit_code, partition, node, start, end = fields[:7]
            rows.append(
                {
                    "job_id": job_id,
                    "state": state.split(" ")[0].rstrip("+"),
                    "exit_code": exit_code,
                    "partition": partition,
                    "node": node,
                    "start": start,
                    "end": end,
                    "origin": (fields[7] + "|")[-ORIGIN_KEPT:] if fields[7:] else "",
                    "source": "sacct",
                }
            )
    return rows


def parse_table(text: str) -> List[Dict[str, str]]:
    """Rows of ``sacct -P`` by the names in its header, whatever a site prints before that."""
    lines = [line.split("|") for line in text.split("\n")]
    start = next((n for n, line in enumerate(lines) if line[0] == "JobID"), len(lines))
    rows = lines[start + 1 :]
    return [dict(zip(lines[start], row)) for row in rows if len(row) == len(lines[start])]


def parse_listed(text: str, names: List[str]) -> List[Dict[str, str]]:
    """Rows of fields with these names, a line each; one of another number of fields is none of ours."""
    rows = (line.split(APART) for line in text.split("\n"))
    return [dict(zip(names, row)) for row in rows if len(row) == len(names)]


def find_mark(table: str, token: str, script: str) -> Optional[str]:
    """The job in the first row, ``id|...``, that names a submission by its token or by its script.

    One with its token and the script of another directory of ours had the same key, and was cleaned up since.
    """
    word = r"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])".format(re.escape(token))
    path = r"(?:^|[ |]){}(?:\||$)".format(re.escape(script))
    mark = re.compile("{}|{}".format(word, path))
    for line in table.split("\n"):
        job_id, _, rest = line.partition("|")
        ours = OUR_SCRIPT.findall(rest)
        if mark.search(rest) and (not ours or any(map(script.endswith, ours))):
            return job_id.strip().split("_")[0]
    return None
