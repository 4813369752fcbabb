"""Which backends there are, and how each, and the site it is for, is made from configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from slurm import forks
from slurm.api.base import BackendBase
from slurm.api.site import Site
from slurm.config.checks import (
    check_positive,
    check_seconds,
    check_text,
    expand_home,
    suggestion,
)
from slurm.errors import ConfigError
from slurm.sbatch.options import OPTIONS

DEFAULT_BASE = "~/slurm_jobs"
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

# What `Cluster` takes whatever the backend is, for those who look for it under another name.
OF_EVERY_CLUSTER = (
    *("callbacks", "cancel_on_interrupt", "job_base_dir", "packaging", "poll_interval_max"),
    *("poll_interval_min", "python", "result_grace", "submit"),
)
LOCAL_STATE = ".local"


def make_site(
    backend: str | BackendBase,
    options: Mapping[str, Any],
    *,
    job_base_dir: str | os.PathLike[str] | None,
    python: str | None,
    submit_defaults: Mapping[str, str | None],
    poll_interval_min: float | None,
    poll_interval_max: float | None,
    result_grace: float,
) -> Site:
    """The site of a backend, by its name or made already. Raises `ConfigError` for what it does not understand."""
    name = name_of(backend)
    for key, value in (("job_base_dir", job_base_dir), ("python", python)):
        if value is not None:
            check_text(key, value)
    check_seconds("result_grace", result_grace)
    base = os.fspath(job_base_dir or DEFAULT_BASE)
    if name != "ssh" and not base.startswith("~"):
        base = os.path.abspath(base)  # a later chdir must not move it
    python = python or ("python3" if name == "ssh" else sys.executable)
    intervals = poll_intervals(name, poll_interval_min, poll_interval_max)
    options = _resolved(name, options, base)
    needed = {"python": python, **options} if name == "ssh" else options
    made = make(backend, needed)
    return Site(
        name=name,
        backend=made,
        options=options,
        place=_place(name, made, options),
        base=base,
        client=forks.Own(lambda: os.urandom(8).hex()),
        python=python,
        submit_defaults=submit_defaults,
        poll_intervals=intervals,
        result_grace=result_grace,
    )


def _resolved(name: str, options: Mapping[str, Any], base: str) -> dict[str, Any]:
    if name != "local":
        return dict(options)
    resolved = {"state_dir": os.path.join(base, LOCAL_STATE), **options}
    state_dir = expand_home("state_dir", resolved["state_dir"])
    return {**resolved, "state_dir": os.path.abspath(state_dir)}


def _place(name: str, backend: BackendBase, options: Mapping[str, Any]) -> tuple[object, ...]:
    """Equal for clusters on which a job id means the same job."""
    if name == "local":
        return ("local", options["state_dir"])
    if name not in POLL_INTERVALS:
        return (name, id(backend))
    return (name, *(options.get(key) for key in ("hostname", "port", "username", "config_file")))


def make(backend: str | BackendBase, options: Mapping[str, Any]) -> BackendBase:
    """The backend of that name. Raises `ConfigError` for an option that it does not take."""
    if isinstance(backend, BackendBase):
        if options:
            raise ConfigError(f"{name_of(backend)} is made already, and takes no {sorted(options)}")
        return backend
    if backend == "local":
        from slurm.api.local import LocalBackend

        return _construct(LocalBackend, options)
    if backend == "ssh":
        from slurm.api.ssh import SSHCommandBackend

        return _construct(SSHCommandBackend, options)
    from slurm.api.slurm_cli import SlurmCliBackend

    return _construct(SlurmCliBackend, options)


def name_of(backend: object) -> str:
    """What the backend is called. Raises `ConfigError` for one that does not exist."""
    if isinstance(backend, BackendBase):
        return type(backend).__name__
    if not isinstance(backend, str) or backend not in POLL_INTERVALS:
        near = suggestion(str(backend), POLL_INTERVALS)
        known = ", ".join(POLL_INTERVALS)
        raise ConfigError(f"backend {backend!r} does not exist{near}; choose from {known}")
    return backend


def poll_intervals(
    backend_type: str, shortest: float | None, longest: float | None
) -> tuple[float, float]:
    """Both intervals in seconds, the backend's own where they were not given. Raises `ConfigError`."""
    lower, upper = POLL_INTERVALS.get(backend_type, POLL_INTERVALS["slurm"])
    for name, given in (("poll_interval_min", shortest), ("poll_interval_max", longest)):
        if given is not None:
            check_positive(name, given)
    lower = lower if shortest is None else shortest
    upper = max(upper, lower) if longest is None else longest
    if lower > upper:
        raise ConfigError(f"poll_interval_min {lower:g} is more than poll_interval_max {upper:g}")
    return lower, upper


def _construct(backend: Callable[..., BackendBase], options: Mapping[str, Any]) -> BackendBase:
    import inspect  # late: it takes long

    parameters = inspect.signature(backend).parameters
    for name in options:
        if name not in parameters:
            if name.replace("_", "-") in OPTIONS:
                raise ConfigError(
                    f"{name!r} is an option of sbatch: defaults for it go into submit={{{name!r}: ...}}"
                )
            near = suggestion(name, [*parameters, *OF_EVERY_CLUSTER])
            raise ConfigError(
                f"{backend.__name__} has no option {name!r}{near}; it takes {sorted(parameters)}, and every cluster "
                f"takes {sorted(OF_EVERY_CLUSTER)}"
            )
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options:
            raise ConfigError(f"{backend.__name__} needs the option {name!r}")
    for name in TEXT:
        if options.get(name) is not None:
            check_text(name, options[name])
    return backend(**options)
