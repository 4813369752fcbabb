"""What files say of jobs and arrays that are known by their ids: receipts lead to directories, and there is metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from slurm.agent.json_files import parse_object
from slurm.errors import RemoteFileError
from slurm.job_dir.metadata import piece_key
from slurm.job_dir.paths import ArrayDirectory, JobDirectory, receipt_of_job
from slurm.sbatch.array_layout import ArrayLayout

if TYPE_CHECKING:
    from slurm.api.site import Site

LAYOUT = ("count", "pack", "max_array_size")


@dataclass(frozen=True)
class WrittenJob:
    """What the files say of a job or an array: its `metadata`, and where an array's items are."""

    path: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    layout: ArrayLayout | None = None

    @property
    def file(self) -> str:
        """The metadata file of a job."""
        return JobDirectory(self.path).metadata if self.path else ""

    @cached_property
    def ids(self) -> list[str]:
        """The scheduler's ids of an array's submissions."""
        pieces = range(len(self.layout.pieces)) if self.layout else ()
        return [str(self.metadata.get(piece_key(number), "")) for number in pieces]

    @cached_property
    def _by_id(self) -> Mapping[str, Mapping[str, Sequence[int]]]:
        found: dict[str, dict[str, list[int]]] = {number: {} for number in self.ids}
        for index in range(self.layout.count if self.layout else 0):
            piece, task = self.layout.place_of(index) if self.layout else (0, 0)
            number = self.ids[piece]
            found[number].setdefault(f"{number}_{task}", []).append(index)
        return found

    def items(self, number: str) -> Mapping[str, Sequence[int]]:
        """The items that each job of the array's submission `number` runs, by the job's id; nothing for what is no array."""
        return self._by_id.get(number, {})

    def file_of(self, index: int) -> str:
        """The metadata file of an array's item."""
        return ArrayDirectory(self.path).element(self._name(index)).metadata

    def directory_of(self, index: int) -> str:
        """The directory of an array's item."""
        return ArrayDirectory(self.path).element(self._name(index)).path

    def _name(self, index: int) -> str:
        assert self.layout is not None  # noqa: S101 - tells type checkers
        return self.layout.name(index)


class WrittenJobs:
    """Reads them, each once; `places` are directories that are known without a receipt, by the number."""

    def __init__(self, site: Site, places: Mapping[str, str]) -> None:
        self._site = site
        self._places = places
        self._read: dict[str, WrittenJob] = {}

    def of(self, job_id: str) -> WrittenJob:
        """What was submitted under this id; ``12_3`` is one of the array ``12``. Raises `TransportError`."""
        self.read([job_id])
        return self._read[number_of(job_id)]

    def read(self, job_ids: Iterable[str]) -> None:
        """Read what was submitted under these ids, in two round trips. Raises `TransportError`."""
        new = [n for n in dict.fromkeys(map(number_of, job_ids)) if n not in self._read]
        base = self._site.job_base_dir
        receipts = self.objects([receipt_of_job(base, number) for number in new])
        places = [
            str(receipt.get("job_dir") or self._places.get(number, ""))
            for number, receipt in zip(new, receipts)
        ]
        plain = [path and JobDirectory(path).metadata for path in places]
        arrays = [path and ArrayDirectory(path).metadata for path in places]
        contents = self.objects([*plain, *arrays])
        for number, path, one, array in zip(new, places, contents, contents[len(new) :]):
            self._read[number] = WrittenJob(path, array or one, _layout_in(array))

    def objects(self, paths: Sequence[str]) -> list[dict[str, Any]]:
        """These files' contents; nothing for one that cannot be read, or is no JSON object. Raises `TransportError`."""
        named = [path for path in paths if path]
        try:
            found = dict(zip(named, self._site.backend.read_files(named))) if named else {}
        except RemoteFileError:
            found = {}
        return [_object(found.get(path)) for path in paths]


def number_of(job_id: str) -> str:
    """The id of the submission a job belongs to.

    >>> number_of("12_3"), number_of("12")
    ('12', '12')
    """
    return job_id.partition("_")[0]


def _layout_in(array: Mapping[str, Any]) -> ArrayLayout | None:
    if not all(isinstance(array.get(key), int) for key in LAYOUT):
        return None
    return ArrayLayout(array["count"], array["pack"], array["max_array_size"])


def _object(data: bytes | None) -> dict[str, Any]:
    try:
        return parse_object(data or b"{}")
    except ValueError:
        return {}
