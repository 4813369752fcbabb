"""Submitting a job again as it was, with other options: its stored arguments and code, in a directory of its own."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from slurm.agent.json_files import parse_object
from slurm.errors import ConfigError, JobError, PackagingError
from slurm.job_dir.large_files import SpooledFile
from slurm.job_dir.metadata import rfc3339
from slurm.job_dir.paths import (
    ARGUMENTS,
    ARRAY_METADATA,
    ENVIRONMENT,
    ITEMS,
    JOB_SCRIPT,
    METADATA,
    OWN_NAMES,
    PAYLOAD,
    USER_MODULE,
    USER_SCRIPT,
    JobDirectory,
    receipt_of,
)
from slurm.job_dir.payload import Payload, Places, dump_payload, load_payload
from slurm.packaging.sdk_archive import archive_for
from slurm.sbatch.array_layout import ArrayLayout
from slurm.sbatch.overlay import overlay
from slurm.submit.calls import token_of_key
from slurm.submit.draft import PreparedCall, clock
from slurm.submit.old_scripts import OldScript, needed_by, read_script
from slurm.submit.prepare import Draft, prepare, prepare_array
from slurm.tracking.listener import CallFacts

if TYPE_CHECKING:
    from slurm.api.base import BackendBase
    from slurm.rendering import Environment
    from slurm.submit.submitter import Submitter

STORED = (PAYLOAD, ARGUMENTS, ITEMS, USER_SCRIPT, USER_MODULE, ENVIRONMENT)
OUTPUT = (".out", ".err")
LOOKED_AT = 10  # reruns of one job that are looked for at once


class Stored(NamedTuple):
    """A job or an array as its directory at `path` has it: its `metadata`, its `script`, its `token` and its task's name."""

    path: str
    metadata: Mapping[str, Any]
    script: str
    is_array: bool

    @property
    def token(self) -> str:
        return str(self.metadata["token"])

    @property
    def name(self) -> str:
        return str(self.metadata["task_name"])


def rerun(
    path: str,
    submitter: Submitter,
    options: Mapping[str, str | None],
    items: Sequence[int] | None = None,
) -> Any:
    """The `Job` that the one in a directory becomes again; of an array the `ArrayJob` of these of its `items`.

    It runs with the options that it had, and `options` over them. The same job is not submitted twice: while an earlier rerun
    of it goes on, that is refused. Raises `ConfigError`, `JobError`, and what submitting a job raises.
    """
    stored = _stored(submitter.site.backend, path)
    old = read_script(stored.script)
    token = _next_token(stored, submitter, items)
    prepared = _prepared(stored, old, token, submitter, options, items)
    if not stored.is_array:
        return submitter.submit_prepared(prepared)
    layout = _layout(stored, items or ())
    return submitter.array_of(stored.name, submitter.submit_prepared_array(prepared, layout))


def _stored(backend: BackendBase, path: str) -> Stored:
    names = (METADATA, ARRAY_METADATA, JOB_SCRIPT)
    job, array, script = backend.read_files([posixpath.join(path, name) for name in names])
    noted = array if array is not None else job
    if noted is None or script is None:
        raise JobError(f"what the job in {path} was submitted with is not there any more")
    try:
        metadata = parse_object(noted)
        found = Stored(path, metadata, script.decode(), array is not None)
        _ = found.token, found.name
    except (ValueError, KeyError) as error:
        raise JobError(f"the metadata in {path} cannot be read: {error}") from error
    return found


def _next_token(stored: Stored, submitter: Submitter, items: Sequence[int] | None) -> str:
    """The token of the next rerun: one for which there is no job yet. Who asks twice at once asks for the same.

    Raises `ConfigError` while an earlier one goes on.
    """
    site, number = submitter.site, 0
    while True:
        tokens = [token_of_key(f"rerun {number + n} of {stored.token}") for n in range(LOOKED_AT)]
        paths = [receipt_of(site.job_base_dir, token) for token in tokens]
        for token, receipt in zip(tokens, site.backend.read_files(paths)):
            if receipt is None:
                return token
            _require_ended(receipt, submitter, stored)
        number += LOOKED_AT


def _require_ended(receipt: bytes, submitter: Submitter, stored: Stored) -> None:
    from slurm.submit.reattach import array_in, job_in

    try:
        path = str(json.loads(receipt)["job_dir"])
        job = array_in(path, submitter) if stored.is_array else job_in(path, submitter)
    except (ValueError, KeyError, JobError):  # it was prepared, and never submitted
        return
    if not job.is_completed():
        raise ConfigError(
            f"{stored.name} in {stored.path} is being rerun as job {job.id}, which goes on: wait for it, or cancel it first"
        )


def _layout(stored: Stored, items: Sequence[int]) -> ArrayLayout:
    about = stored.metadata
    return ArrayLayout(len(items), int(about["pack"]), int(about["max_array_size"]))


def _prepared(
    stored: Stored,
    old: OldScript,
    token: str,
    submitter: Submitter,
    options: Mapping[str, str | None],
    items: Sequence[int] | None,
) -> PreparedCall:
    site = submitter.site
    base, moment = site.job_base_dir, clock.now()
    archive = archive_for(base)
    files, large = _files(stored, site.backend, items)
    about = stored.metadata
    needed = tuple(one for one in needed_by(stored.script, base) if one != archive.directory)
    limit = about.get("max_concurrent")
    draft = Draft(
        name=stored.name,
        token=token,
        options=overlay(old.task_options(stored.path), options),
        site_options={},
        directory=JobDirectory.fresh(base, stored.name, moment),
        environment=replace(
            old.environment,
            needed=needed,
            code=about.get("code") or (),
            image=about.get("image") or {},
        ),
        files=files,
        large=large,
        sdk_directory=old.sdk_directory,
        event_dir=site.event_dir_under(base),
        at=rfc3339(moment),
        is_workflow=bool(about.get("is_workflow")),
        result_grace=site.result_grace,
        max_concurrent=limit if isinstance(limit, int) else None,
        item_dirs=len(old.arguments) > 3,
        packaging=str(about.get("packaging") or ""),
    )
    facts = CallFacts(draft.name, draft.is_workflow, None)
    as_it_was = AsItWas(draft.packaging, draft.environment)
    if not stored.is_array:
        return PreparedCall(facts, token, (prepare(draft),), (), archive, as_it_was)
    requests = prepare_array(draft, _layout(stored, items or ()))
    return PreparedCall(facts, token, requests, (), archive, as_it_was, len(items or ()))


class AsItWas:
    """The packaging of a job that is submitted again: what it needs is there, or it cannot be had any more."""

    def __init__(self, name: str, environment: Environment) -> None:
        self.name: str = name
        self._environment = environment

    def prepare(self) -> Environment:
        """What it ran with."""
        return self._environment

    preview = prepare

    def prepare_again(self, gone: Sequence[str]) -> Environment:
        """Raises `PackagingError`."""
        raise PackagingError(
            f"nothing was submitted: {gone[0]}, which the job ran with, was removed since: submit it anew from its program"
        )


def _files(
    stored: Stored, backend: BackendBase, items: Sequence[int] | None
) -> tuple[dict[str, bytes], dict[str, SpooledFile]]:
    """What was stored for the job to run with: of an array for these items alone."""
    there = backend.list_directory(stored.path)
    # What a packaging has put there is named in the script.
    own = [one for one in there if one in stored.script and one not in OWN_NAMES]
    names = [one for one in [*STORED, *own] if one in there and not one.endswith(OUTPUT)]
    spools: dict[str, SpooledFile] = {}
    paths = [posixpath.join(stored.path, name) for name in names]
    for name, opened in zip(names, backend.open_files(paths)):
        if opened is not None:
            spools[name] = spool = SpooledFile(backend.large_from)
            with opened as file:
                while piece := file.read(backend.piece):
                    spool.write(piece)
    if PAYLOAD not in spools:
        raise JobError(f"what the job in {stored.path} was submitted with is not there any more")
    files = {name: spool.getvalue() for name, spool in spools.items() if not spool.is_large}
    if items is not None:
        payload = load_payload(files[PAYLOAD])
        chosen, files[PAYLOAD] = _chosen(spools[ITEMS], payload, items, backend)
        spools[ITEMS] = chosen
        files.pop(ITEMS, None)
        if not chosen.is_large:
            files[ITEMS] = chosen.getvalue()
    return files, {name: spool for name, spool in spools.items() if spool.is_large}


def _chosen(
    spool: SpooledFile, payload: Payload, items: Sequence[int], backend: BackendBase
) -> tuple[SpooledFile, bytes]:
    """The arguments of some items, and the payload that says where each is; nothing is unpickled of the arguments."""
    chosen, ends = SpooledFile(backend.large_from), [0]
    for item in items:
        begin, end = payload.items[item]
        chosen.write(spool.read_at(begin, end - begin))
        ends.append(chosen.size)
    return chosen, dump_payload(payload._replace(items=Places(ends)))
