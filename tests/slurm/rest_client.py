"""A client of slurmrestd for tests: each request is one of the standard library's, and what it answers is taken as it is."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.waiting import wait_until

from slurm.testing.rest import RestService

PATIENCE = 60.0
# Since this version, an environment is a list of NAME=value; before, an object.
LISTS_OF_VARIABLES = "v0.0.39"
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}


@dataclass(frozen=True)
class Answer:
    """The status of an answer and what was in it: an object, or a text under ``text``."""

    status: int
    body: dict[str, Any]

    @property
    def is_refusal(self) -> bool:
        """Whether it did not do as asked; some versions say so in the body alone."""
        return self.status != 200 or bool(self.body.get("errors"))


@dataclass(frozen=True)
class RestClient:
    """Asks as `user`, in one `version`, with a `token`, or with none where it is empty."""

    service: RestService
    version: str
    token: str = field(repr=False)
    user: str = "dev"

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        headers = {"X-SLURM-USER-NAME": self.user, "Content-Type": "application/json"}
        if self.token:
            headers["X-SLURM-USER-TOKEN"] = self.token
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.service.url + path, data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return Answer(answer.status, _read(answer.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _read(error.read()))

    def slurm(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Ask what is below the version: ``ping``, ``jobs``, ``job/7``."""
        return self.ask(method, f"/slurm/{self.version}/{path}", body)

    def sees_the_controller(self) -> bool:
        """What ping says of it, which each version does in words of its own."""
        said = json.dumps(self.slurm("GET", "ping").body)
        return '"UP"' in said or '"responding": true' in said

    def submit(self, script: str, **more: Any) -> int:
        """Submit a job with a real body; its id."""
        variables = {"PATH": "/usr/bin:/bin", "HOME": f"/shared/home/{self.user}"}
        environment: Any = variables
        if self.version >= LISTS_OF_VARIABLES:
            environment = [f"{name}={value}" for name, value in variables.items()]
        job = {
            "name": "by-rest",
            "partition": "cpu",
            "current_working_directory": f"/shared/home/{self.user}",
            "environment": environment,
            **more,
        }
        answer = self.slurm("POST", "job/submit", {"script": script, "job": job})
        assert not answer.is_refusal, answer
        return int(answer.body["job_id"])

    def states(self, job: int) -> set[str]:
        """The states of a job: some versions name one, others a list of them. A busy controller is asked again."""
        told: list[Any] = []

        def answered() -> bool:
            told[:] = self.slurm("GET", f"job/{job}").body.get("jobs", [])
            return bool(told)

        wait_until(answered, f"the controller tells of job {job}")
        said = told[0]["job_state"]
        return {said} if isinstance(said, str) else set(said)

    def has_ended(self, job: int) -> bool:
        """Whether a job is over."""
        return bool(ENDED & self.states(job))

    def versions(self) -> set[str]:
        """The versions that the daemon tells of itself."""
        paths = self.ask("GET", "/openapi").body["paths"]
        return {part for path in paths for part in path.split("/") if part.startswith("v0.0.")}


def _read(answer: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(answer))
    except ValueError:
        return {"text": answer.decode("utf-8", "replace")}
