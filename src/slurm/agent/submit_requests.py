"""Requests for new jobs."""

import contextlib
import functools
import os
from typing import Any, Dict, List, Optional, Set, Tuple

from .directories import (
    make_private_directory,
    require_own_base,
    require_own_directory,
    sweep,
)
from .directory_names import EVENTS, RECEIPTS
from .errors import AgentError
from .files import write_atomic, write_new
from .job_marks import use_above, use_dependencies
from .needed import Gone, Needed, submitting, use
from .parallel import Order, chains_of
from .staging_requests import adopt, is_there
from .submission import Submission

EVENTS_KEPT = 60 * 86400.0  # seconds without news after which nobody listens any more


class SubmitRequests:
    """The requests of an `Agent` that make jobs."""

    scheduler: Any

    def op_submit(
        self,
        blob: bytes,
        base: str,
        needs: str,
        events: str,
        requests: List[Any],
        later: Optional[contextlib.ExitStack] = None,
    ) -> Tuple[Any, bytes]:
        """Write each request's files and submit it, at most once per token.

        Makes the directory `events`, in which the runners tell that they have finished. Answers
        ``{"needs": path}`` and does nothing when the directory `needs` is not there, and
        ``{"unstaged": [path]}`` when large files are not (see `op_stage`). When the scheduler does
        not answer for one, it is not asked for those after it. A request some of whose `needed` paths
        are not there has them as ``gone`` in its answer.
        """
        receipts = os.path.join(base, RECEIPTS)
        if not os.path.isdir(base):
            make_private_directory(base)
        require_own_base(base)
        make_private_directory(receipts)
        with contextlib.ExitStack() as lock:
            lock.enter_context(submitting(receipts))
            if not use(events):
                _remove_abandoned(os.path.join(base, EVENTS))
                make_private_directory(events)
            if needs and not os.path.isdir(needs):
                make_private_directory(os.path.dirname(needs))
                return {"needs": needs}, b""
            trusted = [receipts, events, os.path.dirname(events)]
            for directory in trusted + ([needs, os.path.dirname(needs)] if needs else []):
                require_own_directory(directory)
            unstaged = _unstaged(receipts, requests)
            if unstaged:
                return {"unstaged": unstaged}, b""
            if needs:
                use(needs)
            if later is not None and len(requests) == 1:
                later.push(lock.pop_all())  # it is on record when its job has been noted
            else:  # of many, those that come first need not wait for what comes after the last
                later = None
            submit = functools.partial(self._submit_chain, receipts, blob, Needed(), later)
            return {"jobs": Order(submit).fill(chains_of(requests))}, b""

    def _submit_chain(
        self,
        receipts: str,
        blob: bytes,
        needed: Needed,
        later: Optional[contextlib.ExitStack],
        order: Order,
        chain: List[Any],
    ) -> List[Dict[str, Any]]:
        """Submit a request and those that continue it, one after the other."""
        answers: List[Dict[str, Any]] = []
        for request in chain:
            if answers:
                answer = self._continue(receipts, request, blob, needed, answers[-1], order.silent)
            else:
                answer = self._submit_one(receipts, request, blob, needed, order.silent, later)
            if answer.get("kind") in ("unknown", "unreachable"):
                order.silent = order.silent or answer["error"]
            answers.append(answer)
        return answers

    def _continue(
        self,
        receipts: str,
        request: Dict[str, Any],
        blob: bytes,
        needed: Needed,
        before: Dict[str, Any],
        silent: str,
    ) -> Dict[str, Any]:
        """Submit a request that shares its directory with the one before, which must have worked."""
        if "error" in before:
            return before
        if request["after_previous"]:
            options = request["submit_options"]
            wanted = [options.get("dependency", ""), "afterany:" + before["job_id"]]
            options["dependency"] = ",".join(part for part in wanted if part)
        request = dict(request, job_dir=before["job_dir"])
        return self._submit_one(receipts, request, blob, needed, silent)

    def _submit_one(
        self,
        receipts: str,
        request: Dict[str, Any],
        blob: bytes,
        needed: Needed,
        silent: str,
        later: Optional[contextlib.ExitStack] = None,
    ) -> Dict[str, Any]:
        submission = Submission(self.scheduler, receipts, request, needed)
        try:
            prepare = functools.partial(self._prepare, receipts, request, blob)
            known = submission.make(prepare, silent, later)
        except Gone as error:
            return {"error": str(error), "kind": error.kind, "gone": error.paths}
        except AgentError as error:
            return {"error": str(error), "kind": error.kind}
        except OSError as error:
            reason = "nothing was submitted: {}: {}".format(error.strerror, error.filename)
            return {"error": reason, "kind": "file"}
        own = known["job_dir"] == request["job_dir"]
        return dict(known, reattached=not own, token=request["token"])

    def _prepare(self, receipts: str, request: Dict[str, Any], blob: bytes) -> None:
        is_new = make_private_directory(request["job_dir"])
        use_above(request["job_dir"])
        require_own_directory(os.path.dirname(request["job_dir"]))
        write = write_new if is_new else write_atomic
        for name in request["directories"]:
            if os.path.isabs(name):
                _make_for_output(name)
            else:
                make_private_directory(os.path.join(request["job_dir"], name))
        for name, (offset, length) in request["files"].items():
            path = os.path.join(request["job_dir"], name)
            if name == request["metadata"]:
                use_dependencies(receipts, blob[offset : offset + length])
            # The scheduler keeps the script, and the job writes the metadata anew.
            sync = name not in (request["script"], request["metadata"])
            write(path, blob[offset : offset + length], sync=sync)
        for name, staged in request["staged"].items():
            adopt(staged, os.path.join(request["job_dir"], name))

    def op_locate(self, blob: bytes, request: Dict[str, Any]) -> Tuple[Any, bytes]:
        """The id of the job that a submission became whose answer was lost; None if there is none.

        Raises `AgentError` "unknown" where nobody can tell yet.
        """
        folder = request["job_dir"]
        while not os.path.isdir(os.path.join(folder, RECEIPTS)):
            if folder == os.path.dirname(folder):
                return None, b""
            folder = os.path.dirname(folder)
        receipts = os.path.join(folder, RECEIPTS)
        return Submission(self.scheduler, receipts, request).locate(), b""


def _make_for_output(path: str) -> None:
    """Make a directory in which a job's output is to be, unless it is one of the nodes alone."""
    if not os.path.isdir(os.sep + path.split(os.sep)[1]):
        return
    try:
        make_private_directory(path)
    except (AgentError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise AgentError(
            "file",
            "nothing was submitted: output= or error= name a file in {}, and that directory cannot be made: {}".format(
                path, why
            ),
        ) from None


def _remove_abandoned(events: str) -> None:
    """Remove the event directories of clients that died long ago; one that lives can do without its own."""
    if os.path.isdir(events):
        require_own_directory(events)
        sweep(events, EVENTS_KEPT)


def _unstaged(receipts: str, requests: List[Any]) -> List[str]:
    """The large files that new jobs need and that are not there."""
    wanted: Set[str] = set()
    for request in requests:
        known = os.path.join(receipts, request["token"] + ".json")
        if request["staged"] and not os.path.exists(known):
            wanted.update(request["staged"].values())
    return sorted(path for path in wanted if not is_there(path))
