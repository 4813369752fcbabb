"""One call of a command: noted, disturbed as a test has said, answered."""

from __future__ import annotations

import fcntl
import importlib
import os
import sys
import time
from typing import Any

from .asked import Answer, Asked, user_name
from .options import Refused
from .store import Call, Store, slurms_variables

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo")
OVER = "{}: error: the test whose fake_slurm this was has ended\n"


def main(folder: str, command: str, words: list[str]) -> int:
    """Its exit status."""
    store = Store(folder)
    try:
        store.note(Call(command, words, os.getcwd(), slurms_variables()))
        faults = _take_faults(store, command)
        status, out, err = _disturbed(store, command, words, faults)
    except FileNotFoundError:
        status, out, err = 1, "", OVER.format(command)
    for stream, text in ((sys.stderr, err), (sys.stdout, out)):
        stream.buffer.write(text.encode("utf-8", "surrogateescape"))
        stream.flush()
    return status


def _take_faults(store: Store, command: str) -> dict[str, Any]:
    """What is to go wrong with this call; each of them counts it."""
    with store.opened() as state:
        mine = [fault for fault in state["faults"] if fault["command"] == command]
        for fault in mine:
            if fault["times"] is not None:
                fault["times"] -= 1
        state["faults"] = [fault for fault in state["faults"] if fault["times"] != 0]
    return {fault["kind"]: fault for fault in mine}


def _disturbed(store: Store, command: str, words: list[str], faults: dict[str, Any]) -> Answer:
    if "hang" in faults:
        _hang(store.path(faults["hang"]["lock"]))
    if "answer" in faults:
        said = faults["answer"]
        return said["status"], said["out"], said["err"]
    status, out, err = _answer(store, command, words)
    if "delay" in faults:
        time.sleep(faults["delay"]["seconds"])
    if "lose" in faults and status == 0:
        status, out, err = faults["lose"]["status"], "", faults["lose"]["err"]
    if "cut" in faults:
        out = out[: faults["cut"]["size"]]
    if "before" in faults:
        out = faults["before"]["out"] + out
    return status, out, err


def _hang(lock: str) -> None:
    """Wait for the test to end this, which holds the lock until then."""
    with open(lock, encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_SH)


def _answer(store: Store, command: str, words: list[str]) -> Answer:
    module = importlib.import_module(f".{command}", __package__)
    try:
        with store.opened() as state:
            asked = Asked(store, state, time.time(), user_name(), os.getuid())
            answer: Answer = module.run(words, asked)
            return answer
    except Refused as refused:
        return refused.status, refused.out, refused.message
