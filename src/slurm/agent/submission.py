"""One submission, at most once."""

import contextlib
import os
import re
import time
from typing import Any, Callable, Dict, Optional

from .errors import AgentError
from .job_marks import use_job
from .json_files import read_json_if_whole
from .needed import Needed
from .receipts import Receipt

SEARCH_TIMEOUT = 60.0  # seconds for the whole search, if the scheduler is slow to answer


class Submission:
    """What turns one request into one job, however often it is asked for, and whatever died meanwhile.

    The receipt is written before the scheduler is asked and completed after all else has been noted:
    a complete one is the answer. With an incomplete one somebody was cut off in between; then the
    job is looked for, and the scheduler asked again only when it can not have made one.
    """

    def __init__(
        self,
        scheduler: Any,
        receipts: str,
        request: Dict[str, Any],
        needed: Optional[Needed] = None,
    ) -> None:
        self.scheduler = scheduler
        self.request = request
        self.needed: Needed = needed or Needed()
        self.receipt: Receipt = Receipt(receipts, request)

    def make(
        self,
        prepare: Callable[[], None],
        silent: str = "",
        later: Optional[contextlib.ExitStack] = None,
    ) -> Dict[str, Any]:
        """The receipt of the job, which is submitted if that has not been done.

        `prepare` writes its files. `silent` says that the scheduler does not answer, and why: then it
        is not asked. What is left to be noted of a new job, by the id that is the answer, is when `later` is closed.
        Raises `AgentError`, "unknown" where there may be a job; `Gone` and OSError where there is none.
        """
        with contextlib.ExitStack() as turn:
            turn.enter_context(self.receipt.turn())
            known = self.receipt.read()
            if known is not None:
                use_job(known["job_dir"])
            if known is None:
                known = self._begin(prepare, silent)
            elif known["job_id"] is None:
                found = self._search(known, silent)
                known = dict(known, job_id=found) if found else self._begin_again(known, prepare)
            if known["job_id"] is None:
                known["job_id"] = self._ask_scheduler(known)
                turn.callback(self.receipt.note, known)  # before others have theirs
                if later is not None:
                    later.push(turn.pop_all())
            return known

    def locate(self) -> Optional[str]:
        """The id of the job if it was submitted, None if it was not. Raises `AgentError` "unknown"."""
        with self.receipt.turn():
            known = self.receipt.read()
            if known is not None and known["job_id"] is None:
                known["job_id"] = self._search(known, "")
            return None if known is None else known["job_id"]

    def _begin(self, prepare: Callable[[], None], silent: str) -> Dict[str, Any]:
        if silent:
            message = "it was not submitted, after the scheduler gave no answer: " + silent
            raise AgentError("unreachable", message)
        self.needed.require(self.request)
        return self.receipt.begin(prepare)

    def _begin_again(self, known: Dict[str, Any], prepare: Callable[[], None]) -> Dict[str, Any]:
        self.needed.require(self.request)
        return self.receipt.begin_again(known, prepare)

    def _search(self, known: Dict[str, Any], silent: str = "") -> Optional[str]:
        """The job of an earlier attempt, noted; None if there is none and can be none any more."""
        try:
            job_id = self._trace(known["job_dir"]) or self._found(known, silent)
        except OSError as error:
            message = "an earlier attempt may have submitted it: {}: {}"
            raise AgentError("unknown", message.format(error.strerror, error.filename)) from None
        if job_id is not None:
            self.receipt.note(dict(known, job_id=job_id), found=True)
        return job_id

    def _trace(self, job_dir: str) -> Optional[str]:
        """The id that the job itself has left in its directory, or the agent that was cut off."""
        try:
            metadata = read_json_if_whole(os.path.join(job_dir, self.request["metadata"]))
            if metadata.get(self.request["id_key"]):
                return str(metadata[self.request["id_key"]])
            names = os.listdir(job_dir)
        except FileNotFoundError:
            return None
        started = [re.match(r"slurm_(\d+)\.(?:out|err)$", name) for name in names]
        return next((match.group(1) for match in started if match), None)

    def _found(self, known: Dict[str, Any], silent: str) -> Optional[str]:
        asked_at = self.receipt.asked_at(known)
        job_id = None
        if not silent:
            try:
                job_id = self._find(known["job_dir"], asked_at)
            except AgentError as error:
                silent = str(error)
        if silent:
            message = "an earlier attempt may have submitted it, and the scheduler does not tell: "
            raise AgentError("unknown", message + silent)
        left = asked_at + self.scheduler.latest_job - time.time()
        if job_id is None and left > 0:
            message = (
                "an earlier attempt was cut off while it asked the scheduler, which knows no job of "
                "it yet; it may for {:.0f} s more".format(left)
            )
            raise AgentError("unknown", message)
        return job_id

    def _find(self, job_dir: str, asked_at: float) -> Optional[str]:
        script = os.path.join(job_dir, self.request["script"])
        found = self.scheduler.find_submission(self.request["token"], script, asked_at)
        return None if found is None else str(found)

    def _ask_scheduler(self, known: Dict[str, Any]) -> str:
        pauses = iter(self.scheduler.search_pauses)
        while True:
            try:
                return self._ask(known["job_dir"])
            except AgentError as error:
                pause = next(pauses, None) if error.kind == "unsent" else None
                if error.kind == "unanswered":
                    return self._reconcile(known, error)
                if pause is None:
                    self.receipt.take_back(known["job_dir"])
                    kind = "unreachable" if error.kind == "unsent" else error.kind
                    raise AgentError(kind, str(error)) from None
                time.sleep(pause)  # the controller is being restarted, perhaps

    def _ask(self, job_dir: str) -> str:
        request = self.request
        try:
            return str(
                self.scheduler.submit(
                    script=os.path.join(job_dir, request["script"]),
                    cwd=job_dir,
                    options=request["options"],
                    submit_options=request["submit_options"],
                    token=request["token"],
                    orchestrator=request["orchestrator"],
                )
            )
        except AgentError as error:
            sure = error.kind in ("refused", "scheduler", "unsent")
            raise AgentError(error.kind if sure else "unanswered", str(error)) from None

    def _reconcile(self, known: Dict[str, Any], error: AgentError) -> str:
        """After a lost answer: the job, as soon as the scheduler knows it by its token."""
        deadline = time.monotonic() + SEARCH_TIMEOUT
        for pause in (0.0, *self.scheduler.search_pauses):
            if time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
            try:
                job_id = self._trace(known["job_dir"]) or self._find(
                    known["job_dir"], known["asked_at"]
                )
            except (AgentError, OSError):
                continue
            if job_id is not None:
                return job_id
        raise AgentError("unknown", str(error))
