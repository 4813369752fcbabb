"""The agent itself."""

import sys
from contextlib import ExitStack
from typing import Any, Dict, Optional, Tuple

from .clean_up_requests import CleanUpRequests
from .copy_requests import CopyRequests
from .errors import AgentError, as_agent_error
from .file_requests import FileRequests
from .frames import Blob
from .job_requests import JobRequests
from .list_requests import ListRequests
from .log_requests import LogRequests
from .metadata_requests import MetadataRequests
from .package_requests import PackageRequests
from .program_requests import ProgramRequests
from .programs import Programs
from .record_requests import RecordRequests
from .slurm_commands import SlurmCommands
from .staging_requests import StagingRequests
from .submit_requests import SubmitRequests
from .tree_requests import TreeRequests
from .users import expanded, user_name

PROTOCOL = 1


class Agent(
    SubmitRequests,
    JobRequests,
    ListRequests,
    LogRequests,
    ProgramRequests,
    FileRequests,
    StagingRequests,
    MetadataRequests,
    RecordRequests,
    TreeRequests,
    CopyRequests,
    PackageRequests,
    CleanUpRequests,
):
    """Answers requests: `call("read", {"path": ...})` runs `op_read`. Paths may start with ``~``."""

    def __init__(self, scheduler: Any = None) -> None:
        self.scheduler: Any = SlurmCommands() if scheduler is None else scheduler
        self.programs: Programs = Programs()
        self.clean_ups: Dict[str, Any] = {}

    def call(
        self, op: str, params: Dict[str, Any], blob: bytes = b"", later: Optional[ExitStack] = None
    ) -> Tuple[Any, Blob]:
        """What a request is answered. Closing `later`, in the same thread, does what nobody has to wait for; without it all is done here."""
        handler = getattr(self, "op_" + op, None)
        if handler is None:
            raise AgentError("protocol", "this agent knows no request " + repr(op))
        if later is not None and op == "submit":
            params = dict(params, later=later)
        try:
            result, out = handler(blob=blob, **params)
        except OSError as error:
            raise as_agent_error(error) from None
        return result, out

    def op_hello(self, blob: bytes) -> Tuple[Any, bytes]:
        return {
            "protocol": PROTOCOL,
            "python": list(sys.version_info[:3]),
            "executable": sys.executable,
            "home": expanded("~"),
            "user": user_name(),
        }, b""

    def op_ping(self, blob: bytes) -> Tuple[Any, bytes]:
        return None, b""
