"""The order in which a job searches for imports, as its payload has it, and what the client found in that order."""

from __future__ import annotations

from typing import NamedTuple

from slurm.job_dir.result_file import sha256_of

# In a payload's ``sys_path`` they stand for what only the node knows: where the SDK's code is there, and what its
# interpreter searches of itself.
SDK_PATH = "<the SDK>"
NODE_PATH = "<the node's own>"


class OwnModule(NamedTuple):
    """A module of the user's own, as it was imported on the client: its file, and what stands for its content."""

    file: str
    digest: str = ""


def digest_of(source: bytes) -> str:
    """The same for the same text, whatever ends its lines.

    >>> digest_of(b"x = 1\\r\\n") == digest_of(b"x = 1\\n") != digest_of(b"x = 2\\n")
    True
    """
    return sha256_of([source.replace(b"\r\n", b"\n")])[:16]
