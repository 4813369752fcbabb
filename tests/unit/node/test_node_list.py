"""Slurm's way of writing many nodes, taken apart."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import pytest

from slurm.node.node_list import expand_node_list, expand_task_counts


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("", ""),
        ("login", "login"),
        ("c1,c2", "c1 c2"),
        ("c[1-3,7],login", "c1 c2 c3 c7 login"),
        ("node[08-11]", "node08 node09 node10 node11"),
        ("node[9-11]", "node9 node10 node11"),
        ("node[001-002,1000]", "node001 node002 node1000"),
        ("a[1-2]b[3-4]", "a1b3 a1b4 a2b3 a2b4"),
        ("rack[0-1]-n[0-1]-ib", "rack0-n0-ib rack0-n1-ib rack1-n0-ib rack1-n1-ib"),
        ("gpu-a100-[1,3].example.org", "gpu-a100-1.example.org gpu-a100-3.example.org"),
        ("c[5-5]", "c5"),
        ("c[2-1],d", "d"),
    ],
)
def test_a_node_list_is_expanded_in_its_order(text: str, hosts: str) -> None:
    assert expand_node_list(text) == hosts.split()


@pytest.mark.parametrize("text", ["c[1-", "c]1[", "c[]", "c[a-b]", "c[1-2-3]", "c,,d", ",c", "[,]"])
def test_what_is_no_node_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no node list"):
        expand_node_list(text)


NUMBERS = st.lists(st.integers(0, 500), min_size=1, max_size=8)


@hypothesis.given(NUMBERS, st.integers(1, 4))
def test_numbers_keep_their_width(numbers: list[int], width: int) -> None:
    text = ",".join(f"{number:0{width}}" for number in numbers)
    assert expand_node_list(f"n[{text}]x") == [f"n{number:0{width}}x" for number in numbers]


@pytest.mark.parametrize(
    ("text", "counts"),
    [("4", [4]), ("2(x3),1", [2, 2, 2, 1]), ("1(x2)", [1, 1]), ("", []), ("3,2", [3, 2])],
)
def test_task_counts_are_expanded(text: str, counts: list[int]) -> None:
    assert expand_task_counts(text) == counts
