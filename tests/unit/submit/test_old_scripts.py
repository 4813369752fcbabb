"""A job's script is read back into what it was made of."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.fakes import FakeBackend

from slurm import Cluster, task
from slurm.errors import JobError
from slurm.job_dir.paths import JobDirectory
from slurm.rendering import Environment, ScriptSpec, render_job_script
from slurm.sbatch.options import normalise
from slurm.submit.old_scripts import needed_by, read_script


@task
def train(value: int) -> int:
    return value


GIVEN: list[dict[str, Any]] = [
    {},
    {"mem": "3G", "time": "2:00:00", "cpus_per_task": 4},
    {"mem": None, "time": None},
    {"mem_per_cpu": "2G"},
    {"requeue": True},
    {"requeue": 3, "time": "30"},
    {"signal": "B:USR2@30"},
    {"signal": None},
    {"nodes": 2, "ntasks_per_node": 4},
    {"output": "logs/%j.out", "error": "/tmp/%x.err"},
    {"output": "none"},
    {"constraint": "a|b&c", "job_name": "it's a name", "exclusive": True},
]


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_a_job_made_of_what_was_read_back_has_the_same_script(
    given: dict[str, Any], fake_cluster: Cluster, backend: FakeBackend
) -> None:
    def written(**options: Any) -> tuple[str, str]:
        request = fake_cluster.dry_run(train.with_options(**options), 1)
        script = request.files["job.sh"].decode()
        # Those of two submissions differ in these.
        for word in (request.job_dir.rpartition("/")[2], request.token):
            script = script.replace(word, "X")
        return script, request.job_dir

    first, job_dir = written(**given)
    folder = f"{job_dir.rpartition('/')[0]}/X"
    again = read_script(first).task_options(folder)
    assert written(**again)[0] == first
    changed = read_script(written(**{**again, "comment": "more"})[0])
    assert changed.task_options(folder) == again
    assert normalise(again) == again


@pytest.mark.parametrize("warned", [True, False])
@pytest.mark.parametrize("cleanup", [(), ("rm -rf /tmp/x", "echo done")])
@pytest.mark.parametrize("setup", [(), ("module load cuda || exit 1", "cd '/a b'\nexport X=1")])
def test_what_a_packaging_has_written_is_read_back(
    warned: bool, cleanup: tuple[str, ...], setup: tuple[str, ...]
) -> None:
    environment = Environment(["srun", "/it's/python 3"], setup, cleanup)
    exports = {"SLURM_SDK_TOKEN": "t", **({"SLURM_SDK_WARNING": "60"} if warned else {})}
    arguments = ["0", "12", "3"]
    links = [("/jobs/1/slurm_%j.out", "/logs/%j/out")]
    spec = ScriptSpec(
        JobDirectory("/jobs/a b"),
        {"mem": "1G"},
        environment,
        "/jobs/.sdk/0a",
        "1",
        exports,
        arguments,
        links,
    )
    old = read_script(render_job_script(spec))
    assert list(old.environment.interpreter) == ["srun", "/it's/python 3"]
    assert "\n".join(old.environment.setup) == "\n".join(setup)
    assert old.environment.cleanup == cleanup
    assert (old.sdk_directory, list(old.arguments)) == ("/jobs/.sdk/0a", arguments)
    assert old.exports == {"JOB_DIR": "/jobs/a b", **exports}


@pytest.mark.parametrize("script", ["", "#!/bin/bash\nsleep 1\n", 'exec python -u x "$JOB_DIR"\n'])
def test_a_script_of_somebody_else_is_none(script: str) -> None:
    with pytest.raises(JobError, match="not as the SDK has written it"):
        read_script(script)


def test_what_it_needs_is_named_once() -> None:
    script = "cd '/a b/.packages/source/x-01' && '/a b/.packages/env/0a1b/bin/python' '/a b'/.packages/env/0a1b/x"
    assert needed_by(script, "/a b") == ("/a b/.packages/source/x-01", "/a b/.packages/env/0a1b")
