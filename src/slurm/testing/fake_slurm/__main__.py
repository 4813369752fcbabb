"""What the commands on the PATH start: Python in isolated mode with this file, a folder, a command and its arguments.

It is started without the rest of the package, which would take it ten times as long.
"""

from __future__ import annotations

import importlib
import os
import sys


def main() -> int:
    """The exit status of the command."""
    package = os.path.dirname(os.path.abspath(__file__))
    sys.path.append(
        os.path.dirname(package)
    )  # last: nothing there may stand for a module of Python
    program = importlib.import_module(os.path.basename(package) + ".program")
    return int(program.main(sys.argv[1], sys.argv[2], sys.argv[3:]))


if __name__ == "__main__":
    sys.exit(main())
