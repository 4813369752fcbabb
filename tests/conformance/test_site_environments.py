"""Jobs in an environment of the site: its setup is tried out first, and is the same in the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.conformance.sites import Site
from tests.conformance.waiting import PATIENCE

import conformance_environments as tasks
from slurm import Cluster
from slurm.errors import JobFailed, PackagingError

Connect = Callable[..., Cluster]


@pytest.fixture
def connect(site: Site) -> Iterator[Connect]:
    """Makes clients whose jobs have a setup; the last one is active."""
    with ExitStack() as stack:

        def connected(*lines: str) -> Cluster:
            cluster = site.connect(packaging={"type": "none", "setup": list(lines)})
            stack.callback(cluster.close)
            return stack.enter_context(cluster)

        yield connected


def test_a_job_sees_what_the_setup_exports(connect: Connect) -> None:
    connect('f() { export GREETING="it\'s $1"; }', "f fine", "echo noise; echo more >&2", "set -eu")
    assert tasks.variable("GREETING").get_result(PATIENCE) == "it's fine"


def test_a_line_that_fails_keeps_the_job_from_being_submitted(connect: Connect) -> None:
    cluster = connect("true", "echo there is no such module; (exit 4)")
    with pytest.raises(PackagingError) as caught:
        tasks.prefix()
    message = str(caught.value)
    assert message.startswith(
        "setup line 2 of 2, 'echo there is no such module; (exit 4)', failed on "
    )
    assert message.endswith("status 4: there is no such module; mend it in the packaging's setup")
    # Jobs of other tests are in the queue as well: of this one there is not even a directory.
    assert not cluster.backend.file_exists(f"{cluster.job_base_dir}/prefix")


def test_a_line_that_fails_in_the_job_is_named_in_its_error(connect: Connect) -> None:
    line = '[ -z "$SLURM_JOB_ID" ]'
    connect("echo loaded", line)
    with pytest.raises(JobFailed) as caught:
        tasks.prefix().get_result(PATIENCE)
    first = str(caught.value).splitlines()[0]
    assert f"setup line 2 of 2, '{line}', failed on " in first
    assert "with status 1; mend it in the packaging's setup" in first


def test_a_workflows_jobs_have_it_and_it_is_tried_out_once(connect: Connect, folder: str) -> None:
    """Outside of a job, which an attempt of a workflow's job would seem to be too, a line leaves a mark."""
    note = f'[ -n "$SLURM_JOB_ID" ] || echo tried >> {folder}/tried'
    cluster = connect("export GREETING=hello", note)
    assert tasks.children_see("GREETING").get_result(PATIENCE) == ["hello"] * 3
    assert cluster.backend.read_file(f"{folder}/tried") == b"tried\n"
