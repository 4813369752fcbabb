"""A tree as text and as Mermaid: folded where it is large, and harmless whatever names it holds."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.noted import Noted, a_run, array, job

from slurm.job_tree import rows

TEXT = """\
sweep              1  COMPLETED    19.0 s
├── prepare        2  COMPLETED     2.0 s
├── train          3  TIMEOUT       4.5 s  after 2
├── train          4  FAILED        3.4 s  after 2  ValueError: no data
├── report         5  CANCELLED            after 3, afterany 4
└── inner          6  COMPLETED    12.0 s
    ├── count × 4  7  4 COMPLETED   5.0 s
    └── merge      8  COMPLETED     1.5 s  after 7
"""
MERMAID = """\
flowchart LR
  subgraph n1["sweep · 1 · COMPLETED · 19.0 s"]
    direction LR
    n2("prepare · 2<br/>COMPLETED · 2.0 s")
    n3("train · 3<br/>TIMEOUT · 4.5 s")
    n4("train · 4<br/>FAILED · 3.4 s")
    n5("report · 5<br/>CANCELLED")
    subgraph n6["inner · 6 · COMPLETED · 12.0 s"]
      direction LR
      n7[["count × 4 · 7<br/>4 COMPLETED · 5.0 s"]]
      n8("merge · 8<br/>COMPLETED · 1.5 s")
    end
  end
  n2 --> n3
  n2 --> n4
  n3 --> n5
  n4 -.->|"afterany"| n5
  n7 --> n8
"""


def many(count: int, **more: Any) -> Noted:
    """A workflow with two tasks for each of `count` items; one in ten goes wrong."""
    noted = Noted()
    noted["sweep/w"] = job("1", "sweep", (0, 1, 2 * count), is_workflow=True)
    for n in range(count):
        bad = n % 10 == 0
        train, evaluate = str(2 * n + 2), str(2 * n + 3)
        noted[f"sweep/w/tasks/train/{n:05}x"] = job(
            train, "train", (n, n + 1, n + 2), "failed" if bad else "completed", **more
        )
        noted[f"sweep/w/tasks/evaluate/{n:05}x"] = job(
            evaluate, "evaluate", (n, None if bad else n + 3, n + 4),
            "cancelled" if bad else "completed", after=[train],
        )  # fmt: skip
    return noted


# --- text ----------------------------------------------------------------------------------------


def test_text_has_a_line_for_each_job() -> None:
    assert a_run().tree().to_text() == TEXT


def test_text_folds_many_jobs_of_a_task_and_lists_those_that_went_wrong() -> None:
    lines = many(100).tree().to_text().splitlines()
    assert lines[1].split() == [
        *("├──", "train", "×", "100", "2", "…", "200"),
        *("90", "COMPLETED,", "10", "FAILED", "1", "min", "40", "s"),
    ]
    assert sum("FAILED" in line for line in lines) == 11
    assert sum("… 90 more" in line for line in lines) == 2
    assert len(lines) == 25


def test_text_unfolds_when_asked() -> None:
    assert len(many(100).tree().to_text(unfold=True).splitlines()) == 203


def test_a_job_under_way_has_run_until_now() -> None:
    noted = Noted()
    noted["train/a"] = job("1", "train", (0, 10), "running")
    assert "RUNNING  1 min 30 s" in noted.tree(now=100).to_text()
    assert noted.tree(now=5).to_text().endswith("0.0 s\n"), "a clock that is behind"


def test_a_thousand_dependencies_are_named_in_a_few_words() -> None:
    noted = many(1000)
    noted["sweep/w/tasks/best/a"] = job(
        "9999", "best", (5,), "submitted", after=[str(2 * n + 3) for n in range(1000)]
    )
    text = noted.tree().to_text()
    assert "after 3, 5, 7, 9, 11 and 995 more" in text
    assert max(map(len, text.splitlines())) < 120


def test_text_commands_no_terminal() -> None:
    noted = Noted()
    noted["a/1"] = job("1\x1b[2J", "red\x1b[31m\nline\u202e", status="failed", error="x\x07\ny\x9b")
    text = noted.tree().to_text()
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()


# --- mermaid -------------------------------------------------------------------------------------


def test_mermaid_has_boxes_frames_and_arrows() -> None:
    drawn = a_run().tree().to_mermaid()
    assert drawn.startswith(MERMAID)
    assert "class n3,n4,n5 failed" in drawn
    assert "class n1,n6 workflow" in drawn


def test_mermaid_folds_what_would_be_too_much() -> None:
    drawn = many(500).tree().to_mermaid()
    assert "train × 500 · 2 #8230; 1000" in drawn
    assert drawn.count("-->") == 1
    assert len(drawn) < 1000


def test_mermaid_stays_within_its_bounds_whatever_there_is() -> None:
    noted = Noted()
    for n in range(600):
        noted[f"t{n}/a"] = job(str(n), f"task_{n}", after=[str(m) for m in range(n - 3, n)])
    drawn = noted.tree().to_mermaid()
    assert drawn.count("(") <= 150
    assert drawn.count("-->") <= 400
    assert len(drawn) < 50_000


def test_mermaid_draws_an_array_as_one_box() -> None:
    noted = Noted()
    noted["count/a"] = array("5", 1000)
    assert 'n1[["count × 1000 · 5<br/>1000 PENDING"]]' in noted.tree().to_mermaid()


LINE = re.compile(
    r'\s*(?:flowchart LR|direction LR|end|subgraph n\d+\["LABEL"\]|n\d+(?:\("LABEL"\)|\[\["LABEL"\]\])'
    r'|n\d+ (?:-->|-\.->\|"LABEL"\|) n\d+|class(?:Def)? [\w:#,; -]+)'.replace(
        "LABEL", r"(?:[\w .,()·×]|#\d+;|<br/>)*"
    ),
    re.ASCII,
)


@given(st.text(), st.text(), st.text())
@pytest.mark.parametrize("dollars", ["", "$$x^2$$"])
def test_no_name_is_anything_but_text_in_mermaid(
    dollars: str, task: str, job_id: str, kind: str
) -> None:
    noted = Noted()
    noted["a/1"] = job(job_id or "1", task + dollars, is_workflow=True)
    noted["a/1/tasks/b/2"] = job("2", task)
    noted["a/1/tasks/c/3"] = job("3", task, after=[("2", kind)])
    drawn = noted.tree().to_mermaid()
    assert [line for line in drawn.splitlines() if not LINE.fullmatch(line)] == []
    assert "$" not in drawn
    assert "#36;#36;" not in drawn


def test_names_that_mean_something_to_mermaid_are_written_by_their_numbers() -> None:
    noted = Noted()
    noted["a/1"] = job("1", 'a"]; click n1 "https://x"')
    assert "a#34;#93;#59; click n1 #34;https#58;#47;#47;x#34;" in noted.tree().to_mermaid()


# --- folding -------------------------------------------------------------------------------------


def test_few_siblings_are_not_folded() -> None:
    [workflow] = rows.fold(many(20).nodes(), most=40)
    assert len(workflow.rows) == 40
    assert not any(row.folded for row in workflow.rows)


def test_many_siblings_fold_by_task_at_the_place_of_their_first() -> None:
    noted = many(21)
    noted["sweep/w/tasks/best/a"] = job("900", "best", (0.5,))
    [workflow] = rows.fold(noted.nodes(), most=40)
    assert [(row.name, row.count, row.folded) for row in workflow.rows] == [
        ("train", 21, True),
        ("evaluate", 21, True),
        ("best", 1, False),
    ]


def test_arrows_lead_from_fold_to_fold() -> None:
    folded = rows.fold(many(100).nodes(), most=40)
    [(source, target, kind)] = rows.arrows(folded)
    assert (source, target, kind) == (
        "sweep/w/tasks/train/00000x*",
        "sweep/w/tasks/evaluate/00000x*",
        "afterok",
    )
