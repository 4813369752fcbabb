"""Where a job's output goes: what sbatch is told, and what has to be made for it, for Slurm makes no directories. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from slurm.sbatch.filename_pattern import NOWHERE, directory_of, expand
from slurm.sbatch.options import escape_filename_pattern

KEYS = ("output", "error")


@dataclass(frozen=True)
class OutputFiles:
    """The `options` ``output`` and ``error``, and what they need.

    - `directories`: those that have to be there before the job starts, absolute.
    - `links`: where a directory's name is known to the job alone, its output is in the job's own directory: patterns
      of such a file, and of the name that was asked for, which the job's script makes a link.
    """

    options: Mapping[str, str]
    directories: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def literal(directory: str, pattern: str) -> str:
    """`directory` as it has to stand before `pattern`, of which a backslash switches all symbols off."""
    return directory if "\\" in pattern else escape_filename_pattern(directory)


def output_files(
    own: Mapping[str, str], wanted: Mapping[str, str], name: str, job_dir: str
) -> OutputFiles:
    """Those of a job with the options `wanted`; `own` is where its output goes where they say nothing.

    `name` is the job's; sbatch is called in `job_dir`.
    """
    options, directories, links = dict(own), [], []
    given = {key: wanted[key] for key in KEYS if key in wanted}
    home = posixpath.join(job_dir, wanted.get("chdir", ""))
    for key, pattern in given.items():
        directory = directory_of(pattern, {"x": name})
        if directory is not None:
            # Slurm expands the working directory as well, in whose name a %j is no symbol.
            named = pattern == NOWHERE or pattern.lower() == "none"
            options[key] = pattern if named else posixpath.join(literal(home, pattern), pattern)
            if expand(pattern, {}) != NOWHERE and directory:
                directories.append(posixpath.join(home, directory))
        elif key == "error" and given.get("output") == pattern:
            options[key] = options["output"]  # one file for both
        else:
            links.append((own[key], posixpath.join(literal(home, pattern), pattern)))
    return OutputFiles(options, tuple(dict.fromkeys(directories)), tuple(links))
