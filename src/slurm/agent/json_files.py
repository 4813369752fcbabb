"""Small JSON files that several processes read and write."""

import json
import os
from typing import Any, Dict, Optional

from .files import beginning, create_exclusive, write_atomic
from .locks import Locked

LARGEST = 64 << 20  # bytes; what is longer is none of ours


def parse_object(data: bytes) -> Dict[str, Any]:
    """The JSON object that is all of `data`. Raises ValueError, whatever else there is."""
    try:
        loaded = json.loads(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(loaded, dict):
        raise ValueError("it is no JSON object")
    return loaded


def read_json(path: str) -> Optional[Dict[str, Any]]:
    """The JSON object in `path`, or None where there is no such file. Raises ValueError for anything else."""
    try:
        data = beginning(path, LARGEST + 1)
    except FileNotFoundError:
        return None
    if len(data) > LARGEST:
        raise ValueError("it is too large")
    return parse_object(data)


def read_json_if_whole(path: str) -> Dict[str, Any]:
    """The same where there is nothing to be lost: empty when it is not there or not whole. Raises OSError."""
    try:
        return read_json(path) or {}
    except ValueError:
        return {}


def update_json(path: str, changes: Dict[str, Any], sync: bool = True) -> None:
    """Merge `changes` into the JSON object in `path`, serialised with every other updater.

    A key already present is kept when its new value is None. Of a file that is not whole, as a crash of
    the machine may leave it, the changes remain.
    """
    with lock_of(path):
        content = read_json_if_whole(path)
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
