"""How user code gets to the nodes: packaging strategies.

`strategy_of` turns configuration (``"none"``, ``{"type": "none", "pythonpath": [...]}`` or a
`PackagingStrategy`) into a strategy; ``{"type": "my_project.packaging:Modules"}`` names one of the
user's own. Names are loaded on first use, for a job needs few of them.

What brings code to a node belongs here, the SDK's own as well; what lies in a job directory does not. It may
import `slurm.api`, `slurm.node`, `slurm.rendering` and what is below them. A strategy is handed the `Cluster`
and the `SlurmTask` it packages for, as types only.

- `base`: what a strategy can do: `prepare`, and `preview` for a dry run; `none`, `source`, `wheel`, `container`, `inherit`:
  those there are, each with its settings; `names`: which name means which class;
- `by_name`: a strategy from a table of configuration, and what is wrong in one; `registered`: those of other
  distributions;
- `function_reference`: by what `slurm.runner.functions` finds a function on the node (its module, script or value);
  `python_version`: which Python a job will run with;
- `sdk_archive`: the SDK's own code, as it travels;
- `projects`, `toml_files`: the user's project; `programs`: running what builds things; `user_cache`: where programs share it.

What they are made of has chambers of its own: `code` (the user's own), `environments` (what it depends on), `wheels`, `site`
(environments that are there), `images` (containers).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slurm.packaging.base import PackagingStrategy, environment_for
    from slurm.packaging.by_name import PackagingConfig, strategy_of
    from slurm.packaging.container import ContainerPackagingStrategy
    from slurm.packaging.inherit import InheritPackagingStrategy
    from slurm.packaging.names import STRATEGIES, name_of_strategy
    from slurm.packaging.none import NonePackagingStrategy
    from slurm.packaging.source import SourcePackagingStrategy
    from slurm.packaging.wheel import WheelPackagingStrategy
    from slurm.rendering import Environment

_HOME_OF = {
    "STRATEGIES": "slurm.packaging.names",
    "ContainerPackagingStrategy": "slurm.packaging.container",
    "Environment": "slurm.rendering",
    "InheritPackagingStrategy": "slurm.packaging.inherit",
    "NonePackagingStrategy": "slurm.packaging.none",
    "PackagingConfig": "slurm.packaging.by_name",
    "PackagingStrategy": "slurm.packaging.base",
    "SourcePackagingStrategy": "slurm.packaging.source",
    "WheelPackagingStrategy": "slurm.packaging.wheel",
    "environment_for": "slurm.packaging.base",
    "name_of_strategy": "slurm.packaging.names",
    "strategy_of": "slurm.packaging.by_name",
}

__all__ = [
    "STRATEGIES",
    "ContainerPackagingStrategy",
    "Environment",
    "InheritPackagingStrategy",
    "NonePackagingStrategy",
    "PackagingConfig",
    "PackagingStrategy",
    "SourcePackagingStrategy",
    "WheelPackagingStrategy",
    "environment_for",
    "name_of_strategy",
    "strategy_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'slurm.packaging' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
