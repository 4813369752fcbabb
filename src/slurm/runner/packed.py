"""The items that one array task runs, one after the other, in one process.

Each leaves a record (`slurm.runner.item_log`). One that failed has its files in a directory of its own as well, where those
of other jobs are; so has one whose callbacks, or jobs, look for them there. One that is given its job runs in such a directory.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from slurm.agent.directories import make_private_directory
from slurm.agent.errors import AgentError
from slurm.agent.files import replacing
from slurm.agent.json_files import update_json
from slurm.job_dir.metadata import rfc3339
from slurm.job_dir.paths import UNWRITTEN, ArrayDirectory, JobDirectory
from slurm.job_dir.result import Envelope, write_envelope
from slurm.job_dir.result_file import Writer
from slurm.node.job_id import own_attempt
from slurm.node.stopping import BACK_IN_THE_QUEUE, own_job, say
from slurm.runner.item_log import ItemLog, Put
from slurm.runner.put_away import enveloped, facts_of_process, in_a_line, launched_at, log
from slurm.runner.work import Loaded, Work, is_here
from slurm.sbatch.array_layout import ArrayLayout


class Pack:
    """The items of an array task. With `item_dirs` each has a directory, whether anything asks for it or not."""

    def __init__(
        self,
        array: ArrayDirectory,
        layout: ArrayLayout,
        metadata: Mapping[str, Any],
        *,
        item_dirs: bool,
    ) -> None:
        self._array = array
        self._layout = layout
        self._metadata = metadata
        self._item_dirs = item_dirs
        self._facts = facts_of_process(own_attempt(os.environ))
        self._launched_at = launched_at()
        self._token = os.environ.get("SLURM_SDK_TOKEN", "")
        self._at_home = is_here(array.path)  # and not where --chdir said
        self._process = os.getpid()
        self._work = Work(JobDirectory(array.path), array)
        self._work.prepare = self._prepare
        self._item = 0
        self._began = 0.0
        self._keeps_files = False

    def run(self, items: Sequence[int]) -> int:
        """Run those that have no result from before a requeue; 0 when the function returned for all of them."""
        own_job.begin(os.environ, self._array.notes(str(self._facts["job_id"])))
        self._log = ItemLog(self._array, self._facts, safe=own_job.may_come_back)
        self._log.begin(time.time())
        try:
            status = self._run_all(items)
        finally:
            self._work.close()
            self._log.close()
        return status if own_job.leaving else status | self._log.status

    def _run_all(self, items: Sequence[int]) -> int:
        status = 0
        for place, item in enumerate(items):
            if item in self._log.ended:
                status |= 0 if self._log.ended[item] else 1
            elif place and own_job.leave_the_rest():
                self._go_back()
            else:
                status |= self._run(item)
            if own_job.leaving:
                return BACK_IN_THE_QUEUE
            if self._log.succeeded:
                return 1
        return status

    def _run(self, item: int) -> int:
        directory = self._array.element(self._layout.name(item))
        os.environ["JOB_DIR"] = directory.path
        os.environ["SLURM_SDK_ARRAY_INDEX"] = str(item)
        if self._at_home:
            os.chdir(self._array.path)
        self._item = self._work.item = item
        self._began, self._keeps_files = time.time(), False
        with own_job.running():
            envelope = enveloped(self._work.call, directory, self._facts["attempt"])
        ended = time.time()
        if os.getpid() != self._process:
            os._exit(1)  # a child that the function forked came back from it
        if own_job.leaving:
            self._go_back(directory)
            self._work.callbacks.leave(directory)
            return BACK_IN_THE_QUEUE
        return self._put_away(directory, envelope, ended)

    def _prepare(self, loaded: Loaded) -> None:
        """Before the call: make the item's directory, if somebody may ask for it, and what is looked for there."""
        self._keeps_files = self._item_dirs or loaded.reads_metadata
        if not (self._keeps_files or loaded.takes_context):
            return
        directory = self._array.element(self._layout.name(self._item))
        make_private_directory(directory.path)
        if self._keeps_files:
            self._note(directory, {"status": "running", "started_at": rfc3339(self._began)})
        if self._at_home:  # relative paths mean an item's own files, as they mean a job's
            os.chdir(directory.path)

    def _note(self, directory: JobDirectory, more: Mapping[str, Any]) -> None:
        """Note in its own metadata how far it is; the record counts if the machine crashes."""
        about = {"token": f"{self._token}_{self._item}", "array_index": self._item}
        content = {
            **self._metadata,
            **self._facts,
            **about,
            "launched_at": self._launched_at,
            **more,
        }
        try:
            update_json(directory.metadata, content, sync=False)
        except OSError as error:
            say(f"slurm-tasks: {error}")

    def _go_back(self, interrupted: JobDirectory | None = None) -> None:
        """The next attempt goes on with the item that was interrupted, or with the next one."""
        if not own_job.requeued:
            return
        try:
            self._log.share(status="requeued")
            if interrupted is not None and self._keeps_files:
                update_json(interrupted.metadata, {"status": "requeued"}, sync=False)
        except OSError as error:
            say(f"slurm-tasks: that the job goes back could not be noted: {error}")

    def _put_away(self, directory: JobDirectory, envelope: Envelope, ended: float) -> int:
        log(envelope)
        called = self._work.callbacks.called_at or 0.0
        more = {"launched_at": self._launched_at} if self._launched_at else {}
        put = self._log.put(self._item, directory, envelope, (self._began, called, ended), more)
        if put is None:
            return UNWRITTEN
        envelope = put.envelope
        success = envelope.kind == "value"
        # The record is there: whatever fails from here on must not make it a failure for dependents.
        try:
            if self._keeps_files or not success:
                self._keep_in(directory, put, called, ended)
            self._work.callbacks.end(directory, envelope)
        except (AgentError, OSError, ValueError) as error:
            say(f"slurm-tasks: what became of the item could not be noted: {error}")
        self._log.tell(put.record, ended - self._began)
        self._launched_at = None  # the others have waited for the first
        return 0 if success else 1

    def _keep_in(self, directory: JobDirectory, put: Put, called: float, ended: float) -> None:
        """Leave in its directory what any other job leaves in its own."""
        success = put.envelope.kind == "value"
        end: dict[str, Any] = {
            "status": "completed" if success else "failed",
            "started_at": rfc3339(self._began),
            "called_at": rfc3339(called) if called else None,
            "completed_at": rfc3339(ended),
        }
        make_private_directory(directory.path)
        self._note(directory, end if success else {**end, "error": in_a_line(put.envelope)})
        if not put.is_in_directory:
            with replacing(directory.result, sync=False) as file:
                write_envelope(Writer(file), put.envelope)
