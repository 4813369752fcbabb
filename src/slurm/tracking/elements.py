"""Something for each item of an array, made when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from slurm.tracking.array_record import ArrayRecord

E = TypeVar("E")


class Elements(Sequence[E]):
    """The jobs of an array, or what is known of them: each is made when it is asked for. Equal to a sequence of the same.

    `array` is what is known of all of them.
    """

    def __init__(self, array: ArrayRecord, make: Callable[[int], E]) -> None:
        self.array: ArrayRecord = array
        self._make = make

    def __len__(self) -> int:
        return self.array.count

    @overload
    def __getitem__(self, index: int) -> E: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[E, ...]: ...
    def __getitem__(self, index: int | slice) -> E | tuple[E, ...]:
        numbers = range(self.array.count)
        if isinstance(index, slice):
            return tuple(map(self._make, numbers[index]))
        try:
            return self._make(numbers[index])
        except IndexError:
            raise IndexError(f"{self.array} has no item {index}") from None

    def __iter__(self) -> Iterator[E]:
        return map(self._make, range(self.array.count))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> Any:
        return tuple, (tuple(self),)  # among arguments they are as any jobs in a tuple

    def __repr__(self) -> str:
        return f"<all of {self.array}>"
