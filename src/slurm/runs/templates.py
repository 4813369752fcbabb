"""Commands that a policy names: templates that become lists of arguments. No shell reads them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from slurm.config.checks import suggestion
from slurm.errors import ConfigError

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}")
# What means something to a shell alone; an argument that is this and nothing else was meant for one.
OPERATORS = re.compile(r"(\d*[<>]{1,2}(&\d)?|[|&]{1,2}|;{1,2})|.*(\$\(|`).*|.+;", re.DOTALL)


class TemplateError(ConfigError):
    """A template is none, or has a placeholder that is not there.

    >>> arguments("{{pyton_bin}} -m mine.dry_run", {"python_bin": "python3"})
    Traceback (most recent call last):
        ...
    slurm.runs.templates.TemplateError: {{pyton_bin}} stands for nothing (did you mean 'python_bin'?); there is {{python_bin}}
    """


def check_template(template: str, known: Sequence[str]) -> None:
    """Raises `TemplateError` unless `template` can become arguments with placeholders of these names."""
    arguments(template, dict.fromkeys(known, "."))


def arguments(template: str, values: Mapping[str, str]) -> list[str]:
    """The program and its arguments that a template stands for, each placeholder replaced within its argument.

    The template is split as a shell would, quotes included, before anything is put into it: whatever a value has in
    it stays in the one argument. Raises `TemplateError`.

    >>> arguments("{{python_bin}} -m mine.dry_run --at '{{root}}/a b'", {"python_bin": "/my env/python", "root": "/p; rm"})
    ['/my env/python', '-m', 'mine.dry_run', '--at', '/p; rm/a b']
    """
    for found in PLACEHOLDER.finditer(template):
        _check(found.group(1).strip(), values)
    if "{{" in PLACEHOLDER.sub("", template):
        raise TemplateError("there is a {{ without its }}")
    if "\0" in template or any("\0" in value for value in values.values()):
        raise TemplateError("there is a zero byte in it, which no argument can have")
    close = PLACEHOLDER.sub(lambda found: "{{" + found.group(1).strip() + "}}", template)
    try:
        parts = shlex.split(close)
    except ValueError as error:
        raise TemplateError(f"it cannot be split into arguments: {error}") from None
    filled = [PLACEHOLDER.sub(lambda found: values[found.group(1)], part) for part in parts]
    if not filled or not filled[0]:
        raise TemplateError("it names no program")
    return filled


def shell_words(template: str) -> list[str]:
    """The arguments of a template that only a shell would understand, and that reach the program as they are.

    >>> shell_words("cd code && ./dry_run > log")
    ['&&', '>']
    """
    return [part for part in shlex.split(template) if OPERATORS.fullmatch(part)]


def _check(name: str, values: Mapping[str, str]) -> None:
    if name not in values:
        known = ", ".join("{{" + one + "}}" for one in values)
        are = "are" if len(values) > 1 else "is"
        raise TemplateError(
            "{{"
            + name
            + "}} stands for nothing"
            + f"{suggestion(name, values)}; there {are} {known}"
        )
