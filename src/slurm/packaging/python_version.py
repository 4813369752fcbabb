"""Which version of Python a job will run with: what is sent by value is code of one version alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slurm import forks
from slurm.errors import RemoteFileError
from slurm.packaging.base import at_home

if TYPE_CHECKING:
    from slurm.api.site import Site
    from slurm.rendering import Environment

TIMEOUT = 30.0  # seconds
ASK = "import sys; print('\\n%d.%d' % sys.version_info[:2])"
SAID = re.compile(rb"(?m)^([0-9]+)\.([0-9]+)$")

_known: forks.Own[dict[tuple[object, ...], tuple[int, int]]] = forks.Own(dict)


def python_of(environment: Environment, site: Site, *, dry: bool = False) -> tuple[int, ...] | None:
    """The version of an environment's interpreter, which is asked for it once; None where nobody can tell.

    That is so in an image, and where the job script finds the interpreter by lines that are for it alone. In a `dry` run no
    program is started for it.
    """
    if environment.python is not None or environment.own_python:
        return environment.python
    word, *more = environment.interpreter
    if more or (environment.setup and not word.startswith("/")):
        return None
    host = site.backend.host()
    # Where no files are shared, the cluster's interpreter is the one that answers there; else this process does.
    cluster = () if site.backend.shares_filesystem else (at_home(site.python, host.home),)
    if word in (host.executable, *cluster):
        return host.python
    return None if dry else _asked(word, site)


def _asked(interpreter: str, site: Site) -> tuple[int, int] | None:
    known, about = _known.get(), (site.place, interpreter)
    if about not in known:
        try:
            argv = [interpreter, "-c", ASK]
            status, output = site.backend.run_program(argv, timeout=TIMEOUT)
        except RemoteFileError:
            return None
        found = SAID.findall(output)
        if status != 0 or not found:
            return None
        major, minor = map(int, found[-1])
        known[about] = major, minor
    return known[about]
