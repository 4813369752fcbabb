"""Pages that list what the code has: states, keys of schemas, messages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from slurm.states import ENDED, ENDED_IF_IT_STAYS, JobState

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference"
SCHEMAS = sorted((ROOT / "src/slurm/runs").glob("*.schema.json"))
CODE_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def rows(page: Path) -> list[list[str]]:
    """The cells of all tables, without headings and rules."""
    lines = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_page_on_states_has_each_with_whether_it_is_an_end() -> None:
    told = {row[0].strip("` |"): row[1] for row in rows(REFERENCE / "states.md")}

    def expected(state: JobState) -> str:
        ended = "yes" if state in ENDED or state is JobState.UNKNOWN else "no"
        return "if it stays" if state in ENDED_IF_IT_STAYS else ended

    assert told == {str(state): expected(state) for state in JobState}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.name)
def test_the_page_on_schemas_has_each_key(schema: Path) -> None:
    page = (REFERENCE / "json-schemas.md").read_text("utf-8")
    assert f"/{schema.name})" in page
    keys = json.loads(schema.read_text("utf-8"))["properties"]
    assert [key for key in keys if f"`{key}`" not in page] == []


def test_each_message_on_the_page_of_messages_is_one_that_is_said() -> None:
    """In the source, where a long text goes on over several lines, or on the page of mistakes, which is compared with it."""
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "src/slurm").rglob("*.py"))
    joined = re.sub(r'"\s*\n\s*f?"', "", source)
    mistakes = (REFERENCE / "mistakes.md").read_text("utf-8")
    page = (ROOT / "docs/how-to/troubleshooting.md").read_text("utf-8")
    messages = [one for line in page.splitlines() for one in said_in(line)]
    assert len(messages) > 30
    assert [one for one in messages if one not in joined and one not in mistakes] == []


def said_in(line: str) -> list[str]:
    """The messages of a row: what is code in its first cell."""
    return CODE_SPAN.findall(line.split("|")[1]) if line.startswith("| `") else []
