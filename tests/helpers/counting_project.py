"""A project whose build needs no index and counts itself; it stops where a test wants it to."""

from __future__ import annotations

import json
from pathlib import Path

PROJECT = """\
[project]
name = "mine"
version = "1"
dependencies = {dependencies}
[build-system]
requires = []
build-backend = "counting"
backend-path = ["."]
"""
# An own build backend, PEP 517. It is built in a copy, and counts beside the project itself.
BACKEND = """\
import contextlib, os, pathlib, zipfile
HERE = pathlib.Path(__file__).parent
COUNT, GATE = pathlib.Path({beside!r}, "builds"), pathlib.Path({beside!r}, "gate")
DEPENDS = {dependencies}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    with COUNT.open("a") as file:
        file.write(f"{{os.getpid()}}\\n")
    with contextlib.suppress(FileNotFoundError):
        GATE.read_bytes()  # a pipe: until the test closes it
    text = (HERE / "mine" / "tasks.py").read_text()
    about = "Metadata-Version: 2.1\\nName: mine\\nVersion: 1\\n"
    about += "".join(f"Requires-Dist: {{one}}\\n" for one in DEPENDS)
    files = {{
        "mine/__init__.py": "",
        "mine/tasks.py": text,
        "mine-1.data/scripts/mine-script": "#!python\\nimport mine.tasks; print(mine.tasks.WHERE)\\n",
        "mine-1.data/data/share/mine/table.csv": "1,2\\n",
        "mine-1.dist-info/METADATA": about,
        "mine-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "mine-1.dist-info/entry_points.txt": "[console_scripts]\\nmine-tool = mine.tasks:main\\n",
    }}
    record = "".join(f"{{name}},,\\n" for name in [*files, "mine-1.dist-info/RECORD"])
    with zipfile.ZipFile(os.path.join(folder, "mine-1-py3-none-any.whl"), "w") as archive:
        for name, content in {{**files, "mine-1.dist-info/RECORD": record}}.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o100755 if "scripts" in name else 0o100644) << 16
            archive.writestr(member, content)
    return "mine-1-py3-none-any.whl"
"""


class CountingProject:
    """The project, in a folder of its own below `folder`; all its code is in `mine.tasks`."""

    def __init__(self, folder: Path, code: str, *dependencies: str) -> None:
        self.folder = folder / "mine"
        self.tasks = self.folder / "mine" / "tasks.py"
        self.tasks.parent.mkdir(parents=True)
        (self.tasks.parent / "__init__.py").touch()
        self.tasks.write_text(code)
        self.gate, self._builds = folder / "gate", folder / "builds"
        listed = json.dumps(dependencies)
        (self.folder / "pyproject.toml").write_text(PROJECT.format(dependencies=listed))
        (self.folder / "counting.py").write_text(
            BACKEND.format(dependencies=listed, beside=str(folder))
        )

    @property
    def builds(self) -> list[int]:
        """The processes that have built it."""
        return list(map(int, self._builds.read_text().split())) if self._builds.exists() else []
