"""Writing ``preset: NAME`` into a policy file, of which everything else stays as it is, to the byte."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from slurm.agent.files import replacing, sync_folder
from slurm.errors import ConfigError, SlurmError
from slurm.runs.policy import PRESET_KEY, Policy, Setting, keys, load_policy, policy_of, preset
from slurm.runs.yaml_files import read_text


class Applied(NamedTuple):
    """What `apply_preset` did: the policy as it is now, and whether the file was made or changed for it."""

    policy: Policy
    made: bool
    changed: bool


def apply_preset(name: str, start: Path | None = None) -> Applied:
    """Have the policy of the project at `start` name a preset. Raises `ConfigError` for a file that is none.

    Comments, order and values of the file stay; where it says otherwise than the preset, it goes on winning.
    Raises `SlurmError` where the file cannot be written.

    >>> Path(".git").mkdir()
    >>> apply_preset("slurm").policy["agent_runner.edit_scope.mode"]
    'iteration_plus_core'
    >>> apply_preset("slurm").changed
    False
    """
    preset(name)
    before = load_policy(start)
    if before.preset == name:
        return Applied(before, False, False)
    old = read_text(before.path) if before.exists else None
    new = new_file(name) if old is None else with_preset(old, name, before)
    after = policy_of(new, before.path, before.root, named=before.named)
    try:
        _write(before.path, old, new)
    except OSError as error:
        raise SlurmError(f"{before.path} cannot be written: {error.strerror}") from None
    return Applied(after, old is None, True)


def with_preset(text: str, name: str, policy: Policy) -> str:
    """The text of a policy file, with the preset named in it. Raises `ConfigError`.

    The one line is changed, or added at the end: nothing that was read before it moves.
    """
    wanted = {**_values(policy), PRESET_KEY: name}
    for changed in _changed(text, f"{PRESET_KEY}: {name}", name):
        with contextlib.suppress(ConfigError):
            if _values(policy_of(changed, policy.path, policy.root)) == wanted:
                return changed
    raise ConfigError(
        f"{policy.path}: it is written so that no line can be put into it: add {PRESET_KEY}: {name} yourself"
    )


def new_file(name: str) -> str:
    """A policy file where there was none: the preset, and what else there is to say, in comments."""
    lines = [
        "# What this project decides about its runs. `slurm policy show --effective` prints all of it, with where each",
        "# value is from; `slurm policy doctor` looks whether it can work. What stands here wins over the preset.",
        f"{PRESET_KEY}: {name}",
        "",
    ]
    below = preset(name)
    for key, described in keys().items():
        if key != PRESET_KEY:
            value = below.get(key, described["default"])
            words = described["description"]
            lines += [f"# {words[0].upper()}{words[1:]}.", f"# {key}: {_yaml(value)}"]
    return "\n".join(lines) + "\n"


def _values(policy: Policy) -> dict[str, Any]:
    own: dict[str, Setting] = policy.own
    return {key: one.value for key, one in own.items()}


def _yaml(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _changed(text: str, line: str, name: str) -> Iterator[str]:
    """Texts that may be `text` with the line in it; the first that reads so is the one."""
    from ruamel.yaml import YAML

    end = "\r\n" if "\r\n" in text else "\n"
    # A mark of the encoding at the beginning is none of the characters that the reader counts.
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text[len(mark) :]
    root = YAML(typ="rt").compose(text)
    apart = "" if not text or text.endswith("\n") else end
    if root is None or not isinstance(root.value, list):  # there is nothing in it but comments
        yield f"{mark}{text}{apart}{line}{end}"
        return
    for key, value in root.value:
        if key.value == PRESET_KEY:
            first, last = value.start_mark.index, value.end_mark.index
            if first == last:  # an empty value is where the next key begins
                first = last = text.index(":", key.end_mark.index) + 1
            space = "" if text[first - 1 : first] in (" ", "\t") else " "
            yield f"{mark}{text[:first]}{space}{name}{text[last:]}"
            return
    first = root.start_mark.index
    if root.flow_style:
        comma = ", " if root.value else ""
        yield f"{mark}{text[: first + 1]}{line}{comma}{text[first + 1 :]}"
        return
    indent = " " * root.start_mark.column
    yield f"{mark}{text}{apart}{indent}{line}{end}"
    yield f"{mark}{text[:first]}{line}{end}{indent}{text[first:]}"


def _write(path: Path, old: str | None, new: str) -> None:
    """Write the file that `path` leads to, with the mode and the group that it has."""
    real = os.path.realpath(path)
    folder = os.path.dirname(real)
    os.makedirs(folder, exist_ok=True)
    about = os.stat(real) if old is not None else None
    with replacing(real, _new_mode() if about is None else stat.S_IMODE(about.st_mode)) as file:
        if about is not None and about.st_gid != os.fstat(file.fileno()).st_gid:
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), -1, about.st_gid)
        file.write(new.encode())
        if (read_text(path) if os.path.lexists(path) else None) != old:
            raise SlurmError(f"{path} was changed by somebody else meanwhile: try again")
    sync_folder(folder)


def _new_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
