"""Telling somebody elsewhere that jobs have ended: by a command of the user's, or by a webhook."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence

from slurm.callbacks.base import BaseCallback, ExecutionLocus
from slurm.callbacks.contexts import CompletedContext, SubmitEndContext
from slurm.callbacks.lines import line_of
from slurm.errors import ConfigError, SlurmError

SCHEMES = ("https", "http")
MESSAGE = "{}"  # a word's place for the message
COMMAND_TIMEOUT = 60.0
WEBHOOK_TIMEOUT = 10.0
SAID = 200  # characters of what a command that failed has said


class Notifier:
    """Sends lines of text to one target, in this process.

    - the address of a webhook, ``https://...``: gets ``{"text": line}`` as JSON by POST, which Slack, Mattermost and others
      take;
    - a command, as text that is split as a shell would, or as a list of words: gets the line on its stdin, and in the place
      of ``{}`` in any of its words. No shell is asked.

    Raises `ConfigError`.

    >>> Notifier("mail -s jobs me@example.org").command
    ['mail', '-s', 'jobs', 'me@example.org']
    """

    def __init__(self, target: str | Sequence[str]) -> None:
        self.url: str = _address(target) if isinstance(target, str) else ""
        self.command: list[str] = [] if self.url else _words(target)

    def require(self) -> None:
        """Raises `ConfigError` where the command's program is not here: who asks does so before waiting for hours.

        >>> Notifier(["true", "{}"]).require()
        """
        if self.command and shutil.which(self.command[0]) is None:
            raise ConfigError(
                f"there is no program {self.command[0]} here to notify with, on PATH or as a file that may be run"
            )

    def send(self, line: str) -> None:
        """Send a line. Raises `SlurmError`, which does not name the address: that is a secret.

        >>> Notifier(["true", "{}"]).send("train 12: COMPLETED")
        """
        if self.url:
            self._post(line)
        else:
            self._run(line)

    def _post(self, line: str) -> None:
        import http.client  # late: takes longer than the rest of the SDK
        import urllib.error
        import urllib.request

        data = json.dumps({"text": line}).encode()
        try:
            request = urllib.request.Request(self.url, data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=WEBHOOK_TIMEOUT) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            with error:
                raise SlurmError(f"the webhook answered {error.code} {error.reason}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            why = getattr(error, "reason", None) or type(error).__name__
            raise SlurmError(f"the webhook could not be reached: {why}") from None

    def _run(self, line: str) -> None:
        words = [word.replace(MESSAGE, line) for word in self.command]
        try:
            done = subprocess.run(
                words,
                input=f"{line}\n".encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SlurmError(f"{words[0]} did not end within {COMMAND_TIMEOUT:.0f} s") from None
        except (OSError, ValueError) as error:
            raise SlurmError(f"{words[0]} cannot be run: {error}") from None
        if done.returncode:
            said = " ".join(done.stdout.decode("utf-8", "replace").split())[:SAID]
            raise SlurmError(f"{words[0]} exited with {done.returncode}: {said}".rstrip(": "))


def _address(target: str) -> str:
    """A webhook's address; none for a command. Raises `ConfigError`, which does not name it: that is a secret."""
    from urllib.parse import urlsplit  # late: most programs notify nobody

    scheme, mark, _ = target.partition("://")
    if not mark or not scheme.isalpha():
        return ""
    try:
        parts = urlsplit(target)
        well = (
            bool(parts.hostname) and parts.port != 0 and target.isprintable() and " " not in target
        )
    except ValueError:
        well = False
    if not well or scheme.lower() not in SCHEMES:
        raise ConfigError(
            "the address of a webhook is https://HOST/PATH, or http://HOST/PATH, without blanks"
        )
    return target


def _words(target: str | Sequence[str]) -> list[str]:
    try:
        words = shlex.split(target) if isinstance(target, str) else list(target)
    except ValueError as error:
        raise ConfigError(f"{target!r} is no command: {error}") from None
    if not words or not all(isinstance(word, str) for word in words) or not words[0]:
        raise ConfigError(
            f"{target!r} is neither a webhook's address, which begins with https://, nor a command with its words"
        )
    return words


class NotifyCallback(BaseCallback):
    """Tells somebody when a job has ended, or an array as a whole: by a command of yours or a webhook, from the client.

    - `target`: as `Notifier` takes it. It stays with the client: jobs never see it.
    - `only_failures`: tell of those alone that did not end well.

    Of an array that this program did not submit itself, each element is told. Raises `ConfigError`.

    >>> from slurm import Cluster
    >>> cluster = Cluster("local", callbacks=[NotifyCallback("mail -s jobs me@example.org", only_failures=True)])
    """

    locus: ExecutionLocus = ExecutionLocus.CLIENT

    def __init__(self, target: str | Sequence[str], *, only_failures: bool = False) -> None:
        self.notifier: Notifier = Notifier(target)
        self.only_failures = only_failures
        self._arrays: dict[str, tuple[int, Counter[str]]] = {}  # how many elements, and their ends

    def on_end_submit_job_ctx(self, ctx: SubmitEndContext) -> None:
        if ctx.array_size and ctx.error is None and not ctx.reattached:
            self._arrays[ctx.array_dir] = ctx.array_size, Counter()

    def on_completed_ctx(self, ctx: CompletedContext) -> None:
        line, well = line_of(ctx), ctx.successful
        if ctx.array_dir in self._arrays:
            size, states = self._arrays[ctx.array_dir]
            states[str(ctx.state)] += 1
            if sum(states.values()) < size:
                return
            line, well = _of_array(ctx, states), set(states) == {"COMPLETED"}
        if not (well and self.only_failures):
            self.notifier.send(line)


def _of_array(ctx: CompletedContext, states: Counter[str]) -> str:
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    return f"{ctx.task_name} {ctx.job_id.partition('_')[0]}: {counted}"
