"""What the agent could not do."""

import errno
import os


class AgentError(Exception):
    """A request the agent could not fulfil; `kind` says which error the client raises."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def as_agent_error(error: OSError) -> AgentError:
    """What a client is told of a file that cannot be used."""
    kind = "missing" if error.errno == errno.ENOENT else "file"
    name = error.filename
    name = os.fsdecode(name) if isinstance(name, bytes) else name
    said = str(error.strerror or error)
    return AgentError(kind, said if name is None else "{}: {}".format(said, name))
