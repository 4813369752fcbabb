"""Values from files and callers, checked where they come in."""

from __future__ import annotations

from slurm.errors import ConfigError


def check_positive(name: str, value: object) -> None:
    """Raises `ConfigError` unless `value` is a number above zero and below infinity."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 < float(value) < float("inf"):  # type: ignore[arg-type]
        raise ConfigError(f"{name} {value!r} is not a number of seconds above zero")


def check_port(name: str, value: object) -> None:
    """Raises `ConfigError` unless `value` is None or a TCP port."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise ConfigError(f"{name} {value!r} is not a port: give a whole number from 1 to 65535")
