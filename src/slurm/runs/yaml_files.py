"""YAML files that people write, read strictly: what is wrong in one is said with its line and its key."""

from __future__ import annotations

import functools
import importlib.resources
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slurm.agent.regular_files import open_regular
from slurm.config.checks import suggestion
from slurm.errors import ConfigError

LARGEST = 1 << 20  # bytes
DEEPEST = 100  # brackets in brackets; the reader takes minutes for a thousand
MOST_VALUES = 10_000  # an alias of aliases of aliases is many
UNQUOTED = re.compile(r"^[ \t]*[\w.]+:[ \t]+\{\{", re.MULTILINE)  # to YAML, a mapping as a key
WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "nothing",
}
KeyPath = tuple[str, ...]


class YamlError(ConfigError):
    """A YAML file is not what it must be. The message names the file, the line and the key.

    >>> parse("mode: [", Path("policy.yaml"))
    Traceback (most recent call last):
        ...
    slurm.runs.yaml_files.YamlError: policy.yaml, line 1: it is no YAML: expected the node content, but found '<stream end>'
    """


@dataclass(frozen=True)
class Document:
    """A mapping out of a YAML file: `content`, and the line of each key by its path."""

    path: Path
    content: Mapping[str, Any]
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def where(self, key: KeyPath) -> str:
        """The file, and the line of a key or of the one around it."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.lines:
                return f"{self.path}, line {self.lines[key[:length]]}"
        return str(self.path)

    def error(self, key: KeyPath, message: str) -> YamlError:
        """The error that says what is wrong with a key."""
        return YamlError(f"{self.where(key)}: {'.'.join(key)} {message}")

    def check(self, schema: str) -> None:
        """Raises `YamlError` unless the content is as the JSON schema of that name says."""
        import fastjsonschema

        for key, known in _unknown(schema_of(schema), self.content):
            hint = suggestion(key[-1], known)
            raise self.error(key, f"is no key{hint}; there {_are(known)}")
        try:
            _validator(schema)(dict(self.content))
        except fastjsonschema.JsonSchemaValueException as error:
            key = _shortened(tuple(str(part) for part in error.path[1:]), self.lines)
            raise self.error(key, _in_words(error)) from None


def read_text(path: Path) -> str:
    """The text of a file, with its line ends as they are. Raises `YamlError`."""
    try:
        with open_regular(str(path)) as file:
            data: bytes = file.read(LARGEST + 1)
    except OSError as error:
        raise YamlError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST:
        raise YamlError(f"{path} is not read: it is larger than {LARGEST} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise YamlError(f"{path}, line {line}: it is no UTF-8 text ({error.reason})") from None


def parse(
    text: str, path: Path, *, only: tuple[str, ...] | None = None, dotted: bool = False
) -> Document:
    """The mapping that a text is. Raises `YamlError`.

    Of its keys those named by `only` (default: all) are looked at. `dotted` keys are paths: ``a.b: 1`` says the same as
    ``a: {b: 1}``.
    """
    try:
        return _parsed(text, path, only, dotted)
    except YamlError as error:
        if UNQUOTED.search(text):
            raise YamlError(f"{error} (put a value that begins with {{{{ in quotes)") from None
        raise


def _parsed(text: str, path: Path, only: tuple[str, ...] | None, dotted: bool) -> Document:
    found = _loaded(text, path)
    if found is None:
        return Document(path, {})
    if not isinstance(found, dict):
        raise YamlError(f"{path}, line 1: it is no mapping of keys to values")
    document = Document(path, {}, {})
    _take(found, (), _Taking(document, dotted, only))
    return document


def schema_of(name: str) -> dict[str, Any]:
    """A JSON schema of this package.

    >>> schema_of("policy.schema.json")["title"]
    'policy.yaml'
    """
    found: dict[str, Any] = json.loads(package_text(name))
    return found


def package_text(name: str) -> str:
    """A file of this package.

    >>> "iteration_plus_core" in package_text("preset.slurm.yaml")
    True
    """
    return importlib.resources.files("slurm.runs").joinpath(name).read_text("utf-8")


def _loaded(text: str, path: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if _depth(text) > DEEPEST:
        raise YamlError(f"{path}: it is nested too deeply")
    try:
        return YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise YamlError(f"{path}{line}: it is no YAML: {error.problem or error.context}") from None
    except YAMLError as error:
        why = str(error).splitlines()[0]
        position = getattr(error, "position", None)
        line = f", line {text.count(chr(10), 0, position) + 1}" if position is not None else ""
        raise YamlError(f"{path}{line}: it is no YAML: {why}") from None
    except RecursionError:
        raise YamlError(f"{path}: it is nested too deeply") from None
    except (ValueError, TypeError, AttributeError, LookupError, NotImplementedError) as error:
        # What the reader makes of a date that is none, of a tag that does not fit, of a strange directive.
        raise YamlError(f"{path}: it is no YAML: {error}") from None


def _depth(text: str) -> int:
    """How many brackets are open at once, those in comments and quotes among them."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[{\]}]", text):
        depth = depth + 1 if bracket in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


class _Taking:
    def __init__(self, document: Document, dotted: bool, only: tuple[str, ...] | None) -> None:
        self.document = document
        self.content: dict[str, Any] = document.content  # type: ignore[assignment]
        self.lines: dict[KeyPath, int] = document.lines  # type: ignore[assignment]
        self.dotted = dotted
        self.only = only
        self.left = MOST_VALUES

    def count(self, key: KeyPath) -> None:
        self.left -= 1
        if self.left < 0 or len(key) > 50:
            raise self.document.error(key[:3], "has too much in it")


def _take(found: Mapping[Any, Any], above: KeyPath, taking: _Taking) -> None:
    for name, value in found.items():
        if not above and taking.only is not None and name not in taking.only:
            continue
        line = _line(found, name)
        if not isinstance(name, str):
            where = f"{taking.document.path}, line {line}" if line else taking.document.where(above)
            raise YamlError(f"{where}: {_shown(name)} is no key: keys are text")
        key = (*above, *(str(name).split(".") if taking.dotted else (str(name),)))
        before = taking.lines.get(key, 0)
        if line:
            taking.lines[key] = line
        taking.count(key)
        if isinstance(value, dict):
            _section(key, taking)
            _take(value, key, taking)
            continue
        section = _section(key[:-1], taking)
        if key[-1] in section:
            also = f", also in line {before}" if before else ""
            raise taking.document.error(key, f"is said twice{also}")
        section[key[-1]] = _plain(value, key, taking)


def _section(key: KeyPath, taking: _Taking) -> dict[str, Any]:
    section = taking.content
    for part in key:
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            raise taking.document.error(key, "is said twice, once without keys in it")
    return section


def _plain(value: Any, key: KeyPath, taking: _Taking) -> Any:
    from ruamel.yaml.scalarbool import ScalarBoolean

    taking.count(key)
    if isinstance(value, ScalarBoolean):
        return bool(value)
    if isinstance(value, dict):
        return {str(name): _plain(one, (*key, str(name)), taking) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, (*key, str(number)), taking) for number, one in enumerate(value)]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _line(found: Any, name: Any) -> int:
    places = getattr(getattr(found, "lc", None), "data", None) or {}
    return int(places[name][0]) + 1 if name in places else 0


def _unknown(
    schema: Mapping[str, Any], content: Any, above: KeyPath = ()
) -> Iterator[tuple[KeyPath, list[str]]]:
    if not isinstance(content, Mapping):
        return
    known: Mapping[str, Any] = schema.get("properties", {})
    rest = schema.get("additionalProperties", True)
    for name, value in content.items():
        key = (*above, name)
        if name in known:
            yield from _unknown(known[name], value, key)
        elif isinstance(rest, Mapping):
            yield from _unknown(rest, value, key)
        elif rest is False:
            yield key, sorted(known)


def _are(known: list[str]) -> str:
    return f"are {', '.join(known)}" if len(known) > 1 else f"is {known[0]}"


def _shortened(key: KeyPath, lines: Mapping[KeyPath, int]) -> KeyPath:
    """A key without the numbers of entries in a list behind it."""
    while len(key) > 1 and key not in lines and key[-1].isdigit():
        key = key[:-1]
    return key


def _in_words(error: Any) -> str:
    rule, wanted, value = error.rule, error.rule_definition, error.value
    if rule == "type":
        kinds = [wanted] if isinstance(wanted, str) else list(wanted)
        wanted = " or ".join(WORDS.get(kind, kind) for kind in kinds if kind != "null")
        return f"is {_shown(value)}, and must be {wanted}"
    if rule == "enum":
        names = [str(one) for one in wanted if one is not None]
        hint = suggestion(value, names) if isinstance(value, str) else ""
        return f"is {_shown(value)}{hint}, and must be {' or '.join(names)}"
    if rule == "required":
        missing = [name for name in wanted if name not in value]
        return f"has no {' and no '.join(missing)}"
    if rule == "pattern" and "x-must-be" in error.definition:
        return f"is {_shown(value)}, and must be {error.definition['x-must-be']}"
    return f"is {_shown(value)}: {error.message.removeprefix(error.name).strip()}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, (str, int, float, bool)) else ""
    if text:
        return text if len(text) <= 100 else text[:100] + "..."
    if value is None:
        return "empty"
    if isinstance(value, (Mapping, list, tuple)):
        return "a mapping" if isinstance(value, Mapping) else "a list"
    return f"a {type(value).__name__}"


@functools.cache
def _validator(name: str) -> Callable[[Any], Any]:
    import fastjsonschema

    # Defaults it would write into the content, as if the file had said so.
    check: Callable[[Any], Any] = fastjsonschema.compile(schema_of(name), use_default=False)
    return check
