"""What a job does on a node to look around there. It is imported by that job, with Python 3.9."""

from __future__ import annotations

import os
from typing import Any


def slurm_doctor(written: str) -> dict[str, Any]:
    """What `site_probe` finds on this node, and what it sees of the file `written` that somebody else has made."""
    from slurm.cluster_checks.site_probe import answer

    with open(f"{written}.node", "w") as file:
        file.write(os.path.basename(written))
    return answer({"parts": ["seen"], "seen": written})
