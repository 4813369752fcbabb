"""What is on record of a submission: its intent, its job, its turn."""

import contextlib
import math
import os
import sys
import time
from typing import Any, Callable, Dict, Optional

from .directories import remove
from .errors import AgentError
from .json_files import create_json, read_json, read_json_if_whole, update_json, write_json
from .locks import Locked

SUBMISSION_TURN = 200.0  # seconds to wait for another submission of the same job


class Receipt:
    """The receipt of one submission, ``{job_dir, job_id, asked_at}``, of a key ``options`` as well, and the files that come and go with it."""

    def __init__(self, folder: str, request: Dict[str, Any]) -> None:
        self.folder = folder
        self.request = request
        self.token: str = request["token"]
        self.path: str = os.path.join(folder, self.token + ".json")

    def turn(self) -> Any:
        """The right to ask for this job; whoever waits for it in vain does not know what the other did."""
        lock = os.path.join(self.folder, ".lock-" + self.token[-3:])
        return Turn(lock, SUBMISSION_TURN)

    def read(self) -> Optional[Dict[str, Any]]:
        """What is known, or None where nobody has begun."""
        try:
            known = read_json(self.path)
            if known is not None and not _is_receipt(known):
                raise ValueError("it is no receipt")
            return known
        except ValueError:
            message = "{} cannot be read: remove it if there is no such job".format(self.path)
            raise AgentError("unknown", message) from None
        except OSError as error:
            message = "{} cannot be read: {}".format(self.path, error.strerror)
            raise AgentError("unknown", message) from None

    def begin(self, prepare: Callable[[], None]) -> Dict[str, Any]:
        """Write the files and the intent to submit; from here on the request's directory is the job's."""
        known = self._intent(self.request["job_dir"])
        try:
            prepare()
            created = create_json(self.path, known)
        except OSError:  # the disk is full, say: nobody has been asked, and nothing is to be left
            with contextlib.suppress(OSError):
                self._withdraw(known["job_dir"])
            raise
        if not created:  # the lock does not hold between two login nodes
            raise AgentError("unknown", "it is being submitted on another machine right now")
        return known

    def begin_again(self, known: Dict[str, Any], prepare: Callable[[], None]) -> Dict[str, Any]:
        """The intent of a new attempt: in the directory that is there, if it still is."""
        job_dir = known["job_dir"]
        if not os.path.exists(os.path.join(job_dir, self.request["script"])):
            prepare()
            job_dir = self.request["job_dir"]
        known = self._intent(job_dir)
        write_json(self.path, known)
        return known

    def _intent(self, job_dir: str) -> Dict[str, Any]:
        known = {"job_dir": job_dir, "job_id": None, "asked_at": time.time()}
        if self.token.startswith("k"):  # a user's key: another submission may have it, and say more
            known["options"] = self.request["options"]
        return known

    def asked_at(self, known: Dict[str, Any]) -> float:
        """When the scheduler was asked, or just before."""
        return _moment(known) or os.stat(self.path).st_mtime

    def _is_latest(self, of_job: str, known: Dict[str, Any]) -> bool:
        """Whether no later submission has the same id, from a controller that had forgotten this one."""
        other = str(read_json_if_whole(of_job).get("token", self.token))
        receipt = read_json_if_whole(os.path.join(self.folder, other + ".json"))
        return _moment(receipt) <= _moment(known)

    def note(self, known: Dict[str, Any], found: bool = False) -> None:
        """Write down which job it became. There is one by now: a full disk must not hide its id.

        Its id leads to this submission; to a later one with the same id if this was only `found` again.

        The receipt comes last: as long as it is incomplete, whoever asks again notes the rest. A crash
        of the machine may take all three; then the intent, which was forced to the disk, has the job
        looked for, and a receipt of which nothing can be read has nobody submit again.
        """
        place = {"job_dir": known["job_dir"], "token": self.token}
        metadata = os.path.join(known["job_dir"], self.request["metadata"])
        of_job = os.path.join(self.folder, "job-{}.json".format(known["job_id"]))
        try:
            update_json(metadata, {self.request["id_key"]: known["job_id"]}, sync=False)
            if not found or self._is_latest(of_job, known):
                write_json(of_job, place, sync=False)
            write_json(self.path, known, sync=False)
        except (OSError, ValueError) as error:
            sys.stderr.write("slurm-tasks: job {}: {}\n".format(known["job_id"], error))

    def take_back(self, job_dir: str) -> None:
        """Leave nothing of a submission that was refused; what is left makes the next one look for it."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)  # first: without its directory it would lead nowhere
            self._withdraw(job_dir)

    def _withdraw(self, job_dir: str) -> None:
        """Remove the files of the request; a directory it shares stays to the others."""
        if not self.request["continues"]:
            remove(job_dir)
            return
        for name in [*self.request["files"], *self.request["staged"]]:
            remove(os.path.join(job_dir, name))


def _is_receipt(known: Dict[str, Any]) -> bool:
    """Whether a file says what a receipt does: what is damaged may stand for a job all the same."""
    job_id = known.get("job_id", "")
    return isinstance(known.get("job_dir"), str) and (
        job_id is None or (isinstance(job_id, (str, int)) and str(job_id) != "")
    )


def _moment(known: Dict[str, Any]) -> float:
    """When the scheduler was asked, 0 where the receipt does not say."""
    asked_at = known.get("asked_at")
    if isinstance(asked_at, (int, float)) and math.isfinite(asked_at):
        return float(asked_at)
    return 0.0


class Turn(Locked):
    """A lock on a submission. Raises `AgentError` "unknown" when another holds it for too long."""

    def __enter__(self) -> "Turn":
        try:
            super().__enter__()
        except TimeoutError:
            message = "another submission of this job has not ended after {:.0f} s"
            raise AgentError("unknown", message.format(SUBMISSION_TURN)) from None
        return self
