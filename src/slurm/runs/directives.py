"""The options that a batch script asks for in its ``#SBATCH`` lines, as sbatch reads them."""

from __future__ import annotations

import shlex

from slurm.sbatch.other_names import SHORT


def directives(script: str) -> dict[str, str]:
    """The options of a script, by their long names; one without a value has an empty one.

    As sbatch does: the lines before the first that is neither empty nor a comment; the last of several wins.

    >>> directives("#!/bin/bash\\n#SBATCH -p gpu --mem=4G\\n#SBATCH --requeue  # again\\nsrun train\\n#SBATCH -t 5\\n")
    {'partition': 'gpu', 'mem': '4G', 'requeue': ''}
    """
    found: dict[str, str] = {}
    for line in header(script):
        found.update(_options(line.removeprefix("#SBATCH")))
    return found


def header(script: str) -> list[str]:
    """The ``#SBATCH`` lines that sbatch reads.

    >>> header("#!/bin/bash\\n#SBATCH -p gpu\\nsrun train\\n#SBATCH -t 5\\n")
    ['#SBATCH -p gpu']
    """
    lines = []
    for line in script.split("\n"):
        if line.strip() and not line.startswith("#"):
            break
        if line.startswith("#SBATCH"):
            lines.append(line)
    return lines


def _options(text: str) -> dict[str, str]:
    """The options of one line; what cannot be read of it is sbatch's to refuse."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        return {}
    found: dict[str, str] = {}
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")
            takes_next = not given and words and not words[0].startswith("-")
            found[name] = words.pop(0) if takes_next else value
        elif word.startswith("-") and word[1:2] in SHORT:
            found[SHORT[word[1]]] = word[2:] or (words.pop(0) if words else "")
    return found
