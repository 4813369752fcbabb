"""How user code gets to the nodes: packaging strategies.

`strategy_of` turns configuration (``"none"``, ``{"type": "none", "pythonpath": [...]}`` or a
`PackagingStrategy`) into a strategy; ``{"type": "my_project.packaging:Modules"}`` names one of the
user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from slurm.errors import ConfigError
from slurm.names import class_named
from slurm.packaging.base import PackagingStrategy, environment_for
from slurm.packaging.container import ContainerPackagingStrategy
from slurm.packaging.inherit import InheritPackagingStrategy
from slurm.packaging.none import NonePackagingStrategy
from slurm.packaging.wheel import WheelPackagingStrategy
from slurm.rendering import Environment
from slurm.suggest import suggestion

PackagingConfig = Union[str, Mapping[str, Any], PackagingStrategy, None]

# Settings that name a file or directory of this machine.
CLIENT_PATHS = ("project", "dockerfile", "context")
STRATEGIES: Mapping[str, type[PackagingStrategy]] = {
    "none": NonePackagingStrategy,
    "wheel": WheelPackagingStrategy,
    "container": ContainerPackagingStrategy,
    "inherit": InheritPackagingStrategy,
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
    if isinstance(name, str) and all(name.partition(":")):
        kind = class_named(name, PackagingStrategy, "packaging")
    elif isinstance(name, str) and name in STRATEGIES:
        kind = STRATEGIES[name]
    else:
        raise ConfigError(
            f"packaging type {name!r} does not exist{suggestion(str(name), STRATEGIES)}; choose from "
            f"{sorted(STRATEGIES)}, or name a class of your own as 'module:Class'"
        )
    from slurm.packaging.named import made

    return made(kind, name, settings)


def name_of_strategy(strategy: PackagingStrategy) -> str:
    """The type under which configuration names a strategy: ``none``, or ``module:Class``.

    >>> name_of_strategy(WheelPackagingStrategy())
    'wheel'
    """
    names = {kind: name for name, kind in STRATEGIES.items()}
    kind = type(strategy)
    return names.get(kind, f"{kind.__module__}:{kind.__qualname__}")


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
