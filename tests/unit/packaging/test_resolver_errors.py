"""What pip says when nothing goes together, as one line that names what keeps it from that."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm.packaging.environments.resolver_errors import not_found
from slurm.packaging.environments.target import Target

TARGET = Target((3, 13, 5), "cpython", "cp313", "linux-x86_64", ("glibc", 2, 41), {})
# Of pip 26: parents that want a package without a wheel, in several versions.
TRANSITIVE = """\
ERROR: Cannot install rpy2==3.6.6 and rpy2==3.6.7 because these package versions have conflicting dependencies.

The conflict is caused by:
    rpy2 3.6.7 depends on rpy2-rinterface>=3.6.6
    rpy2 3.6.6 depends on rpy2-rinterface>=3.6.5

Additionally, some packages in these conflicts have no matching distributions available for your environment:
    rpy2-rinterface

To fix this you could try to:
1. loosen the range of package versions you've specified
ERROR: ResolutionImpossible: for help visit the documentation
"""
CONTRADICTION = """\
The conflict is caused by:
    The user requested far<2
    near 1.0 depends on far>=2

ERROR: ResolutionImpossible: for help visit the documentation
"""


@pytest.mark.parametrize(
    ("printed", "how", "parts"),
    [
        (TRANSITIVE, "send", ["rpy2-rinterface has no wheel for Python 3.13", '"index"']),
        (TRANSITIVE, "index", ["rpy2-rinterface was not found for Python 3.13", '"send"']),
        (
            CONTRADICTION,
            "send",
            ["does not go together", "The user requested far<2; near 1.0 depends on far>=2"],
        ),
    ],
)
def test_what_is_impossible_is_named(printed: str, how: str, parts: list[str]) -> None:
    said = str(not_found(printed, Path("pyproject.toml"), TARGET, how))
    assert [part for part in parts if part not in said] == []
    assert said.startswith(("pyproject.toml: ", "what pyproject.toml requires"))
    assert "\n" not in said
