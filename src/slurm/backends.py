"""Which backends there are, and how each is made from configuration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from slurm.api.base import BackendBase
from slurm.checks import check_positive, check_text
from slurm.errors import ConfigError
from slurm.suggest import suggestion

# Seconds between two questions to the scheduler: at least, and at most while nothing changes.
POLL_INTERVALS = {"local": (0.1, 1.0), "slurm": (1.0, 15.0), "ssh": (1.0, 15.0)}


TEXT = (
    "hostname",
    "username",
    "identity_file",
    "known_hosts_file",
    "config_file",
    "python",
    "state_dir",
)


def make(backend_type: str, options: Mapping[str, Any]) -> BackendBase:
    """The backend of that name. Raises `ConfigError` for an option that it does not take."""
    if backend_type == "local":
        from slurm.api.local import LocalBackend

        return _construct(LocalBackend, options)
    if backend_type == "ssh":
        from slurm.api.ssh import SSHCommandBackend

        return _construct(SSHCommandBackend, options)
    from slurm.api.slurm_cli import SlurmCliBackend

    return _construct(SlurmCliBackend, options)


def check(backend_type: object) -> None:
    """Raises `ConfigError` for a backend that does not exist."""
    if not isinstance(backend_type, str) or backend_type not in POLL_INTERVALS:
        near = suggestion(str(backend_type), POLL_INTERVALS)
        known = ", ".join(POLL_INTERVALS)
        raise ConfigError(f"backend {backend_type!r} does not exist{near}; choose from {known}")


def poll_intervals(
    backend_type: str, shortest: float | None, longest: float | None
) -> tuple[float, float]:
    """Both intervals in seconds, the backend's own where they were not given. Raises `ConfigError`."""
    lower, upper = POLL_INTERVALS[backend_type]
    for name, given in (("poll_interval_min", shortest), ("poll_interval_max", longest)):
        if given is not None:
            check_positive(name, given)
    lower = lower if shortest is None else shortest
    upper = max(upper, lower) if longest is None else longest
    if lower > upper:
        raise ConfigError(f"poll_interval_min {lower:g} is more than poll_interval_max {upper:g}")
    return lower, upper


def _construct(backend: Callable[..., BackendBase], options: Mapping[str, Any]) -> BackendBase:
    parameters = inspect.signature(backend).parameters
    for name in options:
        if name not in parameters:
            raise ConfigError(
                f"{backend.__name__} has no option {name!r}{suggestion(name, parameters)}; "
                f"it takes {sorted(parameters)}"
            )
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in options:
            raise ConfigError(f"{backend.__name__} needs the option {name!r}")
    for name in TEXT:
        if options.get(name) is not None:
            check_text(name, options[name])
    return backend(**options)
