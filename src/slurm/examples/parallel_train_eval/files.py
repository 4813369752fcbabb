"""JSON files that are whole or not there, and a lock that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from slurm.errors import ConfigError


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, None where there is no such file. Raises `ConfigError` if it is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError, RecursionError) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(content, dict):
        raise _unreadable(path, "it is no JSON object")
    return content


def read_of_epoch(path: Path, epoch: int, **kinds: type) -> dict[str, Any] | None:
    """What a job wrote of an epoch, with a value of its kind for each name. Raises `ConfigError` where it is not that."""
    content = read_json(path)
    if content is None:
        return None
    if content.get("epoch") != epoch:
        raise _unreadable(path, f"it is not of epoch {epoch}")
    wrong = [name for name, kind in kinds.items() if type(content.get(name)) is not kind]
    if wrong:
        raise _unreadable(path, f"its {wrong[0]} is missing or something else")
    return content


def _unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(f"{path} cannot be read: {why}. Restore it, or remove it")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file so that a reader, or a crash, meets the old one or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{os.getpid()}")
    with staged.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(staged, path)


def set_aside_damaged(path: Path, read: Callable[[Path], object]) -> Path | None:
    """Rename a file that `read` refuses, so that it can be written anew; its new name, None for one that it takes."""
    try:
        read(path)
    except ConfigError:
        damaged = path.with_name(f"{path.name}.damaged")
        os.replace(path, damaged)
        return damaged
    return None


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock on `path`; waits for whoever has it, on whichever node."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
