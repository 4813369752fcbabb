"""A project's policy: the SDK's defaults, over them a preset, over that the file ``.slurm/policy.yaml``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from slurm.config.checks import check_text, suggestion
from slurm.config.found_files import distrust
from slurm.errors import ConfigError
from slurm.runs.project import POLICIES, POLICY, project_root
from slurm.runs.templates import TemplateError, arguments, check_template
from slurm.runs.yaml_files import Document, package_text, parse, read_text, schema_of
from slurm.sbatch.values import parse_memory

SCHEMA = "policy.schema.json"
VARIABLE = "SLURM_POLICY"
PRESETS = ("slurm",)
DEFAULT, PRESET, FILE = "default", "preset", "file"
PRESET_KEY, PYTHON, DRY_RUN, LEDGER = "preset", "python_bin", "dry_run_command", "ledger"
LAUNCH_SMOKE = "requirements_by_stage.launch.env_smoke"
MONITOR_SMOKE = "requirements_by_stage.slurm_monitor.env_smoke"
EDIT_MODE = "agent_runner.edit_scope.mode"
CORE_DIRS = "agent_runner.edit_scope.core_dirs"
FALLBACK_STAGE = "autorun.todo_fallback.slurm.stage"
RSYNC = "sync.rsync_command"
MAX_SIZE = "sync.max_size"
# Each command, with what its caller gives beside the interpreter and the project.
COMMANDS: Mapping[str, tuple[str, ...]] = {
    DRY_RUN: ("iteration_dir", "iteration_id", "host_mode"),
    RSYNC: ("source", "destination", "run_id"),
}
EVERY_COMMAND = ("python_bin", "project_root")


class Setting(NamedTuple):
    """A value of a policy, and where it is from: `DEFAULT`, `PRESET` or `FILE`, there with its line."""

    value: Any
    origin: str
    line: int = 0


@dataclass(frozen=True)
class Policy:
    """The policy of the project at `root`. Its `settings` are all keys, by their path with dots.

    >>> policy = load_policy(Path("."))
    >>> policy["agent_runner.edit_scope.mode"], policy.exists
    ('iteration_only', False)
    """

    root: Path
    path: Path
    exists: bool
    settings: Mapping[str, Setting]
    named: bool = False

    def __getitem__(self, key: str) -> Any:
        return self.settings[key].value

    @property
    def own(self) -> dict[str, Setting]:
        """What the file itself says."""
        return {key: one for key, one in self.settings.items() if one.origin == FILE}

    @property
    def preset(self) -> str | None:
        """The name of the preset that lies below the file."""
        found: str | None = self[PRESET_KEY]
        return found

    @property
    def ledger(self) -> Path:
        """The ledger's file."""
        return self.root / str(self[LEDGER])

    @property
    def most_bytes(self) -> int:
        """How many bytes of a run's artifacts are brought home at most.

        >>> load_policy(Path(".")).most_bytes
        10737418240
        """
        return parse_memory(str(self[MAX_SIZE])) << 20

    @property
    def python_bin(self) -> str:
        """The interpreter that ``{{python_bin}}`` stands for; a path is one from the project's root."""
        given = self[PYTHON]
        if given is None:
            return sys.executable or "python3"
        given = os.path.expanduser(given)
        return str(self.root / given) if os.sep in given else str(given)

    def command(self, key: str, **values: str) -> list[str] | None:
        """The program and arguments of one of `COMMANDS`; None where the policy has no such command.

        `values` are what its own placeholders stand for. Raises `ConfigError` where somebody else than the user and root
        could have written it into the file.

        >>> _ = Path("policy.yaml").write_text("dry_run_command: '{{python_bin}} -m mine.dry_run {{host_mode}}'")
        >>> os.environ["SLURM_POLICY"] = "policy.yaml"
        >>> policy = load_policy(Path("."))
        >>> del os.environ["SLURM_POLICY"]
        >>> policy.command(DRY_RUN, iteration_dir=".", iteration_id="iter1", host_mode="slurm")[1:]
        ['-m', 'mine.dry_run', 'slurm']
        """
        template = self[key]
        if template is None:
            return None
        self.require_trusted(key)
        every = {"python_bin": self.python_bin, "project_root": str(self.root)}
        try:
            return arguments(template, {**every, **values})
        except TemplateError as error:
            raise ConfigError(f"{self.where(key)}: {key}: {error}") from None

    def require_trusted(self, key: str) -> None:
        """Raises `ConfigError` where a command of the file is not to be run."""
        reason = self.distrusted() if self.settings[key].origin == FILE else ""
        if reason:
            raise ConfigError(
                f"{self.where(key)}: {key} is not run, for nobody named the file and {reason}: it could have anything "
                f"run as you. If you trust it, name it: {VARIABLE}={self.path}"
            )

    def distrusted(self) -> str:
        """Who else could have written the file; empty for nobody, and for one that ``SLURM_POLICY`` names."""
        if self.named or not self.exists:
            return ""
        return distrust(self.path) or distrust(self.path.resolve())

    def where(self, key: str) -> str:
        """Where a value is from, in words."""
        setting = self.settings[key]
        if setting.origin == FILE:
            return f"{self.path}, line {setting.line}" if setting.line else str(self.path)
        return f"preset {self.preset}" if setting.origin == PRESET else "default"


def load_policy(start: Path | None = None) -> Policy:
    """The policy of the project that `start` (the working directory) is in.

    Its file is the one that ``SLURM_POLICY`` names, else ``.slurm/policy.yaml`` at the root, or
    ``.slurm/verifier_policy.yaml``, as the cookbook calls it. It need not be there.
    Raises `ConfigError` for one that cannot be read, and for a key or a value that is none.
    """
    root = project_root(start)
    named = os.environ.get(VARIABLE)
    path = Path(named).expanduser() if named else _own_file(root)
    if os.path.lexists(path):
        return policy_of(read_text(path), path, root, named=bool(named))
    if named:
        raise ConfigError(f"{VARIABLE} names {path}, which is not there")
    return Policy(root, path, False, dict(_layers({}, {})))


def _own_file(root: Path) -> Path:
    """The project's file, where it is or would be. Raises `ConfigError` where there are two."""
    there = [root / name for name in POLICIES if os.path.lexists(root / name)]
    if len(there) > 1:
        raise ConfigError(
            f"there are two policy files, {there[0]} and {there[1]}: leave one of them there"
        )
    return there[0] if there else root / POLICY


def policy_of(text: str, path: Path, root: Path, *, named: bool = False) -> Policy:
    """The policy with this text in its file. Raises `ConfigError`."""
    document = parse(text, path, dotted=True)
    document.check(SCHEMA)
    own = {key: Setting(value, FILE, _line(document, key)) for key, value in _flat(document)}
    chosen = own.get(PRESET_KEY)
    policy = Policy(
        root, path, True, dict(_layers(preset(chosen.value if chosen else None), own)), named
    )
    _check_values(policy, document)
    return policy


def preset(name: str | None) -> dict[str, Any]:
    """The settings of a preset, by their path with dots. Raises `ConfigError`.

    >>> preset("slurm")["agent_runner.edit_scope.mode"]
    'iteration_plus_core'
    """
    if name is None:
        return {}
    if name not in PRESETS:
        raise ConfigError(
            f"there is no preset {name!r}{suggestion(name, PRESETS)}; there is {', '.join(PRESETS)}"
        )
    file = f"preset.{name}.yaml"
    document = parse(package_text(file), Path(file))
    document.check(SCHEMA)
    return dict(_flat(document))


def keys() -> dict[str, Mapping[str, Any]]:
    """What the schema says of each key, by its path with dots.

    >>> keys()["ledger"]["default"]
    'docs/slurm_job_list.md'
    """
    return dict(_leaves(schema_of(SCHEMA), ()))


def _leaves(
    schema: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, one in schema["properties"].items():
        if "properties" in one:
            yield from _leaves(one, (*above, name))
        else:
            yield ".".join((*above, name)), one


def _layers(below: Mapping[str, Any], own: Mapping[str, Setting]) -> Iterator[tuple[str, Setting]]:
    for key, described in keys().items():
        if key in own:
            yield key, own[key]
        elif key in below:
            yield key, Setting(below[key], PRESET)
        else:
            yield key, Setting(described["default"], DEFAULT)


def _flat(document: Document) -> Iterator[tuple[str, Any]]:
    for key in keys():
        section: Any = document.content
        *above, name = key.split(".")
        for part in above:
            section = section.get(part) or {}
        if name in section:
            yield key, section[name]


def _line(document: Document, key: str) -> int:
    parts = tuple(key.split("."))
    lengths = range(len(parts), 0, -1)
    return next(
        (document.lines[parts[:size]] for size in lengths if parts[:size] in document.lines), 0
    )


def _check_values(policy: Policy, document: Document) -> None:
    """Raises `ConfigError` for what a schema cannot say."""
    for key, own in COMMANDS.items():
        if policy[key] is not None:
            try:
                check_template(policy[key], (*EVERY_COMMAND, *own))
            except TemplateError as error:
                raise document.error(tuple(key.split(".")), f"is no command: {error}") from None
    if policy[PYTHON] is not None:
        try:
            check_text(PYTHON, policy[PYTHON])
        except ConfigError as error:
            raise ConfigError(f"{document.where((PYTHON,))}: {error}") from None
