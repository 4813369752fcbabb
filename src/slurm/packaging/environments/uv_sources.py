"""Where a requirement is taken from in the place of an index: ``[tool.uv.sources]`` of a project or a script."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm.errors import ConfigError
from slurm.packaging.environments.requirement_lines import (
    SDK,
    editable_folder,
    is_local,
    local_folder,
    requirement_of,
    same_name,
)
from slurm.packaging.toml_files import section

CONDITIONS = ("marker", "extra", "group")
LOCK = "which only a lock file keeps to: run uv lock"


@dataclass(frozen=True)
class Sources:
    """What a `file` says of where its requirements are taken from; paths in it begin in its directory."""

    table: Mapping[str, Any]
    file: Path

    @classmethod
    def of(cls, content: Mapping[str, Any], file: Path) -> Sources:
        """Those that the content of a file has. Raises `ConfigError`."""
        return cls(section(content, file, "tool", "uv", "sources"), file)

    def folder(self, line: str) -> Path | None:
        """The directory of a requirement that lies on this machine as source, and travels so."""
        if is_local(line):
            return local_folder(line, self.file.parent)
        source = self._source(line)
        if "path" in source:
            path = self._path(source)
            return path if path.is_dir() else None
        # A member of the workspace is found where its modules are imported from; it has its lock beside the workspace.
        if source.get("workspace"):
            return Path(os.devnull)
        requirement = requirement_of(line, self.file)
        if source or requirement.url or same_name(line, SDK):
            return None
        return editable_folder(requirement.name)

    def line(self, line: str) -> str:
        """A requirement that is looked for, with the place that it is taken from. Raises `ConfigError` where it cannot be
        had from there: never is it taken from elsewhere."""
        source = self._source(line)
        if not source:
            return line
        name = requirement_of(line, self.file).name
        if any(key in source for key in CONDITIONS):
            raise self._refused(name, f"is taken from different places by conditions, {LOCK}")
        if "index" in source:
            raise self._refused(
                name, f"is to come from the index {source['index']!r} alone, {LOCK}"
            )
        if "git" in source:
            return self._at(line, _git(source))
        if "url" in source:
            return self._at(line, str(source["url"]) + _fragment(source))
        if "path" in source:
            return self._at(line, self._wheel(name, source).as_uri())
        raise self._refused(name, f"is taken from {dict(source)}, which is not understood")

    def _wheel(self, name: str, source: Mapping[str, Any]) -> Path:
        path = self._path(source)
        if not path.is_file():
            raise self._refused(name, f"is taken from {path}, which is not there")
        if path.suffix != ".whl":
            raise self._refused(
                name, f"is taken from {path}, and only wheels are sent: build one of it"
            )
        return path

    def _source(self, line: str) -> Mapping[str, Any]:
        """What is said of one requirement; nothing for one that names its place itself, and for the SDK."""
        if same_name(line, SDK) or requirement_of(line, self.file).url:
            return {}
        for name, said in self.table.items():
            if same_name(line, name):
                return self._one(name.lower(), said)
        return {}

    def _one(self, name: str, said: Any) -> Mapping[str, Any]:
        entries = said if isinstance(said, list) else [said]
        if not entries or not all(isinstance(one, Mapping) and one for one in entries):
            raise self._refused(name, f"is taken from {said!r}, which is not understood")
        if len(entries) > 1:
            raise self._refused(name, f"is taken from different places by conditions, {LOCK}")
        [one] = entries
        return dict(one)

    def _at(self, line: str, place: str) -> str:
        requirement = requirement_of(line, self.file)
        if place.split() != [place]:
            raise self._refused(requirement.name, f"is taken from {place!r}, which is no address")
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        condition = f" ; {requirement.marker}" if requirement.marker else ""
        at = f"{requirement.name}{extras} @ {place}{condition}"
        requirement_of(at, self.file)
        return at

    def _path(self, source: Mapping[str, Any]) -> Path:
        return Path(os.path.normpath(self.file.parent / str(source["path"])))

    def _refused(self, name: str, why: str) -> ConfigError:
        return ConfigError(f"{self.file}: {name} {why}")


def _git(source: Mapping[str, Any]) -> str:
    """A repository, as pip and uv spell it."""
    named = [str(source[key]) for key in ("rev", "tag", "branch") if key in source]
    place = str(source["git"]).removeprefix("git+")
    return f"git+{place}{''.join(f'@{one}' for one in named[:1])}{_fragment(source)}"


def _fragment(source: Mapping[str, Any]) -> str:
    return f"#subdirectory={source['subdirectory']}" if "subdirectory" in source else ""
