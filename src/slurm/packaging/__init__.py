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
- `own_code`: what of this process's imports is the user's own, and where it is searched for;
- `sdk_archive`: the SDK's own code, as it travels;
- `source_files`: which files of a project are its code; `source_copies`: frozen copies of them on the cluster;
- `requirements`, `script_metadata`, `lock_files`, `requirement_lines`, `toml_files`: what a project or a script depends on;
- `target`: for which Python wheels are chosen; `resolving`, `resolver_errors`: choosing them, and what is said where there are
  none; `pip_wheel`, `sdk_stub`: pip to install them with, and what stands for the SDK meanwhile;
- `site_environment`: an environment of the site that jobs run in; `setup_script`: the lines of bash for it; `site_checks`,
  `setup_checker`: trying it out before anything is submitted; `python_version`: which Python a job will run with;
- `environments`, `environment_installer`, `interpreter_facts`: an environment with them on the cluster, made once;
- `projects`, `project_state`, `building`: a wheel of the user's project, built once; `user_cache`: where programs share it;
- `wheel_file`, `wheel_requirements`, `wheel_environments`: what such a wheel is, requires, and is installed in;
- `container_settings`: what may be said of a container; `images`, `mounts`: the names of images, and what they see of the
  host; `runtimes`: what starts them;
- `image_context`, `image_building`, `image_copies`, `image_bringing`: an image from a Dockerfile to the cluster; `prebuilding`:
  those of a workflow's tasks, before it runs;
- `programs`: running what builds things.
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
