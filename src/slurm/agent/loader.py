"""Imports the agent out of memory: its text, as it is sent, begins with this.

Nothing else imports it. The sources are in one dictionary, so no file is looked for on a login node.
"""

import sys
from typing import Any, Dict

ModuleSpec: Any = type(sys.__spec__)  # to import its home takes a millisecond


class Loader:
    """Finds and loads the modules of one package; `sources` has their texts by their full names."""

    def __init__(self, package: str, sources: Dict[str, str]) -> None:
        self.package = package
        self.sources = sources

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """How to import the module `name`; None for those of others."""
        if name not in self.sources:
            return None
        return ModuleSpec(name, self, is_package=name == self.package)

    def create_module(self, spec: Any) -> None:
        """Have Python make the module."""

    def exec_module(self, module: Any) -> None:
        """Run a module that was made."""
        name = module.__name__
        code = compile(self.sources[name], name, "exec", dont_inherit=True, optimize=2)
        exec(code, module.__dict__)  # noqa: S102 - what every loader does

    def get_source(self, name: str) -> str:
        """For tracebacks, which show the lines."""
        return self.sources[name]


def report(kind: Any, error: Any, trace: Any) -> None:
    """Print what ended this process. Python itself would look for the lines in files."""
    import traceback

    traceback.print_exception(kind, error, trace)


def install(package: str, sources: Dict[str, str]) -> None:
    """Have `package` imported from here, whatever else has its name."""
    sys.meta_path.insert(0, Loader(package, sources))
    sys.excepthook = report
