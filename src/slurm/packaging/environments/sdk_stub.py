"""A wheel with nothing in it that is called like the SDK: who requires the SDK has it, and no index is asked for it."""

from __future__ import annotations

from pathlib import Path

from slurm._version import __version__

METADATA = (
    f"Metadata-Version: 2.1\nName: slurm-tasks\nVersion: {__version__}\nProvides-Extra: rich\n"
    "Provides-Extra: testing\n"
)
TEXTS = {
    "METADATA": METADATA,
    "WHEEL": "Wheel-Version: 1.0\nGenerator: slurm-tasks\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "RECORD": "",
}


def write_stub(folder: Path) -> Path:
    """Write the wheel into a new folder."""
    import zipfile  # late: most clients need its metadata alone

    folder.mkdir()
    name = f"slurm_tasks-{__version__}"
    path = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in TEXTS.items():
            archive.writestr(f"{name}.dist-info/{file}", text)
    return path
