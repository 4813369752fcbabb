"""How user code gets to the nodes: packaging strategies.

`strategy_of` turns configuration (``"none"``, ``{"type": "none", "pythonpath": [...]}`` or a
`PackagingStrategy`) into a strategy; ``{"type": "my_project.packaging:Modules"}`` names one of the
user's own.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Union

from slurm.config.checks import suggestion
from slurm.config.named_classes import class_named
from slurm.errors import ConfigError
from slurm.packaging.base import PackagingStrategy, environment_for
from slurm.rendering import Environment

if TYPE_CHECKING:
    from slurm.packaging.container import ContainerPackagingStrategy
    from slurm.packaging.inherit import InheritPackagingStrategy
    from slurm.packaging.none import NonePackagingStrategy
    from slurm.packaging.wheel import WheelPackagingStrategy

PackagingConfig = Union[str, Mapping[str, Any], PackagingStrategy, None]

# By name, as configuration names others. Loaded when they are asked for: most clients need one.
STRATEGIES: Mapping[str, str] = {
    "none": "slurm.packaging.none:NonePackagingStrategy",
    "wheel": "slurm.packaging.wheel:WheelPackagingStrategy",
    "container": "slurm.packaging.container:ContainerPackagingStrategy",
    "inherit": "slurm.packaging.inherit:InheritPackagingStrategy",
}


def strategy_of(config: PackagingConfig) -> PackagingStrategy:
    """The strategy that `config` describes. Raises `ConfigError` for one that does not exist.

    >>> strategy_of({"type": "none", "pythonpath": ["/home/me/src"]}).pythonpath
    ['/home/me/src']
    >>> strategy_of({"type": "none", "pythonpth": []})
    Traceback (most recent call last):
    slurm.errors.ConfigError: packaging 'none' has no key 'pythonpth' (did you mean 'pythonpath'?); \
it takes ['python', 'pythonpath']
    """
    if isinstance(config, PackagingStrategy):
        return config
    if config is not None and not isinstance(config, (str, Mapping)):
        raise ConfigError(
            f"packaging {config!r} is no packaging: give a name, a mapping with 'type', or a strategy"
        )
    settings = dict(config) if isinstance(config, Mapping) else {"type": config or "none"}
    name = settings.pop("type", "none")
    known = STRATEGIES.get(name, name) if isinstance(name, str) else ""
    if not all(known.partition(":")):
        raise ConfigError(
            f"packaging type {name!r} does not exist{suggestion(str(name), STRATEGIES)}; choose from "
            f"{sorted(STRATEGIES)}, or name a class of your own as 'module:Class'"
        )
    from slurm.packaging.named import made

    return made(class_named(known, PackagingStrategy, "packaging"), name, settings)


def name_of_strategy(strategy: PackagingStrategy) -> str:
    """The type under which configuration names a strategy: ``none``, or ``module:Class``.

    >>> name_of_strategy(strategy_of({"type": "wheel"}))
    'wheel'
    """
    kind = type(strategy)
    path = f"{kind.__module__}:{kind.__qualname__}"
    return next((name for name, known in STRATEGIES.items() if known == path), path)


def __getattr__(name: str) -> Any:
    for path in STRATEGIES.values():
        module, _, kind = path.partition(":")
        if kind == name:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "ContainerPackagingStrategy",
    "Environment",
    "InheritPackagingStrategy",
    "NonePackagingStrategy",
    "PackagingConfig",
    "PackagingStrategy",
    "WheelPackagingStrategy",
    "environment_for",
    "name_of_strategy",
    "strategy_of",
]
