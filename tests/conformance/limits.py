"""What a backend cannot do: the one table of the suite, and of the SDK."""

from __future__ import annotations

from collections.abc import Mapping

# backend -> test -> why that backend does not run it.
CANNOT: Mapping[str, Mapping[str, str]] = {
    "local": {},
    "ssh": {},
    "slurm": {},
}
