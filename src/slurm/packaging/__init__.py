"""How user code gets to the nodes: packaging strategies.

`strategy_of` turns configuration (``"none"``, ``{"type": "none", "pythonpath": [...]}`` or a
`PackagingStrategy`) into a strategy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from slurm.errors import ConfigError
from slurm.packaging.base import PackagingStrategy
from slurm.packaging.none import NonePackagingStrategy

PackagingConfig = Union[str, Mapping[str, Any], PackagingStrategy, None]

STRATEGIES: Mapping[str, type[PackagingStrategy]] = {"none": NonePackagingStrategy}


def strategy_of(config: PackagingConfig) -> PackagingStrategy:
    """The strategy that `config` describes. Raises `ConfigError` for a type that does not exist."""
    if isinstance(config, PackagingStrategy):
        return config
    settings = (
        {"type": config or "none"} if config is None or isinstance(config, str) else dict(config)
    )
    name = settings.pop("type", "none")
    if not isinstance(name, str) or name not in STRATEGIES:
        raise ConfigError(
            f"packaging type {name!r} does not exist; choose from {sorted(STRATEGIES)}"
        )
    try:
        return STRATEGIES[name](**settings)
    except TypeError as error:
        raise ConfigError(f"packaging {name!r}: {error}") from error


__all__ = ["NonePackagingStrategy", "PackagingConfig", "PackagingStrategy", "strategy_of"]
