"""Which jobs below a ``job_base_dir`` have not ended, as far as anybody can tell, and what each runs with."""

import os
import re
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from .array_ends import noted_ends
from .directory_names import ENDS, RECEIPTS, RECORDS
from .errors import AgentError
from .files import beginning
from .job_ids import expand_job_id
from .json_files import parse_object, read_json_if_whole
from .metadata_requests import ARRAY, ITEM, LARGEST_METADATA, METADATA_FILES, UNDER_WAY
from .record_files import recorded_items

ASKED_FOR = 3600.0  # seconds after which what was prepared and has no id becomes no job any more
LOST_AFTER = (
    30 * 86400.0
)  # and after which one that no scheduler here knows is believed to have ended elsewhere
LARGEST_SCRIPT = 4 << 20
IN_SCRIPT = re.compile(
    rb"/(\.packages/(?:(?:source|env|wheels|images)/[^/'\"\s:;,]+|[0-9a-f]{16})|\.sdk/[0-9a-f]{16})(?![0-9a-f])"
)

SCRIPT = re.compile(r"job(_\d+)?\.sh$")

Told = Callable[[str, Dict[str, Any]], None]
Noted = Tuple[str, str, Dict[str, Any], float]


class Job:
    """A job, or an array, by what it has noted of itself, and when that was `changed`."""

    def __init__(self, path: str, content: Dict[str, Any], changed: float) -> None:
        self.path = path
        self.token: str = str(content.get("token", ""))
        self.changed = changed
        keys = [key for key in content if key == "job_id" or key.startswith("job_id_")]
        self.ids: List[str] = [str(content[key]) for key in keys if content[key]]


class Jobs:
    """The jobs under `base`: after `look`, those `unended`, by their directories, with one of their ids.

    A directory is named without links in its path; those of live jobs of other bases are `elsewhere`. `live` are the numbers
    in the scheduler's queue, those of all jobs of this user, and `words` what is said of them there, such as their tokens; `ends` when jobs ended that could not note it, as far as the scheduler knows.
    """

    def __init__(self, base: str, scheduler: Any) -> None:
        self.base: str = os.path.realpath(base)
        self.scheduler = scheduler
        self.unended: Dict[str, Optional[str]] = {}
        self.elsewhere: Set[str] = set()
        self.live: Set[str] = set()
        self.words: Set[str] = set()
        self.ends: Dict[str, float] = {}

    def look(self, told: Told) -> None:
        """Read what all jobs have noted of themselves; `told` hears of each. Then ask the scheduler.

        In this order: what is submitted in between uses what it needs before, which whoever removes something looks at again.
        Raises `AgentError` "unreachable" where the scheduler gives no answer.
        """
        for _ in self.looking(told):
            pass

    def looking(self, told: Told) -> Iterator[None]:
        """`look`, a job at a time."""
        noted = []
        for path, name, content, changed in noted_in(self.base):
            told(path, content)
            if not (_items_ended(path, content) if name == ARRAY else _has_ended(content)):
                noted.append(Job(path, content, changed))
            yield
        self._ask(noted)

    def _ask(self, noted: List[Job]) -> None:
        """Find out which of the jobs have not ended that have `noted` no end, and which others are live again."""
        for row in self.scheduler.unended():
            numbers = {one.split("_")[0].split("+")[0] for one in expand_job_id(row["job_id"])}
            self.live |= numbers
            origin = row.get("comment", "")
            self.words.update(re.findall("[0-9A-Za-z]+", origin))
            for path in self._directories_of(numbers, origin):
                self._add(os.path.realpath(path), numbers)
        now = time.time()
        unknown = [
            job
            for job in noted
            if job.token not in self.words and not self.live.intersection(job.ids)
        ]
        self.ends = self._ended([job for job in unknown if job.ids and _is_recent(job, now)])
        over = {job.path for job in unknown if job.path in self.ends or not _is_recent(job, now)}
        for job in noted:
            if job.path not in over:
                self.unended[job.path] = next(iter(job.ids), None)

    def _add(self, path: str, numbers: Set[str]) -> None:
        if path.startswith(self.base + os.sep):
            self.unended[path] = next(iter(numbers))
        else:
            self.elsewhere.add(path)

    def _directories_of(self, numbers: Set[str], origin: str) -> Iterator[str]:
        """Where the files of a live job are, as the receipt says, and the scheduler."""
        for number in numbers:
            receipt = os.path.join(self.base, RECEIPTS, "job-{}.json".format(number))
            path = read_json_if_whole(receipt).get("job_dir")
            if isinstance(path, str):
                yield path
        for script in origin.split("|"):
            folder, name = os.path.split(script)
            if SCRIPT.match(name) and any(metadata_in(folder)):
                yield folder

    def _ended(self, jobs: List[Job]) -> Dict[str, float]:
        """Those of which the scheduler's accounts say so, and when; another cluster's job may have the same id."""
        asked = {job_id: [job.token, job.path] for job in jobs for job_id in job.ids}
        known: Dict[str, float] = self.scheduler.ended(asked) if asked else {}
        return {
            job.path: max(known[one] for one in job.ids)
            for job in jobs
            if all(one in known for one in job.ids)
        }


def packages_of(path: str) -> Set[str]:
    """What the job in this directory runs with, by the names that the packages have below the base.

    Nothing where the directory is gone: then there is nothing to be run. Raises OSError where that cannot be read.
    """
    found: Set[str] = set()
    try:
        names = os.listdir(path)
        for name in names:
            if SCRIPT.match(name) or name in METADATA_FILES:
                text = beginning(os.path.join(path, name), LARGEST_SCRIPT)
                found.update(os.fsdecode(one) for one in IN_SCRIPT.findall(text))
                if name in METADATA_FILES:
                    found.update(os.path.join(".packages", "source", one) for one in _copies(text))
    except FileNotFoundError:
        pass
    return found


def _copies(metadata: bytes) -> Iterator[str]:
    for one in code_in(_parsed(metadata)):
        yield os.path.basename(str(one["copy"]))


def code_in(content: Dict[str, Any]) -> List[Dict[str, Any]]:
    """What metadata says of the code that its job runs: for each project the ``copy``, its ``revision`` and more."""
    code = content.get("code")
    listed = code if isinstance(code, list) else []
    return [one for one in listed if isinstance(one, dict) and one.get("copy")]


def _is_recent(job: Job, now: float) -> bool:
    return now - job.changed < (LOST_AFTER if job.ids else ASKED_FOR)


def _has_ended(content: Dict[str, Any]) -> bool:
    status = content.get("status")
    return isinstance(status, str) and bool(status) and status not in UNDER_WAY


def _items_ended(path: str, content: Dict[str, Any]) -> bool:
    """Whether all items of an array have noted their ends, or others have for them."""
    count = content.get("count")
    if not isinstance(count, int):
        return False
    ended: Set[int] = set()
    notes = content.get("ended")  # of an older SDK
    for note in [*(notes if isinstance(notes, list) else ()), *noted_ends(path)]:
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", _items(note)):
            ended.update(range(int(first), min(count, int(last or first) + 1)))
    ended.update(recorded_items(os.path.join(path, RECORDS)))
    try:
        names = os.listdir(os.path.join(path, "tasks"))
    except FileNotFoundError:
        names = []
    for name in names:
        if name.isdigit() and _has_ended(_read(os.path.join(path, "tasks", name, ITEM))):
            ended.add(int(name))
    return len(ended) >= count


def _items(note: Any) -> str:
    return str(note.get("items", "")) if isinstance(note, dict) else ""


def noted_in(folder: str, levels: int = 2) -> Iterator[Noted]:
    """Every directory of a job so many levels below `folder`, with the metadata in it and when that was changed.

    What lies in a workflow follows it at once. Items of arrays are no jobs of their own; those of workflows have jobs.
    """
    left = [iter([(folder, levels, False)])]
    while left:
        place = next(left[-1], None)
        if place is None:
            left.pop()
            continue
        path, levels, in_array = place
        found = _names_in(path)
        name = next((one for one in (ARRAY, ITEM) if one in found), "")
        content: Dict[str, Any] = {}
        if name:
            levels = 3
            file = os.path.join(path, name)
            try:
                changed = os.stat(file).st_mtime
                if ENDS in found:
                    changed = max(changed, os.stat(os.path.join(path, ENDS)).st_mtime)
            except FileNotFoundError:
                continue
            content = _read(file)
            if not (in_array and os.path.basename(path).isdigit()):
                yield path, name, content, changed
            if name == ARRAY and content.get("is_workflow") is False:
                continue  # its items, of which there may be very many, have no jobs
        below = ["tasks"] if name else [one for one in found if not one.startswith(".")]
        if levels:
            left.append(_folders(path, below, levels - 1, name == ARRAY or (in_array and not name)))


def _folders(
    path: str, names: List[str], levels: int, in_array: bool
) -> Iterator[Tuple[str, int, bool]]:
    for name in names:
        folder = os.path.join(path, name)
        if os.path.isdir(folder) and not os.path.islink(folder):
            yield folder, levels, in_array


def metadata_in(folder: str) -> List[Dict[str, Any]]:
    """What the metadata files hold that are in a directory; nothing for one that is damaged."""
    return [_read(os.path.join(folder, name)) for name in METADATA_FILES]


def _names_in(path: str) -> List[str]:
    """The names in a directory. What cannot be looked into and is ours may hold a job: `AgentError`."""
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if os.lstat(path).st_uid != os.getuid():
            return []
        said = "nobody can tell which jobs have not ended: {}: {}"
        raise AgentError("file", said.format(error.strerror, path)) from None


def _read(path: str) -> Dict[str, Any]:
    try:
        return _parsed(beginning(path, LARGEST_METADATA))
    except FileNotFoundError:
        return {}


def _parsed(data: bytes) -> Dict[str, Any]:
    """The metadata; of a damaged file nothing, and its job has not ended then."""
    try:
        return parse_object(data)
    except ValueError:
        return {}
