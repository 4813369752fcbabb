"""Every command with ``--json`` has a schema, and the page names them all. What is printed is checked in each test: see `conftest`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click
import fastjsonschema
import pytest
from tests.helpers.printed_json import validator, with_json

from slurm.cli.schemas import SCHEMAS, schema

PAGE = Path(__file__).parents[3] / "docs/reference/json.md"


def test_every_command_with_json_has_a_schema() -> None:
    assert set(SCHEMAS) == {words for words, _ in with_json()}


def test_every_file_is_somebodys() -> None:
    files = [one.name for one in resources.files("slurm.cli.schemas").iterdir()]
    names = {name.removesuffix(".schema.json") for name in files if name.endswith(".schema.json")}
    assert names == set(SCHEMAS.values())


@pytest.mark.parametrize("name", sorted(set(SCHEMAS.values())))
def test_a_schema_is_one_and_refuses_other_documents(name: str) -> None:
    assert schema(name)["title"]
    with pytest.raises(fastjsonschema.JsonSchemaException):
        validator(name)({"something": "else"})


def test_the_page_names_every_command_and_its_schema() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `slurm ")]
    told = {}
    for row in rows:
        commands, name = [cell.strip() for cell in row.strip("|").split("|")[:2]]
        for words in commands.split(","):
            told[words.strip(" `").removeprefix("slurm ")] = name.partition("]")[0].strip("[`")
    assert told == {words: f"{name}.schema.json" for words, name in SCHEMAS.items()}


def test_what_a_command_prints_is_held_to_its_schema() -> None:
    [listing] = [command for words, command in with_json() if words == "cluster list"]
    with click.Context(listing), pytest.raises(fastjsonschema.JsonSchemaException):
        click.echo('{"environments": []}')
