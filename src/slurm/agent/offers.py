"""What a site offers, asked after sbatch has refused a job: its partitions and nodes, the user's accounts."""

from typing import Any, Callable, Dict, List, Sequence

from .commands import Commands
from .users import user_name

PARTITION_FIELDS = "%P|%a|%l|%s|%D|%c|%m|%G|%f"
PARTITION = (
    *("partition", "available", "time_limit", "job_size"),
    *("nodes", "cpus", "memory", "gres", "features"),
)
ACCOUNT = ("account", "partition", "qos")

Rows = List[Dict[str, str]]


class Offers(Commands):
    """Each question is one command, and waits for its answer as long as for a detail; no answer is an empty list."""

    def offers(self, kinds: List[str]) -> Dict[str, Rows]:
        """Rows of text for each of `kinds`: "partitions", "accounts"."""
        asked: Dict[str, Callable[[], Rows]] = {
            "partitions": self._partitions,
            "accounts": self._accounts,
        }
        return {kind: asked[kind]() for kind in kinds if kind in asked}

    def _partitions(self) -> Rows:
        """A row for each kind of node in each partition, those that a site hides too; sizes are exact."""
        code, out, _ = self.detail(["sinfo", "-h", "-a", "-e", "-o", PARTITION_FIELDS])
        return _rows(out, PARTITION) if code == 0 else []

    def _accounts(self) -> Rows:
        """The accounts that this user may charge, each with the QOS allowed there."""
        which = ["assoc", "user=" + user_name(), "format=" + ",".join(ACCOUNT)]
        code, out, _ = self.detail(["sacctmgr", "-n", "-P", "show", *which])
        return _rows(out, ACCOUNT) if code == 0 else []


def _rows(out: str, names: Sequence[Any]) -> Rows:
    """The lines that have all fields: a site may print others before."""
    lines = [line.split("|", len(names) - 1) for line in out.splitlines()]
    return [dict(zip(names, line)) for line in lines if len(line) == len(names)]
