"""Distributions of tests that are found as if they were installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from slurm.packaging.toml_files import read_toml


def install(project: Path, folder: Path, patch: pytest.MonkeyPatch, name: str = "") -> None:
    """Have what a project with modules beside its ``pyproject.toml`` declares found in `folder`, as `name` if told."""
    about = read_toml(project / "pyproject.toml")["project"]
    info = folder / f"{(name or about['name']).replace('-', '_')}-{about['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name or about['name']}\nVersion: {about['version']}\n"
    )
    text = ""
    for group, entries in about["entry-points"].items():
        text += f"[{group}]\n" + "".join(f"{key} = {one}\n" for key, one in entries.items())
    (info / "entry_points.txt").write_text(text)
    for module in project.glob("*.py"):
        (folder / module.name).write_bytes(module.read_bytes())
        patch.delitem(sys.modules, module.stem, raising=False)
    patch.syspath_prepend(folder)
