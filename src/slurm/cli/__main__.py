"""``python -m slurm.cli``: the command ``slurm``, where it is not on the PATH."""

import sys

from slurm.cli import main

sys.exit(main())
