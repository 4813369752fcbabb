"""Requests for what many jobs run with: what there is, who uses it, and to remove what nobody does."""

from typing import Any, Tuple


class PackageRequests:
    """The requests of an `Agent` for the directories ``.packages`` and ``.sdk``."""

    scheduler: Any

    def op_packages(self, blob: bytes, base: str, timeout: float) -> Tuple[Any, bytes]:
        """What there is, with sizes, ages and how many jobs that have not ended use it; `timeout` is for the client.

        Where the scheduler does not tell which those are, ``problem`` is why.
        """
        from . import package_listing

        return package_listing.listing(base, self.scheduler), b""

    def op_remove_packages(
        self, blob: bytes, base: str, older_than: float, dry_run: bool, timeout: float
    ) -> Tuple[Any, bytes]:
        """Remove what no job uses that has not ended, and nobody has used for `older_than` seconds; or say what that is."""
        from . import package_removal

        return package_removal.remove_unused(base, self.scheduler, older_than, dry_run), b""
