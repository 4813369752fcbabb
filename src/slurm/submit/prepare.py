"""From a draft to job requests. Pure: the same draft makes the same requests, and nobody is asked for anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slurm._version import __version__
from slurm.agent.directory_names import RECORDS
from slurm.api.requests import JobRequest
from slurm.errors import ConfigError
from slurm.job_dir.metadata import initial_metadata, piece_key
from slurm.job_dir.paths import (
    ARRAY_METADATA,
    JOB_SCRIPT,
    METADATA,
    RESULT_GRACE,
    RESULT_GRACE_VARIABLE,
    RESULTS,
    TASKS,
    JobDirectory,
    script_of_piece,
    token_of_piece,
)
from slurm.rendering import Environment, ScriptSpec, render_job_script
from slurm.sbatch.dependency import DependencyClause, as_metadata, option_of
from slurm.sbatch.options import escape_filename_pattern
from slurm.sbatch.overlay import given, wanted_options
from slurm.sbatch.signal_and_requeue import SignalAndRequeue
from slurm.submit.output import OutputFiles, output_files

if TYPE_CHECKING:
    from slurm.job_dir.large_files import SpooledFile
    from slurm.sbatch.array_layout import ArrayLayout


@dataclass(frozen=True)
class Draft:
    """All that the requests of one call are made of, as plain data.

    - `name`, `is_workflow`, `options`: the task's; `token`: the submission's; `parent`: the workflow job it is a child of.
    - `site_options`: sbatch options for every job of the site.
    - `directory`: where its files go; `files` and `large` are those to begin with, `environment` says how Python starts.
    - `packaging`: the name of the strategy that has made the environment.
    - `clauses`: what must come before it; `max_concurrent`: how many of an array's jobs run at once; `item_dirs`: whether
      each item of a pack has a directory of its own.
    - `sdk_directory`, `event_dir`: where the SDK's code is, and where runners tell this client that they have finished.
    - `result_grace`: seconds for which a result that the job reads may not be visible yet.
    - `at`: the moment that is noted as that of the submission.
    """

    name: str
    token: str
    options: Mapping[str, str | None]
    site_options: Mapping[str, str | None]
    directory: JobDirectory
    environment: Environment
    files: Mapping[str, bytes]
    sdk_directory: str
    event_dir: str
    at: str
    is_workflow: bool = False
    parent: str | None = None
    large: Mapping[str, SpooledFile] = field(default_factory=dict)
    clauses: tuple[DependencyClause, ...] = ()
    max_concurrent: int | None = None
    item_dirs: bool = False
    result_grace: float = RESULT_GRACE
    packaging: str = ""

    @property
    def given_dependency(self) -> str:
        """What the user has given for sbatch's ``--dependency``."""
        return self.wanted.get("dependency") or ""

    @property
    def wanted(self) -> dict[str, str | None]:
        """The options of all layers: the SDK's defaults, the site's, the task's. None for one that is to be left out."""
        return wanted_options(self.site_options, self.options, is_workflow=self.is_workflow)


def prepare(draft: Draft) -> JobRequest:
    """The request of a call. Raises `ConfigError` for options that exclude each other."""
    output = _output(draft, JobDirectory(escape_filename_pattern(draft.directory.path)), "%j")
    options, submit_options = _options(draft, output)
    return JobRequest(
        job_dir=draft.directory.path,
        files={
            JOB_SCRIPT: _script(draft, options, output),
            **draft.files,
            METADATA: _metadata(draft),
        },
        options=options,
        submit_options=submit_options,
        token=draft.token,
        orchestrator=draft.is_workflow,
        directories=output.directories,
        large_files=draft.large,
        needed=draft.environment.needed,
    )


def prepare_array(draft: Draft, layout: ArrayLayout) -> tuple[JobRequest, ...]:
    """The requests of an array: as many as Slurm takes to hold it. Raises as `prepare` does."""
    return tuple(_pieces(draft, layout))


def _pieces(draft: Draft, layout: ArrayLayout) -> Iterator[JobRequest]:
    limit = f"%{draft.max_concurrent}" if draft.max_concurrent else ""
    whole = {
        **draft.files,
        ARRAY_METADATA: _metadata(
            draft,
            count=layout.count,
            pack=layout.pack,
            max_array_size=layout.largest,
            max_concurrent=draft.max_concurrent,
        ),
    }
    for number, piece in enumerate(layout.pieces):
        folder = _folder_of_output(draft.directory, layout, number)
        output = _output(draft, folder, "%A_%a")
        options, submit_options = _options(draft, output, number)
        options["array"] = f"0-{piece.count - 1}{limit}"
        name = script_of_piece(number)
        arguments = [str(piece.first), str(layout.count), str(layout.pack)]
        arguments += ["1"] if draft.item_dirs else []
        script = _script(draft, options, output, arguments)
        yield JobRequest(
            job_dir=draft.directory.path,
            files={name: script, **({} if number else whole)},
            options=options,
            submit_options=submit_options,
            token=token_of_piece(draft.token, number),
            script=name,
            orchestrator=draft.is_workflow,
            directories=() if number else (*_directories(layout), RESULTS, *output.directories),
            metadata=ARRAY_METADATA,
            id_key=piece_key(number),
            continues=number > 0,
            after_previous=number > 0 and draft.max_concurrent is not None,
            large_files={} if number else draft.large,
            needed=draft.environment.needed,
        )


def _directories(layout: ArrayLayout) -> Iterator[str]:
    """Those in which items leave what they have come to. One of a pack makes its own, where it needs one."""
    if layout.pack > 1:
        yield RECORDS
    else:
        yield from (f"{TASKS}/{layout.name(item)}" for item in range(layout.count))


def _output(draft: Draft, folder: JobDirectory, job_id: str) -> OutputFiles:
    """Where the output goes: to `folder`, under the pattern `job_id`, where nobody says otherwise."""
    own = {"output": folder.stdout(job_id), "error": folder.stderr(job_id)}
    wanted = given(draft.wanted)
    return output_files(own, wanted, wanted.get("job-name", draft.name), draft.directory.path)


def _options(
    draft: Draft, output: OutputFiles, piece: int = 0
) -> tuple[dict[str, str], dict[str, str]]:
    """sbatch's options: those in the script (the SDK's defaults, the site's, the task's), and
    those on the command line."""
    wanted = draft.wanted
    if wanted.get("job-name") is None:  # left out, the job is called what the SDK calls it
        wanted["job-name"] = draft.name
    ending = SignalAndRequeue.of_options(wanted)
    options = given(ending.options({**wanted, **output.options}))
    comment = options.pop("comment", "")
    dependency = option_of(draft.clauses, options.pop("dependency", ""), piece)
    token = token_of_piece(draft.token, piece)
    submit_options = {"comment": f"{token} {comment}".strip()}
    if dependency:
        submit_options["dependency"] = dependency
    return options, submit_options


def _script(
    draft: Draft, options: Mapping[str, str], output: OutputFiles, arguments: Sequence[str] = ()
) -> bytes:
    exports = {
        "SLURM_SDK_EVENT_DIR": draft.event_dir,
        "SLURM_SDK_TOKEN": draft.token,
        **SignalAndRequeue.of_options(draft.wanted).environment(),
    }
    if draft.result_grace != RESULT_GRACE:
        exports[RESULT_GRACE_VARIABLE] = str(draft.result_grace)
    spec = ScriptSpec(
        draft.directory,
        options,
        draft.environment,
        draft.sdk_directory,
        __version__,
        exports,
        arguments,
        output.links,
    )
    return _encoded(draft.name, render_job_script(spec))


def _encoded(name: str, script: str) -> bytes:
    """The script as it is written down: the last look at what packaging strategies and environments have put into it."""
    try:
        return script.encode()
    except UnicodeEncodeError as error:
        begin = script.rfind("\n", 0, error.start) + 1
        line = script[begin:].partition("\n")[0]
        raise ConfigError(
            f"{name}: a line of its job script has bytes that are no UTF-8 text; take them out: {line!a}"
        ) from None


def _metadata(draft: Draft, **more: Any) -> bytes:
    return initial_metadata(
        directory=draft.directory,
        task_name=draft.name,
        token=draft.token,
        is_workflow=draft.is_workflow,
        parent_workflow=draft.parent,
        dependencies=as_metadata(draft.clauses, draft.given_dependency),
        versions=(__version__, sys.version.split()[0]),
        at=draft.at,
        **({"packaging": draft.packaging} if draft.packaging else {}),
        **({"code": list(draft.environment.code)} if draft.environment.code else {}),
        **({"image": dict(draft.environment.image)} if draft.environment.image else {}),
        **more,
    )


def _folder_of_output(directory: JobDirectory, layout: ArrayLayout, piece: int) -> JobDirectory:
    """Where the array tasks of a piece write what they print, in the words of ``--output``."""
    folder = escape_filename_pattern(directory.path)
    if layout.pack == 1:
        folder = f"{folder}/{TASKS}/{layout.pattern(layout.pieces[piece])}"
    return JobDirectory(folder)
