"""Small JSON files that several processes read and write."""

import json
import os
from typing import Any, Dict, Optional

from .files import create_exclusive, write_atomic
from .locks import Locked


def read_json(path: str) -> Optional[Dict[str, Any]]:
    """The JSON object in `path`, or None where there is no such file."""
    try:
        with open(path, "rb") as file:
            loaded = json.loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        return None
    return loaded if isinstance(loaded, dict) else None


def update_json(path: str, changes: Dict[str, Any], sync: bool = True) -> None:
    """Merge `changes` into the JSON object in `path`, serialised with every other updater.

    A key already present is kept when its new value is None.
    """
    with lock_of(path):
        content = read_json(path) or {}
        for key, value in changes.items():
            if value is not None or key not in content:
                content[key] = value
        write_json(path, content, sync)


def write_json(path: str, content: Dict[str, Any], sync: bool = True) -> None:
    """Write a JSON file as `write_atomic` does."""
    write_atomic(path, _encoded(content), sync=sync)


def create_json(path: str, content: Dict[str, Any]) -> bool:
    """Write a JSON file where there is none; False where there is one, also on file systems without locks."""
    return create_exclusive(path, _encoded(content))


def _encoded(content: Dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode("utf-8")


def lock_of(path: str) -> Locked:
    """What every updater of the JSON file `path` holds."""
    folder, name = os.path.split(path)
    return Locked(os.path.join(folder, "." + name + ".lock"))
