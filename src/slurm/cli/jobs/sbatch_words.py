"""Options of sbatch among the words of a command line. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slurm.errors import ConfigError
from slurm.sbatch.options import FLAGS, VALUE_OR_FLAG, Options, normalise


def sbatch_options(words: Sequence[str]) -> Options:
    """The options that words such as ``--mem=8G --time 2:00:00 --requeue`` give, checked. Raises `ConfigError`.

    >>> sbatch_options(["--mem=8G", "--cpus-per-task", "4", "--requeue"])
    {'mem': '8G', 'cpus-per-task': '4', 'requeue': ''}
    """
    found: dict[str, Any] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--") or word == "--":
            raise ConfigError(
                f"{word!r} is no option of sbatch: write them out, as --mem=8G --time=2:00:00"
            )
        name, equals, value = word[2:].partition("=")
        if equals:
            found[name] = value
        elif name in FLAGS | VALUE_OR_FLAG or not left or left[0].startswith("--"):
            found[name] = True
        else:
            found[name] = left.pop(0)
    return normalise(found)
