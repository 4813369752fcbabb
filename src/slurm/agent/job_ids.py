"""Job ids as Slurm writes them, several in one word."""

from typing import Any, Dict, Iterator, List, Tuple


def tasks_in(text: str) -> Tuple[str, List[range]]:
    """The job in one of Slurm's words, and which tasks of it where that is an array: ``12_[3-5,7%2]``, ``12_3``.

    >>> tasks_in("12_[3-5,7%2]"), tasks_in("12_3"), tasks_in("12")
    (('12', [range(3, 6), range(7, 8)]), ('12', [range(3, 4)]), ('12', []))
    """
    array, _, tasks = text.partition("_")
    parts = tasks.strip("[]").split("]")[0].split("%")[0].split(",") if tasks else []
    found = []
    for part in parts:
        numbers, _, step = part.partition(":")
        first, _, last = numbers.partition("-")
        found.append(range(int(first), int(last or first) + 1, int(step or 1)))
    return array, found


def expand_job_id(text: str) -> Iterator[str]:
    """The job ids behind one of Slurm's: of ``12_[3-5,7%2]`` those of the array's pending tasks."""
    if "_[" not in text:
        yield text
        return
    array, tasks = tasks_in(text)
    for some in tasks:
        for task in some:
            yield "{}_{}".format(array, task)


def collapse_job_ids(job_ids: List[str]) -> List[str]:
    """The same jobs in fewer words: the tasks of an array as ``12_[0-2,5]``."""
    plain: List[str] = []
    tasks: Dict[str, List[int]] = {}
    for job_id in job_ids:
        array, _, task = job_id.partition("_")
        if task.isdigit():
            tasks.setdefault(array, []).append(int(task))
        else:
            plain.append(job_id)
    return plain + ["{}_[{}]".format(array, ranges(of)) for array, of in tasks.items()]


def rows_together(rows: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Rows about tasks of arrays that say the same as one row, whose ``job_id`` has them in few words.

    >>> rows_together([{"job_id": "12_%d" % task, "state": "PENDING"} for task in range(3)])
    [{'job_id': '12_[0-2]', 'state': 'PENDING'}]
    """
    alike: Dict[Any, List[Dict[str, Any]]] = {}
    for row in rows:
        array, _, task = row["job_id"].partition("_")
        said = tuple(sorted((name, str(row[name])) for name in row if name != "job_id"))
        alike.setdefault((array, said) if task else row["job_id"], []).append(row)
    return [
        dict(same[0], job_id=job_id)
        for same in alike.values()
        for job_id in collapse_job_ids([row["job_id"] for row in same])
    ]


def ranges(numbers: List[int]) -> str:
    """Numbers as Slurm writes them: ``0-2,5``."""
    parts: List[List[int]] = []
    for number in sorted(set(numbers)):
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(
        "{}-{}".format(first, last) if last > first else str(first) for first, last in parts
    )


def numbers(text: str) -> Iterator[int]:
    """The numbers that `ranges` wrote; what else stands there is passed over.

    >>> list(numbers("0-2,x,7"))
    [0, 1, 2, 7]
    """
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first.isdigit() and (last.isdigit() if dash else not last):
            for number in range(int(first), int(last or first) + 1):
                yield number
