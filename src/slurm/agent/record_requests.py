"""Requests for what the items of packed arrays have left in record files."""

import os
from typing import Any, Dict, List, Optional, Tuple

from .job_ids import numbers
from .record_files import Wanted, counting, in_folder, wanted_part
from .users import expanded


class RecordRequests:
    """The requests of an `Agent` for record files."""

    def op_records(
        self,
        blob: bytes,
        folder: str,
        jobs: Optional[List[str]],
        items: Optional[str],
        after: Dict[str, int],
        bodies: bool,
        most: int,
    ) -> Tuple[Any, bytes]:
        """Frames of the record files in `folder`: of array tasks by their ids, and of items (``0-3,7``), None for all.

        Answers, for each file, its name, how many bytes of the blob are its frames, and from where on there may be more;
        and whether it was all. `after` is those places for whoever asks for the rest of more than `most` bytes.
        """
        folder = expanded(folder)
        opened = in_folder(folder)
        files = counting(os.listdir(folder), opened, None if jobs is None else set(jobs))
        chosen = None if items is None else set(numbers(items))
        part = wanted_part(files, opened, Wanted(chosen, after, bodies, most))
        return {"files": part.files, "complete": part.complete}, part.data
