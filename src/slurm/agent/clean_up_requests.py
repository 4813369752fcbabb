"""Requests to clean up below a ``job_base_dir``."""

import time
from typing import Any, Dict, Tuple

PIECE = 2.0  # seconds after which an answer tells how far it is


class CleanUpRequests:
    """The requests of an `Agent` to clean up. `clean_ups` are those under way, and what is left to do of each."""

    scheduler: Any
    clean_ups: Dict[str, Any]

    def op_clean_up(
        self, blob: bytes, name: str, base: str, older_than: float, dry_run: bool, timeout: float
    ) -> Tuple[Any, bytes]:
        """Clean up for a while, or with `dry_run` find out what that would be; the same `name` goes on with it.

        Answers what was done since it has ``begun``, and whether it is ``over``. A connection may be lost between two of
        these requests: the next agent begins anew. `timeout` is for the client: one package may be large.
        """
        from . import clean_up as cleaning

        begun = name not in self.clean_ups
        if begun:
            made = cleaning.CleanUp(base, self.scheduler, older_than, dry_run)
            self.clean_ups[name] = made, made.steps()
        clean_up, steps = self.clean_ups.pop(name)
        until = time.monotonic() + PIECE
        for _ in steps:
            if time.monotonic() > until:
                self.clean_ups[name] = clean_up, steps
                break
        return dict(clean_up.told(), begun=begun, over=name not in self.clean_ups), b""
