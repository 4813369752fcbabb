"""Commands of a policy: split first, filled in afterwards, never read by a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm.runs.templates import TemplateError, arguments, check_template, shell_words

HOSTILE = (
    "; rm -rf x",
    "$(touch hacked)",
    "`touch hacked`",
    "a b",
    "' \" \\",
    "{{python_bin}}",
    "",
    "*",
    "&& x",
)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_stays_in_its_argument_whatever_it_has_in_it(value: str) -> None:
    template = "run {{it}} --at={{ it }}/x '{{it}} y'"
    assert arguments(template, {"it": value, "python_bin": "no"}) == [
        "run",
        value,
        f"--at={value}/x",
        f"{value} y",
    ]


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_value_stays_in_its_argument(value: str) -> None:
    assert arguments("p a{{it}}b c", {"it": value}) == ["p", f"a{value}b", "c"]


def test_an_interpreter_may_have_spaces_in_its_path() -> None:
    found = arguments("{{python_bin}} -m mine.dry_run", {"python_bin": "/my env/bin/python"})
    assert found == ["/my env/bin/python", "-m", "mine.dry_run"]


@pytest.mark.local
def test_no_shell_reads_the_template(tmp_path: Path) -> None:
    template = (
        "{{python_bin}} -c 'import sys; print(sys.argv[1:])' $(touch hacked) ; touch hacked > out"
    )
    found = arguments(template, {"python_bin": sys.executable})
    done = subprocess.run(found, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(["$(touch", "hacked)", ";", "touch", "hacked", ">", "out"])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (
            "{{pyton_bin}} x",
            r"stands for nothing \(did you mean 'python_bin'\?\); there is \{\{python_bin\}\}$",
        ),
        ("{{}} x", "stands for nothing"),
        ("{{python_bin x", "a {{ without its }}"),
        ("x '", "split into arguments"),
        ("x \\", "split into arguments"),
        ("", "no program"),
        ("  ", "no program"),
        ("'' x", "no program"),
        ("x \0", "zero byte"),
    ],
)
def test_what_is_no_template_is_refused(template: str, says: str) -> None:
    with pytest.raises(TemplateError, match=says):
        check_template(template, ["python_bin"])


def test_a_program_that_is_empty_is_refused_where_its_value_comes_in() -> None:
    with pytest.raises(TemplateError, match="no program"):
        arguments("{{python_bin}} x", {"python_bin": ""})


def test_json_in_a_template_is_no_placeholder() -> None:
    assert arguments("""p '{"a": {"b": 1}}'""", {}) == ["p", '{"a": {"b": 1}}']


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a && b", ["&&"]),
        ("a | b > c 2>&1", ["|", ">", "2>&1"]),
        ("a $(b) `c`", ["$(b)", "`c`"]),
        ("a; b", ["a;"]),
        ("a -c 'x; y' --n=2 'p|q'", []),
        ("python -m mine.dry_run --config path/to/config.yaml", []),
    ],
)
def test_words_for_a_shell_are_found(template: str, words: list[str]) -> None:
    assert shell_words(template) == words
