"""Requests for what jobs have noted of themselves, and notes on those that could not."""

import os
import time
from typing import Any, Dict, Iterator, List, Tuple

from .array_ends import LARGEST_ENDS, add_end
from .directory_names import ENDS, RECORDS
from .files import beginning
from .json_files import lock_of, read_json, write_json
from .record_files import Wanted, counting, in_folder, wanted_part
from .users import expanded

METADATA_FILES = ITEM, ARRAY = ("metadata.json", "array_metadata.json")
LARGEST_METADATA = 1 << 20  # bytes; what is longer is none
LARGEST_RECORDS = 256 << 20  # bytes of what the items of an array task have noted
UNDER_WAY = ("submitted", "running", "requeued")  # what a killed runner leaves in `status`


class MetadataRequests:
    """The requests of an `Agent` for many metadata files at once."""

    def op_collect(self, blob: bytes, path: str, most: int) -> Tuple[Any, bytes]:
        """The metadata files of the jobs in and under `path`, having looked into `most` directories at most.

        And of arrays the notes on ends of items, and the record files of packed ones, without the results in them. Answers
        where each is below `path`, and its place in the blob; and the time here.
        """
        path = expanded(path)
        # What is not there, or is a file, is an error; further down it is passed over.
        os.listdir(path)
        files: List[Any] = []
        parts: List[bytes] = []
        offset = looked = 0
        for looked, (name, contents) in enumerate(_job_directories(path), 1):
            for kind, content in contents.items():
                files.append([os.path.join(name, kind), offset, len(content)])
                parts.append(content)
                offset += len(content)
            if looked == most:
                break
        answer = {"path": os.path.abspath(path), "files": files, "now": time.time()}
        return dict(answer, complete=looked < most), b"".join(parts)

    def op_note_ends(self, blob: bytes, ends: List[Dict[str, Any]]) -> Tuple[Any, bytes]:
        """Note in the metadata files at `path` how jobs ended that could not say so themselves.

        What a job has said of itself stays. For an array's file, whose items have files of their own,
        the note is added to a file beside it. A file that is gone, or is no JSON, is passed over.
        """
        for end in ends:
            path = end.pop("path")
            try:
                if "items" in end:
                    add_end(path, end)
                else:
                    _note_end(path, end)
            except (FileNotFoundError, ValueError):
                pass
        return None, b""


def _note_end(path: str, end: Dict[str, Any]) -> None:
    """Have metadata say how the job ended, if it does not yet."""
    with lock_of(path):
        content = read_json(path) or {}
        if content.get("status") in UNDER_WAY:
            write_json(path, dict(content, **end))


def _job_directories(root: str) -> Iterator[Tuple[str, Dict[str, bytes]]]:
    """Every directory that is looked into, by its path below `root`, with the metadata files in it.

    Below a job that is its ``tasks`` alone, since the rest may be anybody's data; elsewhere two
    levels: the tasks in a `job_base_dir`, and the runs of each.
    """
    left = [("", 2)]
    while left:
        name, levels = left.pop()
        try:
            with os.scandir(os.path.join(root, name)) as entries:
                found = {entry.name: entry for entry in entries}
            contents = {
                kind: beginning(found[kind].path, LARGEST_METADATA)
                for kind in METADATA_FILES
                if kind in found and found[kind].is_file()
            }
            if ARRAY in contents:
                contents.update(_of_array(found))
        except OSError:  # removed meanwhile, or not ours to read
            contents, found = {}, {}
        yield name, contents
        below = [one for one in found if one == "tasks" or not (contents or one.startswith("."))]
        if contents:
            levels = 3
        for child in sorted(below, reverse=True) if levels else ():
            if found[child].is_dir(follow_symlinks=False):
                left.append((os.path.join(name, child), levels - 1))


def _of_array(found: Dict[str, Any]) -> Iterator[Tuple[str, bytes]]:
    """What the directory of an array has beside its metadata file."""
    if ENDS in found and found[ENDS].is_file():
        yield ENDS, beginning(found[ENDS].path, LARGEST_ENDS)
    if RECORDS in found:
        for kind, content in _recorded(found[RECORDS].path).items():
            yield kind, content


def _recorded(folder: str) -> Dict[str, bytes]:
    """What items of a packed array have noted, by the names of record files."""
    opened, whole = in_folder(folder), Wanted(None, {}, bodies=False, most=LARGEST_RECORDS)
    contents: Dict[str, bytes] = {}
    for one in counting(os.listdir(folder), opened):
        contents[os.path.join(RECORDS, one.name)] = wanted_part([one], opened, whole).data
    return contents
