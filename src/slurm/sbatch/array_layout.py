"""How the items of an array are laid out over Slurm's array tasks and over directories. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass

LEAST_WIDTH = 3


@dataclass(frozen=True)
class Piece:
    """One ``sbatch --array``: `count` array tasks, the first of which is the array's task `first`."""

    first: int
    count: int


@dataclass(frozen=True)
class ArrayLayout:
    """`count` items, `pack` of them to an array task, at most `largest` array tasks to a submission.

    Where one submission does not hold them all, each but the last holds a power of ten: Slurm
    numbers the tasks of each from zero, and so a task's number in its piece is the end of its
    directory's name, which the pattern of an output file can spell.

    >>> layout = ArrayLayout(2500, largest=1001)
    >>> layout.pieces
    (Piece(first=0, count=1000), Piece(first=1000, count=1000), Piece(first=2000, count=500))
    >>> layout.pattern(layout.pieces[1]), layout.name(1042)
    ('1%3a', '1042')
    """

    count: int
    pack: int = 1
    largest: int = 1001

    @functools.cached_property
    def tasks(self) -> int:
        """How many array tasks there are."""
        return -(-self.count // self.pack)

    @functools.cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The submissions it takes."""
        size = max(1, self.tasks_to_a_piece)
        return tuple(
            Piece(first, min(size, self.tasks - first)) for first in range(0, self.tasks, size)
        )

    @functools.cached_property
    def tasks_to_a_piece(self) -> int:
        """How many array tasks each submission but the last has."""
        return self.tasks if self.tasks <= self.largest else self._piece_size

    @property
    def _piece_size(self) -> int:
        return int(10 ** (len(str(max(1, self.largest))) - 1))

    @functools.cached_property
    def width(self) -> int:
        """Digits in the name of an item's directory."""
        return max(LEAST_WIDTH, len(str(self.count - 1)))

    def name(self, item: int) -> str:
        """The name of an item's directory."""
        return f"{item:0{self.width}d}"

    def pattern(self, piece: Piece) -> str:
        """The names of a piece's items in the words of ``--output``, where each is a task of its own."""
        if len(self.pieces) == 1:
            return f"%{self.width}a"
        digits = len(str(self._piece_size)) - 1
        prefix = f"{piece.first // self._piece_size:0{self.width - digits}d}"
        return prefix + (f"%{digits}a" if digits else "")

    def items_of_task(self, task: int) -> range:
        """The items that an array task runs."""
        return range(task * self.pack, min(self.count, (task + 1) * self.pack))

    def first_of(self, number: int, task: int) -> int | None:
        """The first item that the array task of a piece runs; None for one that the piece does not have.

        >>> ArrayLayout(2500, pack=2, largest=1001).first_of(1, 249), ArrayLayout(2500).first_of(0, 1000)
        (2498, None)
        """
        piece = self.pieces[number]
        return (piece.first + task) * self.pack if task < piece.count else None

    def place_of(self, item: int) -> tuple[int, int]:
        """The piece, and the array task in it, that run an item."""
        return self.place_of_task(item // self.pack)

    def place_of_task(self, task: int) -> tuple[int, int]:
        """The piece that runs an array task, which is numbered over all pieces, and its number in it."""
        return divmod(task, self.tasks_to_a_piece)
