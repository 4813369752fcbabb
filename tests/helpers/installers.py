"""A fake of what makes environments on a cluster: it says that they are there once it was told to make them."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Any

from tests.helpers.fakes import FakeBackend

from slurm.packaging.environments.installer import READY, place_of
from slurm.packaging.environments.interpreter_facts import facts


class FakeInstaller:
    """It installs nothing: it answers requests as the installer would, and keeps those that have something made."""

    def __init__(self, backend: FakeBackend) -> None:
        self.backend = backend
        self.made: list[dict[str, Any]] = []
        self.asked = 0
        self.facts: dict[str, Any] = facts()
        self.error = ""
        self.foreign = False
        backend.answer_program = self.answer

    def answer(self, argv: Sequence[str], program: bytes) -> tuple[int, bytes]:
        """What it prints for a request."""
        self.asked += 1
        line = program.decode().rstrip("\n").rpartition("\n")[2]
        quoted = line.removeprefix("module.run(json.loads(").removesuffix("))")
        request: dict[str, Any] = json.loads(ast.literal_eval(quoted))
        said = self._said(request)
        return 0, b"noise\n" + json.dumps(said).encode() + b"\n"

    def _said(self, request: dict[str, Any]) -> dict[str, Any]:
        place = place_of(request["folder"], request["key"])
        below = place_of(request["folder"], request["below"]) if request.get("below") else ""
        if "wheels" in request or "requirements" in request:
            if self.error:
                return {"error": self.error}
            self.made.append(request)
            self.backend.files[f"{place}/{READY}"] = b"{}"
        places = [place, below] if below else [place]
        ready = all(f"{one}/{READY}" in self.backend.files for one in places)
        about = {"place": place, "below": below, "ready": ready, "foreign": self.foreign}
        return {**about, "python": self.facts, "pip": True, "uv": ""}
