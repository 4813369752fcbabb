"""A Python project as ``pip install --editable`` has it in an environment: where its code is, who it is, and its commands.

Its code is mounted and not copied, so a file that names the directory is all that imports need.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from slurm.errors import ConfigError
from slurm.testing.shape_files import ENVIRONMENT, PROJECT_MOUNT

PROJECT_FILE = "pyproject.toml"
NO_NAME, NO_VERSION = "project", "0"
WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._+!-]*[A-Za-z0-9])?")
# module:function, or module:object.function, with the extras that it wants
ENTRY = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*)\s*(\[[^\]\n]*\])?")
LINE = re.compile(r"[^\n]+")


class EditableProject(NamedTuple):
    """What a project says of itself: its `commands`, and its entry points of all groups, theirs among them."""

    root: Path
    name: str = NO_NAME
    version: str = NO_VERSION
    commands: Mapping[str, str] = {}
    groups: Mapping[str, Any] = {}

    @classmethod
    def of(cls, root: Path) -> EditableProject:
        """The project whose root that is. Raises `ConfigError` for what its ``pyproject.toml`` cannot mean.

        >>> EditableProject.of(Path("/home/me/curves")).imports
        '/project'
        """
        from slurm.packaging.toml_files import read_toml, section

        file = root / PROJECT_FILE
        if not file.is_file():
            return cls(root)
        content = read_toml(file)
        about = section(content, file, "project")
        commands = dict(section(content, file, "project", "scripts"))
        groups = dict(section(content, file, "project", "entry-points"))
        groups.update({"console_scripts": commands} if commands else {})
        found = cls(
            root,
            str(about.get("name", NO_NAME)),
            str(about.get("version", NO_VERSION)),
            commands,
            groups,
        )
        found._check(file)
        return found

    @property
    def imports(self) -> str:
        """The directory there in which its modules are."""
        return f"{PROJECT_MOUNT}/src" if (self.root / "src").is_dir() else PROJECT_MOUNT

    def files(self) -> dict[str, str]:
        """The files in an environment by which it is installed there, by their paths in it.

        >>> files = EditableProject(Path("/home/me/curves"), "curves", "1", {"fit": "curves.cli:main"}).files()
        >>> files["site-packages/__editable__.curves.pth"]
        '/project\\n'
        >>> print(files["bin/fit"])
        #!/shared/venv/bin/python
        import sys
        from curves.cli import main
        sys.exit(main())
        <BLANKLINE>
        """
        spelt = re.sub(r"[-_.]+", "_", self.name)
        info = f"site-packages/{spelt}-{self.version}.dist-info"
        entries = "".join(
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(points.items()))
            for group, points in sorted(self.groups.items())
        )
        about = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        return {
            f"site-packages/__editable__.{spelt}.pth": f"{self.imports}\n",
            f"{info}/METADATA": about,
            f"{info}/INSTALLER": "slurm-tasks\n",
            f"{info}/entry_points.txt": entries,
            **{f"bin/{name}": _program(entry) for name, entry in self.commands.items()},
        }

    def _check(self, file: Path) -> None:
        for what, text in (("name", self.name), ("version", self.version)):
            if not WORD.fullmatch(text):
                raise ConfigError(f"{file}: {what} {text!r} is none that a project can have")
        for name, entry in self.commands.items():
            if not WORD.fullmatch(name) or not ENTRY.fullmatch(str(entry)):
                raise ConfigError(
                    f"{file}: the script {name} = {entry!r} names no function, as package.module:function does"
                )
        for group, points in self.groups.items():
            lines = [group, *points, *points.values()] if isinstance(points, Mapping) else [points]
            if not all(isinstance(line, str) and LINE.fullmatch(line) for line in lines):
                raise ConfigError(f"{file}: the entry points of {group} are no names of objects")


def _program(entry: str) -> str:
    found = ENTRY.fullmatch(entry)
    if found is None:
        raise ConfigError(f"{entry!r} names no function, as package.module:function does")
    module, called, rest, _ = found.groups()
    first = f"#!{ENVIRONMENT}/bin/python\nimport sys\n"
    return f"{first}from {module} import {called}\nsys.exit({called}{rest}())\n"
