"""What a crash of the machine, or somebody, may leave in the place of a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path


def _write(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        _clear(path)
        path.write_bytes(data)

    return write


def _cut_short(path: Path) -> None:
    data = path.read_bytes().rstrip()
    path.write_bytes(data[: len(data) // 2])


def _make(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        _clear(path)
        make(path)

    return replace


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


DAMAGE: Mapping[str, Callable[[Path], None]] = {
    "empty": _write(b""),
    "zeros": _write(bytes(512)),
    "binary": _write(bytes(range(256))),
    "cut short": _cut_short,
    "deep": _write(b"[" * 100_000),
    "deep object": _write(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "list": _write(b"[1, 2]"),
    "number": _write(b"9" * 5000),
    "nan": _write(b"NaN"),
    "infinite": _write(b'{"pid": 1e999, "end": Infinity, "umask": -Infinity}'),
    "other types": _write(
        b'{"pid": "7", "supervisor": 1, "start": [], "environment": {"A": 1}, "umask": true,'
        b' "error": 5, "cause": "whim", "end": null, "wait": -1}'
    ),
    "other keys": _write(b"{}"),
    "directory": _make(lambda path: path.mkdir()),
    "full directory": _make(lambda path: (path / "in" / "it").mkdir(parents=True)),
    "pipe": _make(os.mkfifo),
    "loop": _make(lambda path: path.symlink_to(path.name)),
    "to nowhere": _make(lambda path: path.symlink_to("/nowhere/at/all")),
    "device": _make(lambda path: path.symlink_to("/dev/zero")),
}
