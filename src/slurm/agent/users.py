"""Who this process is, also where nobody knows its user: a container with a uid that has no entry in passwd."""

import os
import pwd

from .errors import AgentError


def user_name() -> str:
    """The name of this user, or the number where it has none; Slurm's commands take either."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def expanded(path: str) -> str:
    """`path` with a leading ``~`` replaced. Raises `AgentError` where nobody knows the home directory."""
    found = os.path.expanduser(path)
    if found.startswith("~"):
        name = path.split("/", maxsplit=1)[0][1:]
        if name:
            why = "there is no user {} here".format(name)
        else:
            why = "the user with the id {} has no home directory here: set HOME, or give a path that begins with /"
            why = why.format(os.getuid())
        raise AgentError("file", "{}: {}".format(path, why))
    return found
