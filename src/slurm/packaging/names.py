"""Under which names configuration knows packaging strategies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slurm.packaging.base import PackagingStrategy

# In the settings that a workflow's jobs inherit: what was made for its tasks, see `slurm.packaging.images.prebuilding`.
PREBUILT = "prebuilt"
# By name, as configuration names others. Loaded when they are asked for: most clients need one.
STRATEGIES: Mapping[str, str] = {
    "none": "slurm.packaging.none:NonePackagingStrategy",
    "source": "slurm.packaging.source:SourcePackagingStrategy",
    "wheel": "slurm.packaging.wheel:WheelPackagingStrategy",
    "container": "slurm.packaging.container:ContainerPackagingStrategy",
    "inherit": "slurm.packaging.inherit:InheritPackagingStrategy",
}


def name_of_strategy(strategy: PackagingStrategy) -> str:
    """The type under which configuration names a strategy: ``none``, or ``module:Class``.

    >>> from slurm.packaging import strategy_of
    >>> name_of_strategy(strategy_of({"type": "wheel"}))
    'wheel'
    """
    kind = type(strategy)
    path = f"{kind.__module__}:{kind.__qualname__}"
    return next((name for name, known in STRATEGIES.items() if known == path), path)
