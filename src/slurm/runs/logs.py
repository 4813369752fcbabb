"""What the jobs of a run have printed, brought home into its ``logs/`` as evidence: as far as it can be had."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from slurm.api.base import BackendBase
from slurm.config.findings import printable
from slurm.config.globs import is_inside
from slurm.errors import RemoteFileError, RemoteFileMissing
from slurm.runs.arrival import said
from slurm.runs.home import Home
from slurm.runs.manifest import Manifest
from slurm.sbatch.filename_pattern import NO_INDEX, NOWHERE, JobNames, expand, symbols_in

FOLDER = "logs"
LAST = 10 << 20  # bytes of each
MOST_LOGS = 200
MOST_FILES = 100_000  # that are looked at in a job's directory
OF_THE_SDK = re.compile(r"(.*/)?slurm_[^/]*\.(out|err)", re.DOTALL)
# The SDK's own names, and what sbatch writes where a script names no file.
BY_DEFAULT = (("slurm_%j.out", "slurm_%j.err"), ("slurm-%j.out",))
IN_ARRAYS = (("slurm_%A_%a.out", "slurm_%A_%a.err"), ("slurm-%A_%a.out",))


class _Found(NamedTuple):
    """Log files: path on the cluster by the name at home; and what is to be said of others."""

    paths: Mapping[str, str]
    said: tuple[str, ...] = ()


def copy_logs(manifest: Manifest, backend: BackendBase) -> tuple[list[str], str]:
    """Copy the last 10 MB of each log into the run's ``logs/``.

    Returns their paths in the run's directory, and in one line what could not be had. Raises `TransportError` and
    `SchedulerUnreachable` where the cluster cannot be reached.
    """
    folder = Path(manifest.path).absolute().parent / FOLDER
    home, copied, errors = Home(folder), list[str](), list[str]()
    try:
        found = _of_the_sdk(manifest, backend) or _of_a_script(manifest, backend)
    except RemoteFileError as error:
        return [], printable(str(error), most=1000)
    errors += found.said
    for number, (name, path) in enumerate(found.paths.items()):
        if number == MOST_LOGS:
            errors.append(f"{len(found.paths) - MOST_LOGS} more logs were left where they are")
            break
        try:
            home.write(name, backend.read_tail(path, LAST))
            copied.append(printable(f"{FOLDER}/{name}", most=1000))
        except RemoteFileError as error:
            errors.append(str(error))
        except OSError as error:
            errors.append(said(folder, error))
            break
    return copied, printable("; ".join(errors), most=1000)


def _of_the_sdk(manifest: Manifest, backend: BackendBase) -> _Found | None:
    """Those in the directory of a job, a workflow or an array of the SDK; None for other runs."""
    place = str(manifest.section("sdk").get("job_dir") or "")
    if not place:
        return None
    tree = backend.list_tree(place, MOST_FILES)
    names = sorted(
        file.path
        for file in tree.files
        if file.regular and is_inside(file.path) and OF_THE_SDK.fullmatch(file.path)
    )
    errors = () if names else (f"there is no log in {place}",)
    return _Found({name: posixpath.join(place, name) for name in names}, errors)


def _of_a_script(manifest: Manifest, backend: BackendBase) -> _Found:
    """Those of a job whose script is the user's."""
    place = str(manifest.section("submission").get("job_dir") or "")
    options = manifest.section("resource_request")
    home = posixpath.join(place, str(options.get("chdir") or ""))
    given = tuple(str(options[key]) for key in ("output", "error") if options.get(key))
    if not posixpath.isabs(home) and not (given and all(map(posixpath.isabs, given))):
        return _Found({}, ("nobody knows the job's directory (submission.job_dir)",))
    values = _names(manifest, backend).values
    is_array = bool(options.get("array"))
    paths: dict[str, str] = {}
    for patterns in (given,) if given else IN_ARRAYS if is_array else BY_DEFAULT:
        for pattern in patterns:
            for path in _matching(posixpath.join(home, pattern), values, backend):
                paths.setdefault(_free(posixpath.basename(path), path, paths), path)
        if paths:
            return _Found(paths)
    return _Found({}, (f"there is no log in {home.rstrip('/')}",))


def _names(manifest: Manifest, backend: BackendBase) -> JobNames:
    options = manifest.section("resource_request")
    job, _, index = manifest.job_id.partition("_")
    number = int(job) if job else None
    is_array = bool(options.get("array"))
    node = str(manifest.section("scheduler").get("node") or "").partition(".")[0]
    script = str(manifest.section("submission").get("script") or "")
    return JobNames(
        number,
        int(index) if index else None if is_array else NO_INDEX,
        None if is_array else number,
        node if re.fullmatch(r"[\w-]+", node) else None,
        backend.host().user,
        str(options.get("job-name") or posixpath.basename(script)) or None,
    )


def _matching(
    pattern: str, values: Mapping[str, int | str | None], backend: BackendBase
) -> Iterator[str]:
    """The files that this pattern has become: several, where a symbol in its last part stands for what nobody here knows."""
    path = expand(pattern, values)
    folder, name = posixpath.split(path)
    unknown = {one for one in symbols_in(pattern) if values.get(one) is None}
    if path == NOWHERE or pattern.lower().endswith("/none"):
        return
    if not unknown:
        if backend.file_exists(path):
            yield path
        return
    symbol = re.compile(rf"%[0-9]*[{''.join(unknown)}]")
    known = ".*".join(map(re.escape, symbol.split(name)))
    try:
        names = backend.list_directory(folder)
    except RemoteFileMissing:
        return
    yield from (posixpath.join(folder, one) for one in names if re.fullmatch(known, one, re.DOTALL))


def _free(name: str, path: str, taken: Mapping[str, str]) -> str:
    """A name at home that no other file has."""
    while taken.get(name, path) != path:
        name = f"other-{name}"
    return name
