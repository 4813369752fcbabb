"""How items lie in array tasks and directories: every item has one place, whatever the site allows."""

from __future__ import annotations

import re

import hypothesis
import pytest
from hypothesis import strategies as st

from slurm.sbatch.array_layout import ArrayLayout, Piece

layouts = st.builds(
    ArrayLayout, st.integers(1, 3000), st.integers(1, 40), st.sampled_from([1, 2, 9, 10, 37, 1001])
)


@hypothesis.given(layouts)
def test_every_item_has_one_place(layout: ArrayLayout) -> None:
    items = [item for task in range(layout.tasks) for item in layout.items_of_task(task)]
    assert items == list(range(layout.count))
    for item in (0, layout.count // 2, layout.count - 1):
        piece, number = layout.place_of(item)
        assert 0 <= number < layout.pieces[piece].count
        own = layout.items_of_task(layout.pieces[piece].first + number)
        assert item in own
        assert layout.first_of(piece, number) == own[0]
    assert layout.first_of(len(layout.pieces) - 1, layout.pieces[-1].count) is None


@hypothesis.given(layouts)
def test_no_piece_is_larger_than_the_site_allows(layout: ArrayLayout) -> None:
    assert all(1 <= piece.count <= layout.largest for piece in layout.pieces)
    assert sum(piece.count for piece in layout.pieces) == layout.tasks


@hypothesis.given(layouts)
def test_slurms_pattern_spells_the_names_of_the_directories(layout: ArrayLayout) -> None:
    layout = ArrayLayout(layout.count, 1, layout.largest)
    for item in {0, layout.count // 3, layout.count - 1}:
        piece, number = layout.place_of(item)

        def pad(match: re.Match[str], number: int = number) -> str:
            return f"{number:0{match[1]}d}"

        pattern = layout.pattern(layout.pieces[piece])
        assert re.sub(r"%(\d+)a", pad, pattern) == layout.name(item)


@pytest.mark.parametrize(
    ("count", "largest", "pieces"),
    [
        (1001, 1001, (Piece(0, 1001),)),
        (1002, 1001, (Piece(0, 1000), Piece(1000, 2))),
        (3, 1, (Piece(0, 1), Piece(1, 1), Piece(2, 1))),
    ],
)
def test_only_what_does_not_fit_is_divided(
    count: int, largest: int, pieces: tuple[Piece, ...]
) -> None:
    assert ArrayLayout(count, largest=largest).pieces == pieces
