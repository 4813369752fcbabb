"""What is imported from the SDK's parts, by the names of the specification."""

from __future__ import annotations

import importlib

import pytest

NAMES = {
    "slurm.task": ["SlurmTask", "JobResultPlaceholder"],
    "slurm.job": ["Job"],
    "slurm.runtime": ["JobContext", "current_job_context", "bind_job_context"],
    "slurm.callbacks": [
        "BaseCallback",
        "LoggerCallback",
        "RichLoggerCallback",
        "BenchmarkCallback",
    ],
    "slurm.api": ["BackendBase", "SSHCommandBackend"],
    "slurm.packaging": [
        "NonePackagingStrategy",
        "WheelPackagingStrategy",
        "ContainerPackagingStrategy",
    ],
}


@pytest.mark.parametrize(("module", "names"), NAMES.items(), ids=NAMES)
def test_names_are_where_the_specification_says(module: str, names: list[str]) -> None:
    home = importlib.import_module(module)
    assert [getattr(home, name).__name__ for name in names] == names
    listed = set(getattr(home, "__all__", names))
    assert set(names) <= listed
